#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir offset: what it refuses before any server is asked, and what it says of a task without one.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir offset WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir offset "${@:4}"
}

refused 2 usage.missing-argument 'TASK is missing' show
refused 2 usage.missing-argument 'TASK is missing' history
refused 2 usage.missing-argument 'TASK is missing' reset --to now
refused 2 usage.missing-option '--to' reset shop
refused 2 usage.extra-argument "'two' is one argument too many" show one two
refused 2 usage.unknown-option 'did you mean --accept-data-loss' reset shop --to now --accept-data-lost
refused 2 usage.bad-value 'a whole number' history shop --limit many
refused 2 usage.bad-value "--limit cannot be '0'" history shop --limit 0
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' history shop --since yesterday
refused 2 usage.bad-value 'it takes one of text, json' show shop --format yaml
for place in yesterday bin.000001 bin.000001: bin.000001:x :4 12:30:00 2026-01-02; do
  refused 2 usage.bad-value 'it takes now, gtid:SET, FILE:POSITION' reset shop --to "$place"
done
refused 2 usage.bad-value 'gtid: names the transactions' reset shop --to gtid:
refused 2 usage.bad-value 'two hexadecimal numbers' reset shop --to lsn:16
refused 2 usage.bad-value 'two hexadecimal numbers' reset shop --to lsn:16/B374D848X
refused 2 usage.bad-value 'a time is in UTC' reset shop --to time:2026-01-02
refused 2 usage.bad-value 'a time is in UTC' reset shop --to 'time:2026-01-02 03:04:05'
refused 2 usage.bad-value '--reason is too long' reset shop --to now --reason "$(printf '%2000s' x)"

# A task that was never started has no offset, and a file does not register it.
for verb in show history 'reset --to now'; do
  # shellcheck disable=SC2086 # words
  refused 8 task.unknown 'no task shop' $verb shop
done
write_shop "$work/shop.toml"
refused 8 task.unknown 'no task shop' reset "$work/shop.toml" --to bin.000001:4 --dry-run
checks=$((checks + 1))
[[ -z $(weir complete tasks) ]] || fault 'a task was registered'

# JSON: one line on standard error.
try weir offset show shop --json
expect_status 8
expect_empty out
expect_equal "$(wc -l <"$work/err")" 1
expect_in err '"verb":"offset show"'
expect_in err '"id":"task.unknown"'

finish
