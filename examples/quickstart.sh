#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weir in five minutes, on a bare Debian 12:
#
#   examples/quickstart.sh [--json FILE] [--keep]
#
# Builds weir, starts a throwaway MariaDB and PostgreSQL, loads a sample shop, keeps writing to it while
# weir takes it through its three stages, and then has both servers say whether they hold the same.
# Everything it starts it stops; what it makes is in one temporary folder that goes away.
#
#   --json FILE   writes the result there as one JSON document
#   --keep        leaves the servers and the task running until Enter is pressed
#
# Exit codes: 0 both sides equal; 1 something failed or differs.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=../tests/support/ground.sh
. "$root/tests/support/ground.sh"
# shellcheck source=../tests/support/release.sh
. "$root/tests/support/release.sh"
# shellcheck source=quickstart/compare.sh
. "$root/examples/quickstart/compare.sh"

json=
keep=
while [ $# -gt 0 ]; do
  case $1 in
    --json)
      json=${2:?--json takes a file}
      shift
      ;;
    --keep) keep=yes ;;
    -h | --help)
      sed -n '4,15s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "quickstart: unknown argument $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done
[ -z "$json" ] || json=$(realpath -m "$json")

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' green='' red='' plain=''
fi
title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$1"; }
note() { printf '  %s%s%s\n' "$dim" "$1" "$plain"; }
fail() {
  printf '\n%sfailed:%s %s\n' "$red" "$plain" "$1" >&2
  [ -z "${ground:-}" ] || for log in "$ground"/state/*.log "$ground"/state/log/*; do
    [ ! -f "$log" ] || { echo "last lines of $(basename "$log"):" && tail -15 "$log"; } >&2
  done
  exit 1
}
seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }
count() { sed -E ':again; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; t again' <<<"$1"; }
show() { # prints a command as one would type it, then runs it
  printf '\n  %s$ %s%s\n' "$bold" "$*" "$plain"
  "$@"
}

# ---------------------------------------------------------------------------- build
title "1. weir"
"$root/tests/support/install.sh" build run
if ! release_is_fresh "$root"; then
  started=$EPOCHREALTIME
  say "building (four minutes on two cores, seconds when repeated)"
  release_build "$root" || fail "the build"
  say "built in $(seconds_since "$started") s"
fi
export PATH="$root/build/bin:$PATH"
say "$(weir --version | head -1)"

# ---------------------------------------------------------------------------- servers
title "2. a source and a target"
ground_open
ground_mariadb db --gtid-strict-mode=ON || fail "MariaDB"
ground_postgres pg || fail "PostgreSQL"
source_sql() {
  mariadb --no-defaults --default-character-set=utf8mb4 -uroot -S "$db_socket" -N -B -r
}
target_sql() {
  psql -X -q -A -t -F $'\t' -v ON_ERROR_STOP=1 -h "$pg_socket" -p "$pg_port" -U postgres dw
}
psql -X -q -h "$pg_socket" -p "$pg_port" -U postgres postgres -c 'CREATE DATABASE dw'
say "$(source_sql <<<'SELECT CONCAT("MariaDB ", SUBSTRING_INDEX(VERSION(), "-", 1))'), empty"
say "PostgreSQL $(target_sql <<<'SHOW server_version' | cut -d' ' -f1), empty"

source_sql <"$root/examples/quickstart/shop.sql" || fail "loading the sample shop"
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && printf '%s\n' "$password" >"$ground/password")
source_sql <<EOF
CREATE USER weir@'%' IDENTIFIED BY '$password';
GRANT SELECT ON shop.* TO weir@'%';
GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO weir@'%';
EOF
target_sql <<EOF
CREATE ROLE weir LOGIN PASSWORD '$password';
GRANT CREATE ON DATABASE dw TO weir;
EOF
tables=$(source_sql <<<"SHOW TABLES FROM shop" | wc -l)
source_rows() {
  source_sql < <(source_sql <<<"SELECT CONCAT('SELECT SUM(n) FROM (', GROUP_CONCAT(CONCAT(
    'SELECT COUNT(*) AS n FROM shop.\`', table_name, '\`') SEPARATOR ' UNION ALL '), ') t')
    FROM information_schema.tables WHERE table_schema = 'shop'")
}
say "a sample shop: $tables tables, $(count "$(source_rows)") rows"

cat >"$ground/shop.toml" <<EOF
name = "quickstart"

[source]
kind = "mysql"
socket = "$db_socket"
user = "weir"
password = { file = "$ground/password" }

[target]
kind = "postgres"
socket = "$pg_socket"
port = $pg_port
database = "dw"
user = "weir"
password = { file = "$ground/password" }

[types]
zero_dates = "null"

[[table]]
match = "shop.*"
target = "shop.{table}"
EOF
note "the task file:"
sed "s|^|    |; s|$ground|TMP|" "$ground/shop.toml"

# ---------------------------------------------------------------------------- writers
# Shoppers: short transactions over several tables, in a seed of their own, until told to stop.
writer() {
  local me=$1 n=0 order customer sku stopping='' client
  trap 'stopping=yes' TERM
  exec 5> >(exec mariadb --no-defaults --default-character-set=utf8mb4 -uroot -S "$db_socket" shop \
    >>"$ground/writers.log" 2>&1)
  client=$!
  while [ -z "$stopping" ]; do
    n=$((n + 1))
    order=$((me * 1000000 + n))
    customer=$((RANDOM % 30000 + 1))
    sku=$((RANDOM % 10000 + 1))
    cat >&5 <<EOF
BEGIN;
INSERT INTO orders (id, customer_id, placed, total, note)
  VALUES ($order, $customer, NOW(6), $n / 8, 'from shopper $me 🐟');
INSERT INTO order_line VALUES ($order, 1, 'SKU-$sku', 1, 2.5), ($order, 2, 'SKU-$n', 3, 0.25);
UPDATE customer SET balance = balance - 1.000001, last_seen = NOW(3) WHERE id = $customer;
UPDATE product SET stock = stock - 1, flags = flags ^ 5
  WHERE sku LIKE CONCAT('SKU-', LPAD($sku, 6, '0'), '%');
INSERT INTO visit (page, client, raw) VALUES ('/p/$sku', '{"os": "linux"}', UNHEX('00ff'));
COMMIT;
EOF
    [ $((n % 5)) != 0 ] || echo "INSERT INTO payment VALUES (UNHEX(LPAD(HEX($order), 32, '0')),
      $order, $n, 'cash', NULL);" >&5
    # Whole orders go, and keys move.
    [ $((n % 7)) != 0 ] || echo "BEGIN; DELETE FROM order_line WHERE order_id = $order - 3;
      DELETE FROM orders WHERE id = $order - 3; COMMIT;" >&5
    [ $((n % 11)) != 0 ] || echo "UPDATE orders SET id = id + 500000 WHERE id = $order - 1;" >&5
    [ $((n % 13)) != 0 ] || echo "REPLACE INTO setting VALUES ('shopper.$me', REPEAT('ö', $n % 50));" >&5
    ground_pause 0.004
  done
  # At the end of its input the client finishes what it was given.
  exec 5>&-
  wait "$client"
}

title "3. shoppers come in, and the sync starts"
for me in 1 2 3; do ground_start "writer$me" writer $me; done
written() { [ "$(source_sql <<<'SELECT COUNT(*) > 20 FROM shop.orders WHERE id < 4000000')" = 1 ]; }
ground_until 30 written || fail "the writers: $(tail -3 "$ground/writers.log")"
say "3 writers are at work on the source"

export WEIR_STATE_DIR=$ground/state
task=$ground/shop.toml
show weir preflight "$task" || fail "preflight found something"
started=$EPOCHREALTIME
# Until now only servers had to go; from here on the task goes first.
ground_close_with_task() {
  weir sync stop quickstart >/dev/null 2>&1
  ground_close
}
trap ground_close_with_task EXIT
show weir sync start "$task" --wait full || fail "the full stage"
say "schema and full stage done in $(seconds_since "$started") s, with writers at work"

status() { weir sync status quickstart --json 2>"$ground/status.err"; }
stage_state() { # the states of one stage over all tables, usually one word
  jq -r --arg stage "$1" '[.tables[][$stage]] | unique | join(",")' <<<"$2"
}
title "4. changes flow"
for _ in 1 2 3 4 5 6; do
  now=$(status) || fail "sync status: $(cat "$ground/status.err")"
  printf '  schema %-8s full %-8s incremental %-8s changes %-9s lag %s s\n' \
    "$(stage_state schema "$now")" "$(stage_state full "$now")" "$(stage_state incremental "$now")" \
    "$(jq '[.tables[].applied_changes] | add' <<<"$now")" \
    "$(jq -r '.apply_lag_s // "-"' <<<"$now")"
  ground_pause 1
done

# ---------------------------------------------------------------------------- the end
title "5. shoppers leave; do both sides hold the same?"
for me in 1 2 3; do ground_stop "writer$me" || fail "a writer does not stop"; done
[ ! -s "$ground/writers.log" ] || fail "a writer failed: $(tail -3 "$ground/writers.log")"
say "$(count "$(source_sql <<<"SELECT COUNT(*) FROM shop.visit WHERE id > 12000")") purchases were made"
source_sql <<<"UPDATE shop.pulse SET n = 42, at = NOW(6) WHERE id = 1"
sentinel=$EPOCHREALTIME
arrived() { [ "$(target_sql <<<'SELECT n FROM shop.pulse WHERE id = 1' 2>/dev/null)" = 42 ]; }
ground_until 120 arrived || fail "the last change has not reached the target within two minutes"
lag=$(seconds_since "$sentinel")
say "the last change was in the target after $lag s"
now=$(status) || fail "sync status: $(cat "$ground/status.err")"

differences=0
compare_tables shop shop >"$ground/compared" || differences=1
printf '\n  %-20s %12s %12s  %s\n' table source target 'content digest'
while read -r table ours theirs verdict; do
  colour=$green
  [ "$verdict" = equal ] || colour=$red
  printf '  %-20s %12s %12s  %s%s%s\n' "$table" "$(count "$ours")" "$(count "$theirs")" \
    "$colour" "$verdict" "$plain"
done <"$ground/compared"
differences=$(awk '$4 != "equal"' "$ground/compared" | wc -l)
tables=$(wc -l <"$ground/compared")
[ "$tables" -gt 0 ] || fail "nothing was compared"
rows_source=$(awk '{ n += $2 } END { print n + 0 }' "$ground/compared")
rows_target=$(awk '{ n += $3 } END { print n + 0 }' "$ground/compared")

ok=true
[ "$differences" = 0 ] || ok=false
if [ -n "$json" ]; then
  jq -n --argjson ok $ok --arg schema "$(stage_state schema "$now")" \
    --arg full "$(stage_state full "$now")" --arg incremental "$(stage_state incremental "$now")" \
    --argjson tables "$tables" --argjson rows_source "$rows_source" \
    --argjson rows_target "$rows_target" --argjson differences "$differences" \
    --argjson lag_s "$lag" '{ok: $ok, stages: {schema: $schema, full: $full,
      incremental: $incremental}, tables: $tables, rows_source: $rows_source,
      rows_target: $rows_target, differences: $differences, lag_s: $lag_s}' >"$json"
fi
if [ -n "$keep" ]; then
  note "WEIR_STATE_DIR=$WEIR_STATE_DIR"
  note "source: mariadb -uroot -S $db_socket shop"
  note "target: psql -h $pg_socket -p $pg_port -U postgres dw"
  read -rp "  Enter ends it all: " _ || :
fi
show weir sync stop quickstart || fail "sync stop"
[ $ok = true ] || fail "$differences of $tables tables differ"
printf '\n%s%d tables, %s rows: both sides hold the same.%s\n' \
  "$green" "$tables" "$(count "$rows_source")" "$plain"
