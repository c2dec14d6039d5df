# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Draining a change log that is already written, from the same position: weir into PostgreSQL, and a
# native MariaDB replica with one applier thread. Part of run.sh.

rows=${BENCH_ROWS:-100000}

say "starting a replica"
ground_mariadb replica "${mariadb_settings[@]}" --server-id=2 --slave-parallel-threads=0 ||
  fail "the replica"
replica_sql() { mariadb --no-defaults -uroot -S "$replica_socket" -N -B "$@"; }
replica_sql -e "CREATE DATABASE bench"
source_sql -e "CREATE USER replica@'%' IDENTIFIED BY 'replica-pw';
  GRANT REPLICATION SLAVE ON *.* TO replica@'%'"
position=$(source_sql -e "SELECT @@gtid_binlog_pos")
replica_sql -e "SET GLOBAL gtid_slave_pos = '$position';
  CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = $db_port, MASTER_USER = 'replica',
  MASTER_PASSWORD = 'replica-pw', MASTER_USE_GTID = slave_pos; START SLAVE"

say "loading $tables tables of $rows rows"
sysbench_on_source --threads=2 prepare
source_sql -e "CREATE TABLE bench.mark (id INT PRIMARY KEY, n INT NOT NULL);
  INSERT INTO bench.mark VALUES (1, 0)"
caught_up() {
  [ "$(replica_sql -e "SELECT @@gtid_slave_pos")" = "$(source_sql -e "SELECT @@gtid_binlog_pos")" ]
}
ground_until 600 caught_up || fail "the replica: $(replica_sql -e 'SHOW SLAVE STATUS')"
replica_sql -e "STOP SLAVE"

target_sql -c "CREATE DATABASE bench_weir" postgres
write_task bench_weir
mark_is() { [ "$(target_sql -c 'SELECT n FROM bench.mark' bench_weir 2>/dev/null)" = "$1" ]; }
start_weir "$ground/task.toml" --wait full
source_sql -e "UPDATE bench.mark SET n = 1"
ground_until 120 mark_is 1 || fail "weir does not catch up before the measurement"
stop_weir

say "$transactions transactions with four changes each"
before=$(source_sql -e "SELECT SUBSTRING_INDEX(@@gtid_binlog_pos, '-', -1)")
sysbench_on_source --threads=4 --events="$transactions" --time=0 --rand-type=uniform run
source_sql -e "UPDATE bench.mark SET n = 2"
logged=$(($(source_sql -e "SELECT SUBSTRING_INDEX(@@gtid_binlog_pos, '-', -1)") - before))
[ "$logged" -ge "$transactions" ] || fail "only $logged transactions were logged"
expected=$(sums_of_source source_sql)
target_sql -c CHECKPOINT postgres
sync

say "draining with weir"
started=$EPOCHREALTIME
start_weir bench
ground_until 1800 mark_is 2 || fail "weir does not drain the log"
weir_seconds=$(seconds_since "$started")
memory=$(weir_memory)
weir_ok=true
[ "$(sums_of_postgres target_sql bench_weir bench)" = "$expected" ] || weir_ok=false
add_result weir "$weir_seconds" "$logged" "$memory" $weir_ok
stop_weir

say "draining with the replica"
sync
started=$EPOCHREALTIME
replica_sql -e "START SLAVE"
ground_until 1800 caught_up || fail "the replica does not drain the log"
replica_seconds=$(seconds_since "$started")
replica_ok=true
[ "$(sums_of_source replica_sql)" = "$expected" ] || replica_ok=false

add_result replica "$replica_seconds" "$logged" null $replica_ok
report transactions "$logged"
