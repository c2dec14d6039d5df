# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Copying tables with their rows, primary keys and secondary indexes from one PostgreSQL to another.
# Part of run.sh.

rows=${BENCH_ROWS:-500000}
jobs=2
say "loading $tables tables of $rows rows"
for ((i = 1; i <= tables; ++i)); do
  # What sysbench makes: a key, a secondary index, 180 characters of digits.
  from_sql bench <<EOF
CREATE TABLE bench.sbtest$i (id integer NOT NULL, k integer NOT NULL DEFAULT 0,
  c char(120) NOT NULL DEFAULT '', pad char(60) NOT NULL DEFAULT '');
INSERT INTO bench.sbtest$i SELECT n, 1 + (random() * ($rows - 1))::integer,
  md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) || left(md5((n + 3)::text), 23),
  md5((-n)::text) || left(md5((-n - 1)::text), 27) FROM generate_series(1, $rows) AS n;
ALTER TABLE bench.sbtest$i ADD PRIMARY KEY (id);
CREATE INDEX k_$i ON bench.sbtest$i (k);
EOF
done
from_sql -c "VACUUM ANALYZE" bench
expected=$(sums_of_postgres from_sql bench bench)
total=$((tables * rows))

# Whoever comes first would also pay for the files of the log, which are used again later.
prepare_postgres warm
for ((i = 1; i <= tables; ++i)); do
  target_sql -c "CREATE TABLE public.t$i (id integer, k integer, c text, pad text)" bench_warm
  from_sql -c "COPY bench.sbtest$i TO STDOUT" bench |
    target_sql -c "\\copy public.t$i FROM STDIN" bench_warm
done
target_sql -c "DROP DATABASE bench_warm WITH (FORCE)" postgres

prepare_postgres weir
write_task bench_weir
full_with_weir finish_postgres

prepare_postgres pgcopydb
started=$EPOCHREALTIME
/usr/bin/time -f %M -o "$ground/pgcopydb.rss" pgcopydb clone --dir "$ground/pgcopydb" \
  --table-jobs $jobs --index-jobs $jobs --not-consistent \
  --source "postgresql://postgres@/bench?host=$from_socket&port=$from_port" \
  --target "postgresql://postgres@/bench_pgcopydb?host=$pg_socket&port=$pg_port" \
  >"$ground/pgcopydb.log" 2>&1 || { tail -20 "$ground/pgcopydb.log" >&2 && fail "pgcopydb"; }
seconds=$(seconds_since "$started")
# Of its largest process; it has several.
finish_postgres pgcopydb "$seconds" "$(awk '{ print $1 * 1024 }' "$ground/pgcopydb.rss")"
report rows "$total"
