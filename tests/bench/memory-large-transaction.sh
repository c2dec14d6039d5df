# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The most memory that the worker held while one large transaction went through, which the state file
# has as memory_bytes. Part of run.sh.

rows=${BENCH_ROWS:-5000000}
budget=$((256 * 1024 * 1024))

ground_postgres origin "${postgres_settings[@]}" wal_level=logical || fail "the source PostgreSQL"
origin_sql() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$origin_socket" -p "$origin_port" -U postgres "$@"
}

tables="CREATE TABLE bench.big (id INT PRIMARY KEY, n INT NOT NULL, word VARCHAR(20) NOT NULL);
  CREATE TABLE bench.mark (id INT PRIMARY KEY, n INT NOT NULL);
  INSERT INTO bench.mark VALUES (1, 0);"
source_sql -e "$tables"
origin_sql -c "CREATE SCHEMA bench" -c "$tables" postgres

# What both ends must have in common afterwards.
sums="SELECT COUNT(*), SUM(id), SUM(n), SUM(LENGTH(word)) FROM"

write_large_task() { # NAME, the lines of [source] on stdin
  cat >"$ground/$1.toml" <<EOF
name = "$1"
[source]
$(cat)
[target]
kind = "postgres"
socket = "$pg_socket"
port = $pg_port
database = "$1"
user = "postgres"
[[table]]
match = "bench.*"
target = "bench.{table}"
EOF
}

state_of() { weir sync status "$1" --json 2>/dev/null | jq -r ".$2 // 0"; }
mark_came() { [ "$(target_sql -c 'SELECT n FROM bench.mark' "$1" 2>/dev/null)" = 1 ]; }
sampled() { [ "$(state_of "$1" caught_up)" = true ] && [ "$(state_of "$1" memory_bytes)" -gt 0 ]; }

through() { # NAME: starts the task, and waits for what the function NAME_writes writes
  local name=$1 started seconds expected found
  target_sql -c "CREATE DATABASE $name" postgres
  weir sync start "$ground/$name.toml" --wait caught-up >"$ground/weir.log" 2>&1 ||
    { tail -20 "$ground/weir.log" >&2 && fail "weir with $name"; }
  say "one transaction of $rows rows, $name"
  started=$EPOCHREALTIME
  expected=$("${name}_writes" | tr '\t' '|') || fail "writing, $name"
  ground_until 3600 mark_came "$name" || fail "the transaction does not arrive, $name"
  seconds=$(seconds_since "$started")
  ground_until 60 sampled "$name" || fail "no figure of the memory, $name"
  found=$(target_sql -c "$sums bench.big" "$name")
  jq -n --arg name "$name" --argjson seconds "$seconds" \
    --argjson memory "$(state_of "$name" memory_bytes)" --argjson budget "$budget" \
    --argjson equal "$([ "$found" = "$expected" ] && echo true || echo false)" \
    '{name: $name, seconds: $seconds, peak_memory_bytes: $memory, rows_ok: $equal,
      within_budget: ($memory < $budget)}' >>"$ground/results"
  weir sync stop "$name" >/dev/null 2>&1 || fail "weir sync stop $name"
}

from_mariadb_writes() {
  source_sql -e "INSERT INTO bench.big SELECT seq, seq % 1000, CONCAT('word ', seq)
    FROM bench.seq_1_to_$rows; UPDATE bench.mark SET n = 1; $sums bench.big"
}
from_postgres_writes() {
  origin_sql -c "INSERT INTO bench.big SELECT i, i % 1000, 'word ' || i
      FROM generate_series(1, $rows) AS i" \
    -c "UPDATE bench.mark SET n = 1" -c "$sums bench.big" postgres
}

write_large_task from_postgres <<EOF
kind = "postgres"
socket = "$origin_socket"
port = $origin_port
database = "postgres"
user = "postgres"
EOF
write_large_task from_mariadb <<EOF
kind = "mysql"
socket = "$db_socket"
user = "root"
EOF
trap 'for name in from_postgres from_mariadb; do
  weir sync stop "$name" >/dev/null 2>&1 || true
done; ground_close' EXIT
through from_postgres
through from_mariadb

jq -s --argjson rows "$rows" --argjson budget "$budget" '
  {ok: all(.[]; .rows_ok and .within_budget), rows: $rows, budget_bytes: $budget, results: .}' \
  "$ground/results" | document >"$ground/document"
if [ -n "$json" ]; then
  cat "$ground/document"
else
  printf '%-14s %10s %12s %6s\n' source seconds "memory MiB" rows
  jq -r '.results[] | [.name, .seconds, (.peak_memory_bytes / 1048576 | round),
    (if .rows_ok then "equal" else "WRONG" end)] | @tsv' "$ground/document" |
    while IFS=$'\t' read -r name seconds memory equal; do
      printf '%-14s %10s %12s %6s\n' "$name" "$seconds" "$memory" "$equal"
    done
fi
jq -e .ok "$ground/document" >/dev/null ||
  fail "a copy is not equal to its source, or the worker took more than $((budget >> 20)) MiB"
