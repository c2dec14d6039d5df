#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Command lines that are wrong: exit code 2, the reason on standard error, nothing on standard output.
source "$(dirname "$0")/support/check.bash"

# refused ID TEXT WORDS...: `weir WORDS` is refused with this id, and the message holds TEXT.
refused() {
  expect_refusal 2 "$1" "$2" weir "${@:3}"
}

refused usage.unknown-verb "did you mean weir preflight" prefligth shop.toml
refused usage.unknown-verb "did you mean weir sync start" start shop
refused usage.unknown-verb "did you mean weir sync status" sync statsu shop
refused usage.unknown-verb "there is no verb 'zzzz'" zzzz
refused usage.unknown-verb "there is no verb '../evil'" ../evil
refused usage.unknown-verb "did you mean weir sync" help snyc
refused usage.no-verb "options follow the verb" --quiet sync list
refused usage.no-verb "options follow the verb" sync --quiet list
refused usage.missing-argument "TASK is missing" sync start
refused usage.missing-argument "TASK is missing" sync status --quiet
refused usage.extra-argument "'two' is one argument too many" sync stop one two
refused usage.extra-argument "'one' is one argument too many" sync list one
refused usage.unknown-option "did you mean --timeout" sync start shop --timeuot 5s
refused usage.unknown-option "there is no option --nothing" sync list --nothing=here
refused usage.unknown-option "there is no option -x" sync list -x
refused usage.missing-value "--wait has no value" sync start shop --wait
refused usage.bad-value "did you mean full" sync start shop --wait ful
refused usage.bad-value "500ms, 30s, 10m, 2h or 1d" sync start shop --timeout 10
refused usage.bad-value "a whole number" log show shop --limit=-1
refused usage.bad-value "a whole number" log show shop --limit 1x
refused usage.bad-value "it takes one of text, json" sync list --format yaml
refused usage.bad-value "it takes one of auto, always, never" sync list --color=maybe
refused usage.bad-value "--json was given a value" sync list --json=yes

# A variable of the environment is judged like the option, under its own name.
WEIR_COLOR=purple try weir sync list
expect_status 2
expect_in err 'WEIR_COLOR cannot be'

# A password in a command line is refused, and not repeated.
for words in '--password=geheim' '--password geheim' '--target-password=geheim' \
  '--host mysql://root:geheim@db1/shop'; do
  refused usage.secret 'list of processes' init $words
  expect_not_in err geheim
done

# After -- a word with a dash is the argument.
refused usage.extra-argument "'--two' is one argument too many" sync stop -- --one --two

# JSON is asked for: the error is one line of JSON on standard error, whichever way it was asked.
for words in '--json' '--format json' '--format=json' '-o json' '-ojson'; do
  try weir sync start $words
  expect_status 2
  expect_empty out
  expect_equal "$(wc -l <"$work/err")" 1
  expect_in err '"schema":1,"verb":"sync start","task":null,"ok":false'
  expect_in err '"id":"usage.missing-argument"'
  expect_in err '"exit_code":2,"exit_name":"usage"'
done
try weir nothing --json
expect_status 2
expect_in err '{"schema":1,"verb":null,'

# A verb that is known but not installed says so.
mkdir "$work/bin"
cp "$(command -v weir)" "$work/bin/weir"
PATH=/usr/bin:/bin try "$work/bin/weir" sync list
expect_status 1
expect_in err 'error[weir.not-installed]: weir-sync is missing'

# ... and one beside weir is found, whatever PATH says, with its words and exit code.
printf '#!/bin/sh\necho "got $*"\nexit 7\n' >"$work/bin/weir-sync"
chmod +x "$work/bin/weir-sync"
PATH=/usr/bin:/bin try "$work/bin/weir" sync list 'a b' --json
expect_status 7
expect_equal "$out" 'got list a b --json'
chmod -x "$work/bin/weir-sync"
if [[ ! -x $work/bin/weir-sync ]]; then
  PATH=/usr/bin:/bin try "$work/bin/weir" sync list
  expect_status 1
  expect_in err 'error[weir.exec]: cannot run'
fi

# weir complete is silent where there is nothing to tell.
try weir complete tasks --state-dir "$work/nowhere"
expect_status 0
expect_empty out
expect_empty err
[[ ! -e $work/nowhere ]] || fault "weir complete made a state folder"

finish
