# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Copying tables with their rows, primary keys and secondary indexes from one MariaDB to another.
# Part of run.sh.

rows=${BENCH_ROWS:-500000}
threads=2
say "loading $tables tables of $rows rows"
sysbench_on_source --threads=2 prepare
copy_sql() { mariadb --no-defaults -uroot -S "$copy_socket" -N -B "$@"; }
expected=$(sums_of_source source_sql)
total=$((tables * rows))

# Notes the result of a contestant whose copy is in the database bench of the second server.
finish() { # NAME SECONDS BYTES
  local ok=true indexes
  [ "$(sums_of_source copy_sql)" = "$expected" ] || ok=false
  indexes=$(copy_sql -e "SELECT COUNT(DISTINCT table_name, index_name) FROM
    information_schema.statistics WHERE table_schema = 'bench'")
  [ "$indexes" = $((tables * 2)) ] || ok=false
  add_result "$1" "$2" "$total" "$3" $ok
}
no_dirty_pages() {
  [ "$(copy_sql -e "SELECT variable_value FROM information_schema.global_status WHERE
    variable_name = 'Innodb_buffer_pool_pages_dirty'")" -lt 100 ]
}
# The same state for each: no copy, an empty log, nothing left to write out.
prepare() {
  copy_sql -e "DROP DATABASE IF EXISTS bench; RESET MASTER;
    SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0, innodb_max_dirty_pages_pct = 0"
  ground_until 120 no_dirty_pages || fail "the second server does not come to rest"
  copy_sql -e "SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT"
  sync
}

prepare
cat >"$ground/task.toml" <<EOF
name = "bench"
[source]
$source_settings
[target]
kind = "mysql"
socket = "$copy_socket"
user = "root"
[[table]]
match = "bench.*"
[full]
connections = $threads
EOF
full_with_weir finish

# Not cut into chunks of rows: these tables are alike, and there are more of them than threads.
prepare
started=$EPOCHREALTIME
/usr/bin/time -f %M -o "$ground/dump.rss" mydumper --socket "$db_socket" --user root \
  --database bench --threads "$threads" --outputdir "$ground/dump" >"$ground/mydumper.log" 2>&1 ||
  { tail -20 "$ground/mydumper.log" >&2 && fail "mydumper"; }
/usr/bin/time -f %M -o "$ground/load.rss" myloader --socket "$copy_socket" --user root \
  --enable-binlog --threads "$threads" --directory "$ground/dump" >"$ground/myloader.log" 2>&1 ||
  { tail -20 "$ground/myloader.log" >&2 && fail "myloader"; }
seconds=$(seconds_since "$started")
# One runs after the other.
finish mydumper "$seconds" "$(sort -n "$ground/dump.rss" "$ground/load.rss" |
  awk 'END { print $1 * 1024 }')"

report rows "$total"
