#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir init and weir preflight against a live source: what is written, that it can be used as it is,
# and what is refused.
source "$(dirname "$0")/support/check.bash"
source "$root/tests/support/ground.sh"
ground_open
trap 'ground_close; rm -rf "$work"' EXIT
ground_mariadb source || exit 1
ground_postgres pg || exit 1

sql() { mariadb --no-defaults -uroot -S "$source_socket" -e "$1"; }
sql "CREATE USER weir IDENTIFIED BY 'geheim'; GRANT SELECT ON *.* TO weir;
  CREATE DATABASE shop; CREATE DATABASE crm; CREATE DATABASE \`we.ir*d\`; CREATE DATABASE weir;
  CREATE DATABASE keyless; CREATE TABLE keyless.only (a INT);
  CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20), old TEXT,
    day DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00');
  CREATE TABLE shop.log (line TEXT); CREATE TABLE shop.\`a\"b\` (id INT PRIMARY KEY);
  CREATE TABLE crm.customer (id INT PRIMARY KEY, mail TEXT);
  CREATE TABLE \`we.ir*d\`.t (id INT PRIMARY KEY); CREATE TABLE weir.t (id INT PRIMARY KEY)"
printf 'geheim\n' >"$work/pw"
chmod 600 "$work/pw"
account=(--socket "$source_socket" --user weir --password-file "$work/pw")

# Everything the account sees, as it is, passes the mapping checks.
try weir init "${account[@]}" --output "$work/all.toml"
expect_status 0
expect_empty out
expect_in err 'left out shop.log: shop.log has no usable key'
expect_equal "$(stat -c %a "$work/all.toml")" 600
expect_equal "$(grep -c geheim "$work/all.toml")" 0
out=$(<"$work/all.toml")
expect_in out "password = { file = \"$work/pw\" }"
expect_in out 'match = "we[.]ir[*]d.*"'
expect_in out '  "shop.log",  # shop.log has no usable key'
expect_in out '# No rule takes keyless.only: keyless.only has no usable key'
expect_in out '#key = ["id"]  # or key = "all-columns"'
expect_in out 'control_schema = "weir_control"'
expect_in out '# shop: 2 tables, about '
expect_in out 'have a zero date as their default: shop.item.day.'
expect_in out 'database = "dw"  # CHANGE THIS'
try weir preflight "$work/all.toml" --mapping-only
expect_status 0
expect_in out 'RULE  SOURCE'
expect_in out 'shop.a"b'
expect_in out $'no rule takes:\n  keyless.only\n  shop.log\n'
expect_in out 'task crm, 5 tables: the mapping is sound'

# A table without a key, as the file offers it.
sed 's/^#\(\[\[table\]\]\)$/\1/; s/^#\(match = "keyless.*\)/\1/; s/^#key = \["id"\]  # or //' \
  "$work/all.toml" >"$work/whole.toml"
try weir preflight "$work/whole.toml" --mapping-only
expect_status 0
expect_in out 'keyless.only '
expect_in out '(all columns)'
try weir preflight "$work/whole.toml" --mapping-only --json
expect_equal "$(jq -c '.mapping[] | select(.source == "keyless.only") | .key, .key_all_columns' \
  <<<"$out" | xargs)" '[] true'

# Every key of weir.toml(5) stands in the file, set or as a comment.
for key in $(sed -n 's/\\//g; s/^\*\([a-z_0-9]*\)\* = .*/\1/p' "$root/man/weir.toml.5.scd" | sort -u); do
  grep -Eq "^#?$key = |[{ ]$key = " "$work/all.toml" || fault "the key $key is missing"
done

# Chosen databases, to standard output; what is not given is marked.
try weir init "${account[@]}" --database 'sh*' --database crm --target-socket "$work" \
  --target-user loader --target-database lake --target-password-env LAKE_PASSWORD
expect_status 0
expect_not_in out 'CHANGE THIS'
expect_in out 'name = "sh"'
expect_in out 'password = { env = "LAKE_PASSWORD" }'
expect_in out 'match = "shop.*"'
expect_in out 'match = "crm.*"'
expect_not_in out 'match = "weir.*"'

try weir init "${account[@]}" --database shop --json
expect_status 0
expect_equal "$(jq -r '.schemas[0].name, .schemas[0].tables, .left_out[0].table' <<<"$out" | xargs)" \
  'shop 2 shop.log'
jq -r .text <<<"$out" >"$work/again.toml"
try weir preflight "$work/again.toml" --mapping-only
expect_status 0

# A target that is a file: a path, and no key of a server.
try weir init "${account[@]}" --database shop --target-kind sqlite --target-path "$work/shop.db"
expect_status 0
expect_not_in out 'CHANGE THIS'
target=$(sed -n '/^\[target\]$/,/^# ---/p' <<<"$out" | grep -E '^#?[a-z_]+ = ')
expect_equal "$target" $'kind = "sqlite"\npath = "'"$work"$'/shop.db"'
printf '%s\n' "$out" >"$work/file.toml"
try weir preflight "$work/file.toml" --mapping-only
expect_status 0
expect_in out 'main.item'
[[ ! -e $work/shop.db ]] || fault 'the target file was made'
# ... also where the source has a schema of the name that weir's own tables would take.
try weir init "${account[@]}" --database weir --target-kind sqlite
expect_status 0
expect_in out 'path = "shop.db"  # CHANGE THIS'

# A source whose sessions are in one database.
pg() { psql -XqAt -v ON_ERROR_STOP=1 -h "$pg_socket" -p "$pg_port" -U postgres "$@"; }
pg -d postgres -c 'CREATE DATABASE lager' && pg -d lager -c "CREATE SCHEMA a1; CREATE SCHEMA b;
  CREATE TABLE a1.item (id int PRIMARY KEY); CREATE TABLE a1.log (line text);
  CREATE TABLE b.place (id int PRIMARY KEY)" || exit 1
pg_account=(--source-kind postgres --socket "$pg_socket" --port "$pg_port" --user postgres)
try weir init "${pg_account[@]}" --database lager --schema 'a*' --target-kind mysql --target-host dw \
  --target-user loader
expect_status 0
expect_not_in out 'CHANGE THIS'
expect_in out $'name = "lager"\n'
expect_in out $'kind = "postgres"\n'
expect_in out $'database = "lager"\n'
expect_in out 'match = "a1.*"'
expect_in out '  "a1.log",  # a1.log has no usable key'
expect_not_in out 'match = "b.*"'
printf '%s\n' "$out" >"$work/pg.toml"
try weir preflight "$work/pg.toml" --mapping-only
expect_status 0
expect_in out 'a1.item'
try weir init "${pg_account[@]}" --database lager
expect_status 0
expect_in out 'match = "a1.*"'
expect_in out 'match = "b.*"'

# What is refused has written nothing.
cp "$work/all.toml" "$work/kept.toml"
try weir init "${account[@]}" --output "$work/all.toml"
expect_status 4
expect_in err 'error[init.exists]: '
expect_in err '  fix: '
cmp -s "$work/all.toml" "$work/kept.toml" || fault 'the file was overwritten'
no_file() { # no_file STATUS ID WORDS...
  local code=$1 id=$2
  shift 2
  try weir init --output "$work/none.toml" "$@"
  expect_status "$code"
  expect_empty out
  expect_in err "error[$id]: "
  expect_in err '  fix: '
  [[ ! -e $work/none.toml ]] || fault 'a file was written'
}
no_file 2 usage.init
no_file 2 usage.init --host db1
no_file 2 usage.init --user weir
no_file 2 usage.init --host db1 --socket /s --user weir
no_file 2 usage.init "${account[@]}" --password-env X
no_file 2 init.value "${account[@]}" --name 'No Name'
no_file 2 init.value "${account[@]}" --database '[a'
no_file 2 usage.init "${account[@]}" --schema public
no_file 2 usage.init "${account[@]}" --target-kind sqlite --target-host dw
no_file 2 usage.init "${account[@]}" --target-kind sqlite --target-path x.db --target-user weir
no_file 2 usage.init "${account[@]}" --target-path x.db
no_file 2 usage.init "${pg_account[@]}"
no_file 2 usage.init "${pg_account[@]}" --database lager --database other
no_file 8 init.no-table "${pg_account[@]}" --database lager --schema typo
no_file 3 secret.env --socket "$source_socket" --user weir --password-env NOT_SET_ANYWHERE
no_file 5 mysql.denied --socket "$source_socket" --user weir
no_file 5 mysql.unreachable --host 127.0.0.1 --port 1 --user weir
no_file 8 init.no-table "${account[@]}" --database shop --database typo
try weir init "${account[@]}" --output "$work/no/such/folder.toml"
expect_status 1
expect_in err 'error[init.write]: '

# The mapping in full: what a rule does to the columns, and a target that is not asked.
cat >"$work/shop.toml" <<TOML
name = "shop"
[source]
kind = "mysql"
socket = "$source_socket"
user = "weir"
password = { file = "$work/pw" }
[target]
kind = "postgres"
host = "127.0.0.1"
port = 1
user = "weir"
database = "dw"
[[table]]
match = "crm.*"
[[table]]
match = "shop.item"
target = "dw.{table}s"
columns = { drop = ["old"], rename = { name = "title" }, type = { id = "bigint" } }
add_columns = { _from = "{database}" }
TOML
try weir preflight "$work/shop.toml" --mapping-only
expect_status 0
expect_in out 'dropped old; renamed name to title; retyped id to bigint; added _from'
try weir preflight "$work/shop.toml" --mapping-only --json
expect_status 0
expect_equal "$(jq -c '.mapping[1] | [.source, .target, .rule, .pattern, .key]' <<<"$out")" \
  '["shop.item","dw.items",2,"shop.item",["id"]]'
expect_equal "$(jq -c '.mapping[1].columns[1]' <<<"$out")" \
  '{"source":"name","target":"title","type":"varchar(20)","target_type":"varchar(20)"}'
expect_equal "$(jq -c '.mapping[1].columns[3] | [.source, .target]' <<<"$out")" '[null,"_from"]'
expect_equal "$(jq -r '.unmatched | index("shop.log") != null' <<<"$out")" true
try weir preflight "$work/shop.toml"
expect_status 6
expect_in err 'error[postgres.unreachable]: '
try weir preflight nosuch
expect_status 8
expect_in err 'error[task.unknown]: '
[[ ! -e $XDG_STATE_HOME ]] || fault 'preflight made a state folder'

finish
