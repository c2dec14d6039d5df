# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Draining write-ahead log that is already written: weir, and the server's own logical replication,
# both from one PostgreSQL into another. Part of run.sh.

scale=${BENCH_SCALE:-10}
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
names="pgbench_accounts pgbench_branches pgbench_tellers pgbench_history"
from_pgbench() {
  PGOPTIONS="-c search_path=bench" "$bin/pgbench" -h "$from_socket" -p "$from_port" -U postgres \
    "$@" bench >"$ground/pgbench.log" 2>&1 || { tail -20 "$ground/pgbench.log" >&2 && fail "pgbench"; }
}
# Count, sums and a digest of each table.
sums() { # SQL FUNCTION, DATABASE
  "$1" "$2" <<EOF
SELECT count(*), sum(aid), sum(abalance), sum(hashtext(aid || ':' || abalance)) FROM bench.pgbench_accounts;
SELECT count(*), sum(bid), sum(bbalance) FROM bench.pgbench_branches;
SELECT count(*), sum(tid), sum(tbalance) FROM bench.pgbench_tellers;
SELECT count(*), sum(aid), sum(delta), sum(hashtext(tid || ':' || aid || ':' || delta || mtime)) FROM bench.pgbench_history;
EOF
}

say "loading pgbench at scale $scale"
from_pgbench -i -q -s "$scale"
# Its history has no key.
from_sql bench -c "ALTER TABLE bench.pgbench_history REPLICA IDENTITY FULL" \
  -c "CREATE TABLE bench.mark (id integer PRIMARY KEY, n integer NOT NULL)" \
  -c "INSERT INTO bench.mark VALUES (1, 0)"
for name in weir native; do target_sql -c "CREATE DATABASE bench_$name" postgres; done
mark_is() { [ "$(target_sql -c 'SELECT n FROM bench.mark' "bench_$1" 2>/dev/null)" = "$2" ]; }

write_task bench_weir
sed -i 's/^target = "bench.{table}"/&\nkey = "all-columns"/' "$ground/task.toml"
start_weir "$ground/task.toml" --wait full

target_sql -c "CREATE SCHEMA bench" bench_native
"$bin/pg_dump" -h "$from_socket" -p "$from_port" -U postgres -s -t 'bench.*' bench >"$ground/schema.sql"
target_sql -f "$ground/schema.sql" bench_native >/dev/null
from_sql -c "CREATE PUBLICATION native FOR TABLE ONLY bench.mark, bench.${names// /, bench.}" bench
target_sql -c "CREATE SUBSCRIPTION native CONNECTION
  'host=$from_socket port=$from_port user=postgres dbname=bench' PUBLICATION native" bench_native
from_sql -c "UPDATE bench.mark SET n = 1" bench
for name in weir native; do
  ground_until 300 mark_is $name 1 || fail "$name does not catch up before the measurement"
done
subscribed() {
  [ "$(target_sql -c "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'" \
    bench_native)" = 0 ]
}
ground_until 300 subscribed || fail "the subscription does not get ready"
target_sql -c "ALTER SUBSCRIPTION native DISABLE" bench_native
stop_weir

say "$transactions transactions of pgbench"
from_pgbench -n -c 4 -j 2 -t $((transactions / 4))
from_sql -c "UPDATE bench.mark SET n = 2" bench
expected=$(sums from_sql bench)
from_sql -c CHECKPOINT bench
target_sql -c CHECKPOINT postgres
sync

say "draining with weir"
started=$EPOCHREALTIME
start_weir bench
ground_until 1800 mark_is weir 2 || fail "weir does not drain the log"
seconds=$(seconds_since "$started")
memory=$(weir_memory)
ok=true
[ "$(sums target_sql bench_weir)" = "$expected" ] || ok=false
add_result weir "$seconds" "$transactions" "$memory" $ok
stop_weir

say "draining with native logical replication"
target_sql -c CHECKPOINT postgres
sync
started=$EPOCHREALTIME
target_sql -c "ALTER SUBSCRIPTION native ENABLE" bench_native
ground_until 1800 mark_is native 2 || fail "the subscription does not drain the log"
seconds=$(seconds_since "$started")
ok=true
[ "$(sums target_sql bench_native)" = "$expected" ] || ok=false
add_result native "$seconds" "$transactions" null $ok
report transactions "$transactions"
