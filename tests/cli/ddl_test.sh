#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir ddl: what it refuses before any server is asked, and what it says of statements that are in
# the state file.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir ddl WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir ddl "${@:4}"
}

refused 2 usage.missing-argument 'TASK is missing' list
refused 2 usage.missing-argument 'TASK is missing' show
refused 2 usage.missing-argument 'NUMBER is missing' show shop
refused 2 usage.extra-argument "'two' is one argument too many" list one two
refused 2 usage.extra-argument "'3' is one argument too many" show shop 2 3
refused 2 usage.unknown-option 'did you mean --open' list shop --opne
refused 2 usage.bad-value 'a whole number' list shop --limit many
refused 2 usage.bad-value "--limit cannot be '0'" list shop --limit 0
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' list shop --since yesterday
refused 2 usage.bad-value 'it takes one of text, json' list shop --format yaml
for number in 0 -1 1.5 one 1x 4294967296; do
  refused 2 usage.bad-value "NUMBER cannot be '$number'" show shop -- "$number"
done

# A task that was never started has none.
refused 8 task.unknown 'no task shop' list shop
refused 8 task.unknown 'no task shop' show shop 1
checks=$((checks + 1))
[[ ! -e $XDG_STATE_HOME ]] || fault 'asking for statements made a state file'

# One that has met none yet.
write_shop "$work/shop.toml"
try weir sync run "$work/shop.toml"
expect_status 5
try weir ddl list shop
expect_status 0
expect_in out 'NUMBER'
try weir ddl list shop --no-header
expect_status 0
expect_empty out
try weir ddl list shop --json
expect_status 0
expect_in out '"ddl": []'
refused 8 ddl.unknown 'task shop has no statement 1' show shop 1

# JSON: one line on standard error.
try weir ddl show ship 1 --json
expect_status 8
expect_empty out
expect_equal "$(wc -l <"$work/err")" 1
expect_in err '"verb":"ddl show"'
expect_in err '"id":"task.unknown"'
expect_in err 'did you mean shop'

finish
