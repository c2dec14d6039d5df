#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The comparison of examples/quickstart finds a good copy equal and every kind of damage different.
# The copy is made by plain SQL here, so a fault of weir cannot hide one of the comparison.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=../support/ground.sh
. "$root/tests/support/ground.sh"
# shellcheck source=../../examples/quickstart/compare.sh
. "$root/examples/quickstart/compare.sh"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

ground_open
ground_mariadb db --sync-binlog=0 --innodb-flush-log-at-trx-commit=2
ground_postgres pg fsync=off

source_sql() {
  mariadb --no-defaults --default-character-set=utf8mb4 -uroot -S "$db_socket" -N -B -r "$@"
}
target_sql() {
  psql -X -q -A -t -F $'\t' -v ON_ERROR_STOP=1 -h "$pg_socket" -p "$pg_port" -U postgres "$@"
}

source_sql <"$root/examples/quickstart/shop.sql"

# Prints what to put behind COPY's back: the target type and the text of one column for COPY.
column_of() {
  local c="\`$1\`" type=$2 full=$3 target text
  text="REPLACE(REPLACE(REPLACE($c, '\\\\', '\\\\\\\\'), '\t', '\\\\t'), '\n', '\\\\n')"
  case $type in
    tinyint | smallint | mediumint | int) target=bigint text=$c ;;
    bigint) target="numeric(20)" text=$c ;;
    decimal) target="numeric${full#decimal}" target=${target%% *} text=$c ;;
    float) target=real text=$c ;;
    double) target=float8 text=$c ;;
    date) target=date text="IF(MONTH($c) = 0, NULL, $c)" ;;
    datetime) target=timestamp text=$c ;;
    timestamp) target=timestamptz text="CONCAT($c, '+00')" ;;
    time) target=interval text=$c ;;
    year) target=smallint text=$c ;;
    bit) target=$full text="LPAD(BIN($c), SUBSTR('$full', 5), '0')" ;;
    uuid) target=uuid ;;
    inet6) target=inet ;;
    point) target=bytea text="CONCAT('\\\\\\\\x', HEX(ST_AsWKB($c)))" ;;
    *binary | *blob) target=bytea text="CONCAT('\\\\\\\\x', HEX($c))" ;;
    longtext)
      target=text
      case $1 in attributes | client) target=jsonb ;; esac
      ;;
    *) target=text ;;
  esac
  printf '%s\t%s\n' "$target" "COALESCE($text, '\\\\N')"
}

target_sql <<<"CREATE SCHEMA shop"
for table in $(source_sql <<<"SHOW TABLES FROM shop"); do
  definition=
  fields=
  while IFS=$'\t' read -r column type full; do
    IFS=$'\t' read -r target text < <(column_of "$column" "$type" "$full")
    definition+="\"$column\" $target, "
    fields+="$text, '\t', "
  done < <(source_sql <<<"SELECT column_name, data_type, column_type
    FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = '$table'
    ORDER BY ordinal_position")
  target_sql <<<"CREATE TABLE shop.$table (${definition%, })"
  source_sql <<<"SET time_zone = '+00:00';
    SELECT CONCAT(${fields%, \'*}) FROM shop.$table" >"$ground/rows"
  target_sql -c "\\copy shop.$table FROM '$ground/rows'"
done

result=$(compare_tables shop shop) || fail "a good copy is called different:"$'\n'"$result"
[ "$(grep -c ' equal$' <<<"$result")" -ge 12 ] || fail "fewer than twelve tables: $result"
rows=$(awk '{ sum += $2 } END { print sum }' <<<"$result")
[ "$rows" -ge 200000 ] || fail "only $rows rows"

# Each line spoils one table of the copy in another way.
damaged=()
while IFS= read -r statement; do
  target_sql <<<"$statement"
  damaged+=("$(sed -E 's/.*shop\.([a-z_]+).*/\1/' <<<"$statement")")
done <<'EOF'
UPDATE shop.customer SET name = replace(name, '🐟', '?') WHERE id = 2
UPDATE shop.orders SET total = total + 0.000001 WHERE id = 18446744073709460001
UPDATE shop.product SET flags = B'000000000000' WHERE made_in = 1902 AND flags <> B'000000000000'
UPDATE shop.shift SET slack = slack + interval '1 microsecond' WHERE id = 7
UPDATE shop.payment SET id = substring(id FOR 15) WHERE amount = 1.25
UPDATE shop.store SET place = set_byte(place, 20, 1) WHERE id = 3
UPDATE shop.visit SET raw = '' WHERE raw IS NULL
UPDATE shop.extremes SET late = late - interval '1 microsecond' WHERE id = 2
DELETE FROM shop.pulse
INSERT INTO shop.order_line SELECT * FROM shop.order_line LIMIT 1
EOF
result=$(compare_tables shop shop) && fail "no damage is seen"
expected=$(printf '%s\n' "${damaged[@]}" | sort)
[ "$(awk '$4 == "different" { print $1 }' <<<"$result")" = "$expected" ] ||
  fail "different should be: $expected"$'\n'"but: $result"
echo "ok: a good copy is equal, ${#damaged[@]} kinds of damage are seen"
