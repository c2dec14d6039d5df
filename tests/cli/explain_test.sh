#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir explain and weir preflight --list: what the catalogue of ids shows, to people and to scripts,
# and what they refuse.
source "$(dirname "$0")/support/check.bash"

try weir explain mysql.snapshot-lock
expect_status 0
expect_empty err
expect_equal "$(head -1 <<<"$out")" \
  "mysql.snapshot-lock: a table without a key cannot be locked for the moment of"
expect_in out $'\n  kind: error, critical; MySQL and MariaDB sources\n  why:  '
expect_in out $'\n  fix:  end that transaction'
expect_in out $'\n  see:  weir sync start TASK'
expect_not_in out $'\x1b'
whole=$out

# What people copy, with what stands around the id.
for word in 'error[mysql.snapshot-lock]' 'error[mysql.snapshot-lock]:' '[mysql.snapshot-lock]'; do
  try weir explain "$word"
  expect_status 0
  expect_equal "$out" "$whole"
done
try weir explain mysql.snapshot-lock --color always
expect_in out $'\x1b[1mmysql.snapshot-lock'

for flag in --json '--format json' '-o json'; do
  try weir explain mapping.no-key $flag
  expect_status 0
  expect_empty err
  expect_equal "$(jq -c '[.schema, .verb, .ok, .id, .kind, .severity]' <<<"$out")" \
    '[1,"explain",true,"mapping.no-key","check","critical"]'
  expect_equal "$(jq -c '[.area, .what, .why, .fix | length > 10]' <<<"$out")" '[true,true,true,true]'
  expect_equal "$(jq -c .see <<<"$out")" '["weir.toml(5)"]'
done

# All of them: each is explained, offered to a shell, and in one list with the others.
try weir explain
expect_status 0
expect_empty err
checks=$((checks + 1))
long=$(awk 'length($0) > 80' <<<"$out" | head -1)
[[ -z $long ]] || fault "a line is wider than 80 columns: $long"
for id in mysql.binlog-off postgres.slot-lost sqlite.locked ddl.drop-column failover weir.bug; do
  expect_in out $'\n  '"$id "
done
try weir explain --json
expect_status 0
ids=$(jq -r '.ids[].id' <<<"$out")
expect_equal "$(jq -c '.ids[0] | keys_unsorted' <<<"$out")" \
  '["id","kind","severity","group","area","what","why","fix","see"]'
expect_equal "$(sort <<<"$ids" | uniq -d)" ''
expect_equal "$(weir complete ids)" "$ids"
expect_equal "$(jq -r '.ids[].kind' <<<"$out" | sort -u | xargs)" 'check error event'
expect_equal "$(jq -r '.ids[].severity' <<<"$out" | sort -u | xargs)" 'critical info unknown warning'
all_checks=$(jq -c '[.ids[] | select(.kind == "check")]' <<<"$out")

# The checks alone, with neither a task nor a state folder.
try weir preflight --list --json
expect_status 0
expect_empty err
expect_equal "$(jq -c '[.schema, .verb, .task, .ok]' <<<"$out")" '[1,"preflight",null,true]'
expect_equal "$(jq -c .checks <<<"$out")" "$all_checks"
try weir preflight --list
expect_status 0
expect_empty err
checks=$((checks + 1))
long=$(awk 'length($0) > 80' <<<"$out" | head -1)
[[ -z $long ]] || fault "a line is wider than 80 columns: $long"
page=$(sed 's/\\//g' "$root/man/weir-checks.7.scd")
while read -r id severity group; do
  expect_in out $'\n  '"$id "
  expect_in page "*$id* ($severity, $group)"
done < <(jq -r '.[] | .id + " " + .severity + " " + .group' <<<"$all_checks")
expect_not_in out 'mysql.snapshot-lock'
checks=$((checks + 1))
[[ ! -e $XDG_STATE_HOME ]] || fault 'a state folder was made'

refused() { # refused ID TEXT WORDS...
  expect_refusal 2 "$1" "$2" weir "${@:3}"
}
refused usage.unknown-id "there is no id 'mysql.losst'" explain mysql.losst
expect_in err 'did you mean mysql.lost'
refused usage.unknown-id 'did you mean mapping.no-key' explain no-key
refused usage.unknown-id 'postgres.lost' explain 'error[oracle.lost]'
refused usage.unknown-id 'weir explain lists them all' explain zzzzzzzzzz
refused usage.extra-argument "'b' is one argument too many" explain a b
refused usage.unknown-option 'there is no option --jsn' explain --jsn
refused usage.bad-value 'it takes one of text, json' explain --format yaml
refused usage.missing-argument 'TASK is missing' preflight
expect_in err 'or --list'
refused usage.extra-argument "'shop' is one argument too many" preflight shop --list
refused usage.bad-combination '--mapping-only does not go with --list' preflight --list --mapping-only
refused usage.bad-value 'it is a flag and takes none' preflight --list=all
try weir explain mysql.losst --json
expect_status 2
expect_empty out
expect_equal "$(jq -r .error.id <<<"$err")" usage.unknown-id

# What a verb prints is what is explained.
id=$(weir sync status nosuch 2>&1 | sed -n 's/^\(error\[.*\]\): .*/\1/p')
expect_equal "$id" 'error[task.unknown]'
try weir explain "$id"
expect_status 0
expect_in out 'weir sync list'

finish
