#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir sync stop: what it refuses before any server is asked, and what it says of tasks that do not
# run.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir sync stop WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir sync stop "${@:4}"
}

refused 2 usage.missing-argument 'TASK is missing' --for 6h
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' shop --for 6
refused 2 usage.bad-value '500ms, 30s, 10m, 2h or 1d' shop --for=-6h
refused 2 usage.bad-value "--for cannot be '0'" shop --for 0s
refused 2 usage.missing-value '--for has no value' shop --for
refused 2 usage.bad-value 'it takes one of retention' shop --accept-risk all
refused 2 usage.missing-value '--accept-risk has no value' shop --accept-risk
refused 2 usage.unknown-option 'did you mean --accept-risk' shop --acept-risk retention
refused 8 task.unknown 'no task shop' shop --for 6h
refused 8 task.unknown 'no task shop' shop --accept-risk retention

# A task that never ran has nothing to come back to: there is no question, and it counts down
# nothing.
write_shop "$work/shop.toml"
try weir sync run "$work/shop.toml"
expect_status 5
try weir sync stop shop --for 30d --json
expect_status 0
expect_in out '"already_stopped": true'
expect_in out '"verdict": null'
try weir sync status shop --json
expect_in out '"restart_before": null'
try weir sync list
expect_status 0
expect_in out '  LEFT  '

finish
