#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir cutover: what it refuses before any server is asked.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir cutover WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir cutover "${@:4}"
}

refused 2 usage.missing-argument 'TASK is missing'
refused 2 usage.missing-argument 'TASK is missing' --yes
refused 2 usage.extra-argument "'two' is one argument too many" one two
refused 2 usage.unknown-option 'did you mean --margin' shop --marign 5
refused 2 usage.unknown-option 'did you mean --make-identity' shop --make-identiy
refused 2 usage.missing-value '--margin has no value' shop --margin
refused 2 usage.bad-value 'a whole number' shop --margin many
refused 2 usage.bad-value 'a whole number' shop --margin=-1
refused 2 usage.bad-value 'a whole number' shop --margin 1.5
refused 2 usage.bad-value '--margin' shop --margin 99999999999999999999
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' shop --timeout 10
refused 2 usage.bad-value "--table cannot be 'shop.['" shop --table 'shop.['
refused 2 usage.bad-value 'it takes one of text, json' shop --format yaml

# A task that was never started has nothing to carry over, and a file does not register it.
refused 8 task.unknown 'no task shop' shop
write_shop "$work/shop.toml"
refused 8 task.unknown 'no task shop' "$work/shop.toml"
refused 8 task.unknown 'no task shop' "$work/shop.toml" --dry-run
checks=$((checks + 1))
[[ -z $(weir complete tasks) ]] || fault 'a task was registered'
refused 3 task-file.unreadable "$work/none.toml" "$work/none.toml"
echo 'margin = 5' >>"$work/shop.toml"
refused 3 task-file.invalid 'margin' "$work/shop.toml"

# JSON: one line on standard error.
try weir cutover shop --json
expect_status 8
expect_empty out
expect_equal "$(wc -l <"$work/err")" 1
expect_in err '"verb":"cutover"'
expect_in err '"id":"task.unknown"'

finish
