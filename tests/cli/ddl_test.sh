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

refused 2 usage.missing-argument 'TASK is missing' resolve
refused 2 usage.missing-argument 'NUMBER is missing' resolve shop --skip
refused 2 usage.missing-option 'one of --apply, --applied, --skip, --reload or --retry' resolve shop 1
refused 2 usage.bad-combination '--apply and --skip' resolve shop 1 --apply --skip
refused 2 usage.bad-combination '--reload and --retry' resolve shop --table shop.item --reload --retry
refused 2 usage.bad-combination 'NUMBER and --table' resolve shop 1 --table shop.item --reload
refused 2 usage.bad-combination '--skip and --table' resolve shop --table shop.item --skip
refused 2 usage.bad-combination '--retry and NUMBER' resolve shop 1 --retry
refused 2 usage.bad-combination '--mode and --skip' resolve shop 1 --skip --mode swap
refused 2 usage.bad-value 'it takes one of truncate, merge, swap' resolve shop 1 --reload --mode copy
refused 2 usage.bad-value "NUMBER cannot be 'x'" resolve shop x --skip
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' resolve shop 1 --skip --wait --timeout soon
refused 2 usage.unknown-option 'did you mean --applied' resolve shop 1 --aplied

# A task that was never started has none.
refused 8 task.unknown 'no task shop' list shop
refused 8 task.unknown 'no task shop' show shop 1
refused 8 task.unknown 'no task shop' resolve shop 1 --skip --dry-run
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
refused 8 ddl.unknown 'task shop has no statement 1' resolve shop 1 --apply
refused 8 ddl.table-unknown 'task shop has no table shop.item' resolve shop --table shop.item --retry

# Statements as a worker leaves them, and the lanes that wait at them.
db() { sqlite3 "$XDG_STATE_HOME/weir/weir.db" "$1"; }
# statement NUMBER TABLE KIND OUTCOME ERROR
statement() {
  db "INSERT INTO ddl VALUES ('shop', $1, '2026-03-01T02:00:00.000000Z', NULL, 'shop', '$2', '', '$3',
    'bin.000001:$1', 'ALTER TABLE $2', '', 'stop-table', '$4', '$5', 'it changed', 'write this', NULL,
    '', NULL, '')"
}
# waiting LANE TABLE PLACE ERROR
waiting() {
  db "INSERT INTO lane (task, number, purpose, state, reload_mode, history, error_id, error, error_fix,
    stopped_at, verdict, note, who, created_at, changed_at) VALUES ('shop', $1, 'suspend', 'suspended',
    '', 1, '$4', 'it changed', '', '$3', '', '', '', '2026-03-01T02:00:00Z', '2026-03-01T02:00:00Z');
    INSERT INTO lane_table VALUES ('shop', $1, 0, 'shop', '$2')"
}
lane() { db "SELECT purpose, state, verdict, reload_mode FROM lane WHERE number = $1"; }
statement 1 item add_column applied ''
statement 2 item drop_column stopped-table ddl.drop-column
statement 3 place rename_column stopped-task ddl.rename-column
statement 4 order add_column stopped-table ddl.add-column
waiting 1 item bin.000001:2 ddl.drop-column
waiting 2 order bin.000001:4 ddl.add-column
waiting 3 row '' apply.refused

try weir ddl list shop --open --no-header
expect_status 0
expect_equal "$(wc -l <"$work/out")" 3
try weir ddl list shop --limit 1 --no-header
expect_in out '4  '
try weir ddl show shop 2
expect_status 0
expect_in out 'weir ddl resolve shop 2 with --apply'
try weir ddl show shop 3
expect_in out 'what to do  write this'
refused 4 ddl.not-stopped 'statement 1 of task shop stopped nothing: applied' resolve shop 1 --skip
refused 4 ddl.task-stopped 'write this' resolve shop 3 --apply
refused 4 ddl.not-running '--wait' resolve shop 4 --apply --wait
# unconfirmed TEXT WORDS...: what is planned is shown, and refused where nobody can confirm this.
unconfirmed() {
  try weir ddl resolve shop "${@:2}"
  expect_status 4
  expect_in out 'effect '
  expect_in err 'error[confirm.no-terminal]'
  expect_in err "$1"
}
unconfirmed 'would differ from the source' 2 --skip
unconfirmed 'would be removed on the target' 2 --apply
unconfirmed 'would be replaced' --table shop.row --reload
expect_equal "$(lane 1)" 'suspend|suspended||'
try weir ddl resolve shop 2 --skip --dry-run
expect_status 0
expect_in out 'the target keeps the column'
expect_in err 'nothing was changed'
expect_equal "$(lane 1)" 'suspend|suspended||'

try weir ddl resolve shop 2 --skip --yes
expect_status 0
expect_in err 'task shop does not run: it is taken up with its next start'
expect_equal "$(lane 1)" 'suspend|planned|skip|'
try weir ddl resolve shop 2 --skip
expect_status 0
expect_in err 'it is resolved already: skip, by '
refused 7 ddl.conflict 'statement 2 of task shop is resolved already' resolve shop 2 --apply --yes
try weir ddl resolve shop 4 --apply --json
expect_status 0
expect_empty err
expect_in out '"lane": "shop/2"'
expect_in out '"done": true'
expect_equal "$(lane 2)" 'suspend|planned|apply|'
try weir ddl resolve shop --table shop.row --retry
expect_status 0
expect_equal "$(lane 3)" 'suspend|planned||'
refused 7 ddl.conflict 'shop.row is being changed' resolve shop --table shop.row --retry
db "UPDATE lane SET state = 'suspended' WHERE number = 3"
try weir ddl resolve shop --table shop.row --reload --mode merge --yes
expect_status 0
expect_equal "$(lane 3)" 'reload|planned||merge'
try weir ddl list shop --json
expect_in out '"resolution": "skip"'
expect_equal "$(db "SELECT count(*) FROM event WHERE id = 'ddl.resolved'")" 4

# JSON: one line on standard error.
try weir ddl show ship 1 --json
expect_status 8
expect_empty out
expect_equal "$(wc -l <"$work/err")" 1
expect_in err '"verb":"ddl show"'
expect_in err '"id":"task.unknown"'
expect_in err 'did you mean shop'

finish
