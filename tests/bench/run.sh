#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures weir beside other tools, in one run on one machine:
#
#   tests/bench/run.sh CASE [--json]
#
#   full-mysql-postgres             the full stage: weir, pgloader, and mariadb | psql
#   full-mysql-mysql                the full stage: weir, and mydumper with myloader
#   full-postgres-postgres          the full stage: weir, and pgcopydb
#   incremental-mysql-postgres      draining a change log: weir, and a native MariaDB replica
#   incremental-postgres-postgres   draining a change log: weir, and native logical replication
#   memory-large-transaction        the worker's most memory while one transaction of BENCH_ROWS rows
#                                   (5,000,000) goes to PostgreSQL, from PostgreSQL and from MariaDB;
#                                   fails above 256 MiB
#
# Prints a table, or with --json one document. The conversation goes to stderr.
# BENCH_TABLES, BENCH_ROWS (per table) and BENCH_TRANSACTIONS change the amount of work.
#
# All servers are throwaway, on this machine, with the settings below and else their defaults: every
# contestant reads from and writes to the same two, one after the other. Syncs stay on. The two
# settings about log space keep checkpoints of one contestant out of the time of the next.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=../support/ground.sh
. "$root/tests/support/ground.sh"
# shellcheck source=../support/release.sh
. "$root/tests/support/release.sh"

mariadb_settings=(--innodb-buffer-pool-size=1G --innodb-log-file-size=512M --max-connections=200)
postgres_settings=(shared_buffers=512MB max_wal_size=4GB min_wal_size=4GB)

usage() { sed -n '4,22s/^# \{0,1\}//p' "$0"; }
say() { printf 'bench: %s\n' "$*" >&2; }
fail() {
  say "failed: $*"
  exit 1
}

case=
json=
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    full-mysql-postgres | full-mysql-mysql | full-postgres-postgres) case=$1 ;;
    incremental-mysql-postgres | incremental-postgres-postgres) case=$1 ;;
    memory-large-transaction) case=$1 ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  shift
done
[ -n "$case" ] || {
  usage >&2
  exit 2
}

"$root/tests/support/install.sh" build bench
if ! release_is_fresh "$root" || ! release_is_release "$root"; then
  say "building the release preset"
  release_build "$root" || fail "the build"
fi
export PATH="$root/build/bin:$PATH"

tables=${BENCH_TABLES:-8}
transactions=${BENCH_TRANSACTIONS:-100000}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'; }
source_sql() { mariadb --no-defaults -uroot -S "$db_socket" -N -B "$@"; }
target_sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$pg_socket" -p "$pg_port" -U postgres "$@"; }
from_sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$from_socket" -p "$from_port" -U postgres "$@"; }
sysbench_on_source() {
  sysbench oltp_write_only --db-driver=mysql --mysql-socket="$db_socket" --mysql-user=root \
    --mysql-db=bench --tables="$tables" --table-size="$rows" "$@" >"$ground/sysbench.log" 2>&1 ||
    { tail -20 "$ground/sysbench.log" >&2 && fail "sysbench"; }
}

# Count, sums and a digest of the texts of each table of a MariaDB, and of a PostgreSQL schema.
sums_of_source() { # SQL FUNCTION
  local i
  for ((i = 1; i <= tables; ++i)); do
    "$1" -e "SELECT CONCAT_WS('|', COUNT(*), SUM(id), SUM(k),
      SUM(CAST(CONV(LEFT(MD5(CONCAT(c, pad)), 8), 16, 10) AS UNSIGNED))) FROM bench.sbtest$i"
  done
}
sums_of_postgres() { # SQL FUNCTION, DATABASE, SCHEMA
  local i
  for ((i = 1; i <= tables; ++i)); do
    "$1" -c "SELECT count(*), sum(id), sum(k),
      sum(('x' || left(md5(c::text || pad::text), 8))::bit(32)::bigint) FROM \"$3\".sbtest$i" "$2"
  done
}

write_task() { # DATABASE
  cat >"$ground/task.toml" <<EOF
name = "bench"
[source]
$source_settings
[target]
kind = "postgres"
socket = "$pg_socket"
port = $pg_port
database = "$1"
user = "postgres"
[[table]]
match = "bench.*"
target = "bench.{table}"
[full]
connections = 2
EOF
}

# Sum over weir's processes of this run of the most memory that each ever held, in bytes. Each keeps
# its own high-water mark, so one look before they end is enough; looking on would take time from
# the contestant that is looked at.
weir_memory() {
  local exe pid value total=0
  for exe in /proc/[0-9]*/exe; do
    pid=${exe%/exe}
    [[ $(readlink "$exe" 2>/dev/null) == "$root"/build/bin/weir* ]] || continue
    tr '\0' '\n' <"$pid/environ" 2>/dev/null | grep -qx "WEIR_STATE_DIR=$ground/state" || continue
    value=$(awk '/^VmHWM:/ { print $2 * 1024 }' "$pid/status" 2>/dev/null) || continue
    total=$((total + value))
  done
  [ "$total" -gt 0 ] || fail "no process of weir is there to be measured"
  echo "$total"
}

export WEIR_STATE_DIR=
ground_open
WEIR_STATE_DIR=$ground/state
trap 'weir sync stop bench >/dev/null 2>&1 || true; ground_close' EXIT
say "starting the servers"
case $case in
  *-mysql-* | memory-*)
    ground_mariadb db "${mariadb_settings[@]}" || fail "MariaDB"
    source_sql -e "CREATE DATABASE bench"
    source_settings="kind = \"mysql\"
socket = \"$db_socket\"
user = \"root\""
    ;;
  *-postgres-*)
    ground_postgres from "${postgres_settings[@]}" wal_level=logical || fail "the first PostgreSQL"
    from_sql -c "CREATE DATABASE bench" postgres
    from_sql -c "CREATE SCHEMA bench" bench
    source_settings="kind = \"postgres\"
socket = \"$from_socket\"
port = $from_port
database = \"bench\"
user = \"postgres\""
    ;;
esac
case $case in
  *-mysql)
    ground_mariadb copy "${mariadb_settings[@]}" --local-infile=ON || fail "the second MariaDB"
    ;;
  *-postgres | memory-*)
    ground_postgres pg "${postgres_settings[@]}" || fail "PostgreSQL"
    ;;
esac

memory_total=$(awk '/^MemTotal:/ { print $2 * 1024 }' /proc/meminfo)
document() { # adds what all cases have in common to the object on stdin
  jq --arg case "$case" --argjson cores "$(nproc)" --argjson memory "$memory_total" \
    --arg mariadb "$([ -z "${db_socket-}" ] || source_sql -e 'SELECT VERSION()')" \
    --arg postgres "$([ -z "${pg_socket-}" ] || target_sql -c 'SHOW server_version' postgres)" \
    --arg weir "$(weir --version | head -1)" \
    --arg mariadb_settings "${mariadb_settings[*]}" --arg postgres_settings "${postgres_settings[*]}" \
    '{schema: 1, case: $case, machine: {cores: $cores, memory_bytes: $memory},
      versions: {weir: $weir, mariadb: $mariadb, postgres: $postgres},
      settings: {mariadb: $mariadb_settings, postgres: $postgres_settings}} + .'
}

print_document() { # UNIT
  if [ -n "$json" ]; then
    cat "$ground/document"
    return
  fi
  printf '%-10s %10s %15s %10s %6s %18s\n' tool seconds "$1/s" peak-MiB rows "weir is faster by"
  jq -r '.ratios as $ratios | .results[]
    | [.name, .seconds, .rate, (if .peak_memory_bytes then .peak_memory_bytes / 1048576 | round
                                else "-" end),
       (if .rows_ok then "equal" else "WRONG" end), ($ratios[.name].speed // "-")] | @tsv' \
    "$ground/document" |
    while IFS=$'\t' read -r name seconds rate peak equal ratio; do
      printf '%-10s %10s %15s %10s %6s %18s\n' "$name" "$seconds" "$rate" "$peak" "$equal" "$ratio"
    done
}
results=()
# Notes what a contestant did; BYTES is its peak of memory, or null.
add_result() { # NAME SECONDS UNITS BYTES OK
  results+=("$(jq -n --arg name "$1" --argjson seconds "$2" --argjson units "$3" \
    --argjson bytes "$4" --argjson ok "$5" '{name: $name, seconds: $seconds,
      rate: ($units / $seconds | round), peak_memory_bytes: $bytes, rows_ok: $ok}')")
  say "$1: $2 s, equal: $5"
}
# Prints the results; `rate` is of UNIT.
report() { # UNIT COUNT
  printf '%s\n' "${results[@]}" | jq -s --arg unit "$1" --argjson count "$2" '
    (.[] | select(.name == "weir")) as $weir
    | {ok: all(.rows_ok), unit: $unit, count: $count, results: .,
       ratios: (map(select(.name != "weir")) | map({key: .name, value: {
         speed: (.seconds / $weir.seconds * 100 | round / 100),
         memory: (if .peak_memory_bytes and $weir.peak_memory_bytes
                  then .peak_memory_bytes / $weir.peak_memory_bytes * 100 | round / 100
                  else null end)}}) | from_entries)}' | document >"$ground/document"
  print_document "$1"
  jq -e .ok "$ground/document" >/dev/null || fail "a copy is not equal to its source"
}
start_weir() { # FLAGS
  weir sync start "$@" >"$ground/weir.log" 2>&1 || { tail -20 "$ground/weir.log" >&2 && fail "weir"; }
}
stop_weir() { weir sync stop bench >/dev/null 2>&1 || fail "weir sync stop"; }

# weir's part of a case of the full stage, whose task is written.
full_with_weir() { # FUNCTION that notes the result, as finish_postgres does
  local started=$EPOCHREALTIME seconds memory
  start_weir "$ground/task.toml" --wait full
  seconds=$(seconds_since "$started")
  memory=$(weir_memory)
  stop_weir
  "$1" weir "$seconds" "$memory"
}
# The same state for each contestant: an empty database bench_NAME, nothing left to write out.
prepare_postgres() { # NAME
  target_sql -c "CREATE DATABASE bench_$1" postgres
  target_sql -c CHECKPOINT postgres
  sync
}
# Notes the result of a contestant whose copy is in the database bench_NAME. The case has set what
# is `expected` of it, and the `total` of rows.
finish_postgres() { # NAME SECONDS BYTES [SCHEMA]
  local ok=true schema=${4:-bench} indexes
  [ "$(sums_of_postgres target_sql "bench_$1" "$schema")" = "$expected" ] || ok=false
  indexes=$(target_sql -c "SELECT count(*) FROM pg_indexes WHERE schemaname = '$schema'" "bench_$1")
  [ "$indexes" = $((tables * 2)) ] || ok=false
  add_result "$1" "$2" "$total" "$3" $ok
  target_sql -c "DROP DATABASE bench_$1 WITH (FORCE)" postgres
}

# shellcheck source=full-mysql-postgres.sh
. "$root/tests/bench/$case.sh"
