#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir preflight: which words it does not take, and files of facts that are none.
source "$(dirname "$0")/support/check.bash"

# refused CODE ID TEXT WORDS...: `weir preflight WORDS` ends with this code, id and text.
refused() {
  expect_refusal "$1" "$2" "$3" weir preflight "${@:4}"
}

write_shop "$work/shop.toml"
shop=$work/shop.toml

refused 2 usage.bad-combination '--facts-out does not go with --facts' "$shop" --facts a --facts-out b
refused 2 usage.bad-combination '--mapping-only does not go with --facts' "$shop" --mapping-only --facts a
refused 2 usage.bad-combination '--mapping-only does not go with --facts-out' \
  "$shop" --mapping-only --facts-out a
for words in '--only mysql.cascade' '--skip tables' '--waive mysql.cascade' --strict '--facts a' '--facts-out a'; do
  refused 2 usage.bad-combination "${words%% *} does not go with --list" --list $words
done
refused 2 usage.unknown-check "--only: there is no check 'logs'" "$shop" --only logs
refused 2 usage.unknown-check 'connection, privileges, change log, retention' "$shop" --skip nothing
refused 2 usage.unknown-check 'did you mean tables' "$shop" --only tabels
refused 2 usage.unknown-check 'did you mean mysql.cascade' "$shop" --only mysql.cascad
refused 2 usage.unknown-check "there is no check 'tables'" "$shop" --waive tables
refused 2 usage.unknown-check "there is no check 'usage.unknown-check'" "$shop" --waive usage.unknown-check
refused 2 usage.missing-value '--waive has no value' "$shop" --waive
refused 5 mysql.unreachable '/nowhere/mysqld.sock' "$shop"

# Facts: a file that is not there, that is none, that lacks something, and that is of another task.
refused 3 facts.unreadable "$work/none.json" "$shop" --facts "$work/none.json"
refused 3 facts.unreadable "$work" "$shop" --facts "$work"
echo 'no JSON at all' >"$work/bad.json"
refused 3 facts.format 'these are not the facts of a preflight' "$shop" --facts "$work/bad.json"
echo '{"schema": "weir.facts/1", "task": "shop"}' >"$work/bad.json"
refused 3 facts.format "key 'taken' not found" "$shop" --facts "$work/bad.json"
echo '{"schema": "weir.facts/2"}' >"$work/bad.json"
refused 3 facts.format 'weir.facts/2' "$shop" --facts "$work/bad.json"
checks=$((checks + 1))
[[ ! -e $XDG_STATE_HOME ]] || fault 'a preflight made a state folder'
finish
