#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir add-table, remove-table and reload-table: what they refuse before a server is asked.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir "${@:4}"
}

for verb in add-table remove-table 'reload-table --mode swap'; do
  # shellcheck disable=SC2086 # words
  {
    refused 2 usage.missing-argument 'TASK is missing' $verb
    refused 2 usage.missing-argument 'TABLE is missing' $verb shop
    refused 2 usage.unknown-option 'did you mean --dry-run' $verb shop shop.a --dryrun
    refused 2 usage.bad-value 'it takes one of text, json' $verb shop shop.a --format yaml
    refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' $verb shop shop.a --timeout soon
    refused 8 task.unknown 'no task shop' $verb shop shop.a shop.b
    refused 8 task.unknown 'no task shop' $verb shop shop.a --dry-run
  }
done
refused 2 usage.missing-option '--mode' reload-table shop shop.a
refused 2 usage.bad-value 'truncate, merge, swap' reload-table shop shop.a --mode drop
refused 2 usage.bad-combination '--cancel and --no-history' add-table shop shop.a --cancel --no-history
refused 2 usage.bad-combination '--cancel and --wait' add-table shop shop.a --cancel --wait
refused 2 usage.bad-combination '--dry-run and --wait' add-table shop shop.a --dry-run --wait
refused 2 usage.bad-combination '--dry-run and --wait' reload-table shop shop.a --mode merge --dry-run --wait
refused 2 usage.bad-combination '--undo and --drop-target' remove-table shop shop.a --undo --drop-target
refused 2 usage.bad-value "TABLE cannot be 'shop.[a'" add-table shop shop.b 'shop.[a'
refused 2 usage.unknown-option '--undo' add-table shop shop.a --undo
checks=$((checks + 1))
[[ ! -e $XDG_STATE_HOME ]] || fault 'asking for a task made a state file'

# A task that has never reached its servers has no table to let go of.
write_shop "$work/shop.toml"
try weir sync run "$work/shop.toml"
expect_status 5
refused 8 table.unknown 'task shop has no table shop.a' remove-table shop shop.a
refused 8 table.unknown 'task shop has no table shop.a' remove-table shop shop.a --undo
refused 8 table.unknown 'task shop has no table shop.a' reload-table shop shop.a --mode merge
refused 8 table.no-match 'no table matches shop.a' add-table shop shop.a --cancel
try weir add-table shop shop.a --json
expect_status 5
expect_empty out
expect_in err '"verb":"add-table"'
expect_in err '"id":"mysql.unreachable"'

# Another command that changes the task's tables.
state=$XDG_STATE_HOME/weir
(
  flock -n 9 || exit 1
  expect_refusal 7 change.busy 'being changed by another command' weir remove-table shop shop.a
  expect_refusal 8 table.unknown 'no table' weir remove-table shop shop.a --dry-run
  echo "$faults" >"$work/faults"
) 9>"$state/shop.change"
checks=$((checks + 1))
faults=$(<"$work/faults")

try weir sync status shop --json
expect_in out '"suspended_tables": 0'
expect_in out '"lanes": []'
try weir sync list
expect_in out SUSPENDED

finish
