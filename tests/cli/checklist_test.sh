#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir checklist: what it refuses before any server is asked, files of answers, and a task whose
# servers cannot be asked.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir checklist WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir checklist "${@:4}"
}

refused 2 usage.missing-argument 'OPERATION is missing'
refused 2 usage.missing-argument 'TASK is missing' restart
refused 2 usage.missing-argument 'TASK is missing' restart --show
refused 2 usage.extra-argument "'three' is one argument too many" restart two three
refused 2 usage.extra-argument 'takes one OPERATION and one TASK' restart two three
refused 2 usage.bad-value "OPERATION cannot be 'shop'" shop restart
refused 2 usage.bad-value 'did you mean restart' restrat shop
refused 2 usage.bad-value 'remove-table, add-tables, restart, rerun-full' reboot shop
refused 2 usage.unknown-option 'did you mean --answers' restart shop --anwers a.toml
refused 2 usage.missing-value '--answers has no value' restart shop --answers
refused 2 usage.bad-value '--answers' restart shop --answers ''
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' restart shop --show --checklist-age old
refused 2 usage.bad-combination '--show and --print-answers' restart shop --show --print-answers
refused 2 usage.bad-combination '--show and --answers' restart shop --show --answers a.toml
refused 2 usage.bad-combination '--print-answers and --answers' restart shop --print-answers --answers a
refused 2 usage.bad-value 'it takes one of text, json' restart shop --format yaml

# Files of answers that cannot be used, before the task is looked for.
refused 3 checklist.answers-unreadable "$work/none.toml" restart shop --answers "$work/none.toml"
refused 3 checklist.answers-unreadable "$work" restart shop --answers "$work"
: >"$work/empty.toml"
refused 3 checklist.answers-unreadable 'the file is empty' restart shop --answers "$work/empty.toml"
# bad TEXT MESSAGE: a file with this text is refused with this message.
bad() {
  printf '%b' "$1" >"$work/bad.toml"
  refused 3 checklist.answers "$2" restart shop --answers "$work/bad.toml"
}
bad '[answers]\ndownstrem = true\n' 'bad.toml:2:1: there is no item downstrem; did you mean downstream?'
bad '[answers]\nload = "yes"\n' 'load takes true, false or { answer = true'
bad '[answers]\nload = { evidence = "x" }\n' 'load has no answer'
bad '[answers]\nload = { answer = 1 }\n' 'answer takes true or false'
bad '[answer]\nload = true\n' 'answer is not [answers]'
bad '[answers\n' 'bad.toml:'

# A task that was never started has nothing to lose.
refused 8 task.unknown 'no task shop' restart shop
refused 8 task.unknown 'no task shop' restart shop --show
refused 8 task.unknown 'no task shop' restart shop --print-answers
write_shop "$work/shop.toml"
refused 8 task.unknown 'no task shop' restart "$work/shop.toml"
refused 3 task-file.unreadable "$work/none.toml" restart "$work/none.toml"
checks=$((checks + 1))
[[ ! -e $XDG_STATE_HOME ]] || fault 'asking for a task made a state file'

# A task that has never reached its source: nothing can be measured there.
try weir sync run "$work/shop.toml"
expect_status 5
try weir complete tasks
expect_equal "$out" shop
refused 4 checklist.missing 'weir checklist restart shop' restart shop --show
try weir checklist restart shop --print-answers
expect_status 0
expect_in out '[answers]'
expect_in out '# alert-ddl = { answer = true, evidence = "" }'
sed -E 's/^# (.* = \{ answer)/\1/' "$work/out" >"$work/all.toml"
try weir checklist restart shop --answers "$work/all.toml"
expect_status 4
expect_in out 'unknown  preflight: '
expect_in out 'pass     alert-ddl: '
expect_in out 'shop, restart: not passed'
try weir checklist restart shop
expect_status 4
expect_in err 'error[checklist.unanswered]'
expect_in err '= { answer = true, evidence = '
try weir checklist restart shop --json
expect_status 4
expect_empty err
expect_in out '"passed": false'
expect_in out '"unanswered": ['

# The last one that was answered is shown, and counts as what it is.
try weir checklist restart shop --show
expect_status 4
expect_in out 'pass     alert-ddl: '
expect_in err 'error[checklist.failed]'
try weir checklist restart shop --show --json
expect_status 4
expect_empty err
expect_in out '"counts": false'

# No line is wider than a terminal.
try weir checklist rerun-full shop
checks=$((checks + 1))
awk 'length($0) > 80 {bad = 1} END {exit bad}' "$work/out" || fault "a line is too wide: $out"

# JSON: one line on standard error.
try weir checklist restart ship --json
expect_status 8
expect_empty out
expect_equal "$(wc -l <"$work/err")" 1
expect_in err '"verb":"checklist"'
expect_in err '"id":"task.unknown"'
expect_in err 'did you mean shop'

finish
