#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir kinds: what it shows, to people and to scripts, and what it refuses.
source "$(dirname "$0")/support/check.bash"

try weir kinds
expect_status 0
expect_empty err
expect_equal "$(head -1 <<<"$out")" SOURCES
expect_in out $'\nTARGETS\n'
expect_in out $'\nmysql: MySQL and MariaDB\n  tested: MariaDB 10.11, '
expect_in out $'\nsqlite: an SQLite file\n  rung:   atomic-offset\n  tested: SQLite 3.40\n  can:    - '
expect_in out $'\n  cannot: - '
expect_not_in out $'\x1b'
checks=$((checks + 1))
long=$(awk 'length($0) > 80' <<<"$out" | head -1)
[[ -z $long ]] || fault "a line is wider than 80 columns: $long"
[[ ! -e $XDG_STATE_HOME ]] || fault 'a state folder was made'

try weir kinds --color always
expect_in out $'\x1b[1mSOURCES'

text=$(weir kinds | tr -s ' \n' ' ')
for flag in --json '--format json' '-o json'; do
  try weir kinds $flag
  expect_status 0
  expect_empty err
  expect_equal "$(jq -c '[.schema, .verb, .ok]' <<<"$out")" '[1,"kinds",true]'
  expect_equal "$(jq -c '.sources[0] | keys_unsorted' <<<"$out")" \
    '["kind","title","tested","can","cannot"]'
  expect_equal "$(jq -c '.targets[0] | keys_unsorted' <<<"$out")" \
    '["kind","title","rung","tested","can","cannot"]'
done
expect_equal "$(jq -r '.sources[].kind' <<<"$out" | sort | xargs)" 'mysql postgres'
expect_equal "$(jq -r '.targets[].kind' <<<"$out" | sort | xargs)" 'mysql postgres sqlite'
# Each line is a text of its own, and is what people see too.
while read -r line; do
  expect_in text "- $line"
done < <(jq -r '.sources[], .targets[] | .can[], .cannot[]' <<<"$out")
while read -r rung; do
  command_line="rung $rung"
  expect_equal "$(grep -c "^\*$rung\*" "$root/man/weir-kinds.1.scd")" 1
done < <(jq -r '.targets[].rung' <<<"$out" | sort -u)

# weir init takes what is listed, and a task file of another kind is told the list.
for kind in $(jq -r '.sources[].kind' <<<"$out"); do
  try weir init --source-kind "$kind"
  expect_status 2
  expect_in err 'error[usage.init]: neither --host nor --socket is given'
done
try weir init --source-kind oracle
expect_status 2
expect_in err 'it takes one of mysql, postgres'

refused() { # refused ID TEXT WORDS...
  expect_refusal 2 "$1" "$2" weir kinds "${@:3}"
}
refused usage.unknown-option 'there is no option --jsn' --jsn
refused usage.bad-value 'it takes one of text, json' --format yaml
refused usage.extra-argument "'mysql' is one argument too many" mysql
try weir kinds --nothing --json
expect_status 2
expect_empty out
expect_in err '"verb":"kinds"'

finish
