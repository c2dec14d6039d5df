# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Copying tables with their rows, primary keys and secondary indexes. Part of run.sh.

rows=${BENCH_ROWS:-500000}
say "loading $tables tables of $rows rows"
sysbench_on_source --threads=2 prepare
expected=$(sums_of_source source_sql)
total=$((tables * rows))

peak() { # the sum of the peaks that /usr/bin/time wrote to the given files
  cat "$@" | awk '{ sum += $1 * 1024 } END { print sum + 0 }'
}

prepare_postgres weir
write_task bench_weir
full_with_weir finish_postgres

# Its default of 100,000 prefetched rows runs out of heap here.
prepare_postgres pgloader
cat >"$ground/pgloader.load" <<EOF
LOAD DATABASE
  FROM mysql://root@unix:$db_socket:3306/bench
  INTO postgresql://postgres@unix:$pg_socket:$pg_port/bench_pgloader
  WITH workers = 2, concurrency = 1, max parallel create index = 2, prefetch rows = 10000;
EOF
started=$EPOCHREALTIME
/usr/bin/time -f %M -o "$ground/pgloader.rss" pgloader --root-dir "$ground/pgloader" \
  "$ground/pgloader.load" >"$ground/pgloader.log" 2>&1 ||
  { tail -20 "$ground/pgloader.log" >&2 && fail "pgloader"; }
finish_postgres pgloader "$(seconds_since "$started")" "$(peak "$ground/pgloader.rss")"

prepare_postgres pipe
copy_one() {
  local i=$1
  target_sql -c "CREATE TABLE public.sbtest$i
    (id integer NOT NULL, k integer NOT NULL, c char(120) NOT NULL, pad char(60) NOT NULL)" bench_pipe
  /usr/bin/time -f %M -o "$ground/read$i.rss" mariadb --no-defaults -uroot -S "$db_socket" -q -N -B \
    -e "SELECT * FROM bench.sbtest$i" |
    /usr/bin/time -f %M -o "$ground/write$i.rss" psql -X -q -v ON_ERROR_STOP=1 -h "$pg_socket" \
      -p "$pg_port" -U postgres -c "\\copy public.sbtest$i FROM STDIN" bench_pipe
  target_sql -c "ALTER TABLE public.sbtest$i ADD PRIMARY KEY (id)" \
    -c "CREATE INDEX k_$i ON public.sbtest$i (k)" bench_pipe
}
export -f copy_one target_sql
export db_socket pg_socket pg_port ground
started=$EPOCHREALTIME
seq "$tables" | xargs -P 2 -I{} bash -c 'set -euo pipefail; copy_one {}' || fail "the pipe"
seconds=$(seconds_since "$started")
# Two pipelines at a time, all alike.
finish_postgres pipe "$seconds" "$(($(peak "$ground"/read1.rss "$ground"/write1.rss) * 2))" public

report rows "$total"
