#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir check-retention: what it refuses before any server is asked, and what it says of one that
# cannot be asked.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir check-retention WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir check-retention "${@:4}"
}

refused 2 usage.missing-argument 'TASK is missing'
refused 2 usage.missing-argument 'or --all' --planned-stop 6h
refused 2 usage.bad-combination 'a task and --all' shop --all
refused 2 usage.extra-argument "'two' is one argument too many" one two
refused 2 usage.unknown-option 'did you mean --planned-stop' shop --planed-stop 6h
refused 2 usage.missing-value '--planned-stop has no value' shop --planned-stop
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' shop --planned-stop 6
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' shop --planned-stop=-6h
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' shop --warning many
refused 2 usage.bad-value '--critical is longer than --warning' shop --warning 1h --critical 2h
for size in much 0GB -5GB 5XB; do
  refused 2 usage.bad-value "--disk-budget cannot be '$size'" shop "--disk-budget=$size"
done
refused 2 usage.bad-value 'it takes one of text, nagios, prometheus, json' shop --format yaml
refused 2 usage.bad-combination '--output does not go with text' shop --output a.prom
refused 2 usage.bad-combination '--output does not go with text' shop --format=text --output a.prom

# A task that was never started has nothing to come back to.
refused 8 task.unknown 'no task shop' shop
write_shop "$work/shop.toml"
refused 8 task.unknown 'no task shop' "$work/shop.toml"
refused 3 task-file.unreadable "$work/none.toml" "$work/none.toml"
checks=$((checks + 1))
[[ ! -e $XDG_STATE_HOME ]] || fault 'asking for a task made a state file'

# No tasks: nothing is wrong, and every format says so.
try weir check-retention --all
expect_status 0
expect_empty out
expect_in err 'no tasks are registered'
try weir check-retention --all --json
expect_status 0
expect_in out '"tasks": []'
try weir check-retention --all --format nagios
expect_status 0
expect_equal "$out" 'RETENTION OK - no tasks are registered'
try weir check-retention --all --format prometheus --output "$work/weir.prom"
expect_status 0
expect_empty out
prom=$(<"$work/weir.prom")
expect_in prom 'weir_check_retention_last_success_timestamp_seconds '
expect_equal "$(stat -c %a "$work/weir.prom")" 644
expect_equal "$(ls "$work" | grep -c tmp)" 0
refused 1 output.file '/nowhere/a.prom' --all --format prometheus --output /nowhere/a.prom

# A monitoring system understands 0 to 3 only, whatever is wrong.
for words in '' 'shop --planned-stop 6' 'shop' "$work/none.toml" 'shop --marign 5' 'shop --output a.prom'; do
  try weir check-retention $words --format nagios
  expect_status 3
  expect_empty err
  expect_in out 'UNKNOWN - '
  expect_equal "$(wc -l <"$work/out")" 1
done

# JSON: one line on standard error.
try weir check-retention shop --json
expect_status 8
expect_empty out
expect_equal "$(wc -l <"$work/err")" 1
expect_in err '"verb":"check-retention"'
expect_in err '"id":"task.unknown"'

finish
