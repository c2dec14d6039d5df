#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The completion scripts, asked as a shell asks them. zsh and fish are asked where they are installed.
source "$(dirname "$0")/support/check.bash"

# A weir that knows two tasks and their tables stands in for a state file.
mkdir "$work/bin" "$work/here"
cat >"$work/bin/weir" <<'STUB'
#!/bin/sh
case "$*" in
  'complete tasks') printf 'shop\nshipping\n' ;;
  'complete ids') printf 'mysql.lost\nmysql.offset-lost\n' ;;
  'complete tables --task shop') printf 'shop.item\nshop.order\n' ;;
  *) echo "weir was asked: $*" >&2; exit 2 ;;
esac
STUB
chmod +x "$work/bin/weir"
touch "$work/here/shop.toml"
real_path=$PATH
PATH=$work/bin:$PATH
cd "$work/here" || exit 1

# bash_offers WORD...: what bash offers for the last word, on one line.
bash_offers() {
  bash --norc -c '
    source "$1"; shift
    compopt() { :; }
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _weir
    echo "${COMPREPLY[*]}"' bash "$root/completions/weir.bash" "$@" 2>&1
}

# expect_offers EXPECTED WORD...
expect_offers() {
  local expected=$1
  shift
  command_line="bash: $*"
  expect_equal "$(bash_offers "$@")" "$expected"
}

expect_offers 'init kinds explain preflight sync cutover check-retention checklist add-table remove-table reload-table log offset ddl config plan apply rollback help' weir ''
expect_offers 'remove-table add-tables restart rerun-full tune reset-offset remap' weir checklist ''
expect_offers 'remove-table restart rerun-full reset-offset remap' weir checklist re
expect_offers 'shop shipping' weir checklist restart ''
expect_offers 'shipping' weir checklist restart --show ship
expect_offers '' weir checklist restart shop ''
expect_offers 'shop.toml' weir checklist restart shop --answers ''
expect_offers 'sync' weir sy
expect_offers 'start run stop status list' weir sync ''
expect_offers 'start stop status' weir sync st
expect_offers 'sync' weir help sy
expect_offers 'stop' weir help sync sto
expect_offers 'shop shipping' weir sync stop ''
expect_offers 'shop shop.toml' weir sync start sho
expect_offers '' weir sync stop shop ''
expect_offers '--wait --waive' weir sync start shop --w
expect_offers 'schema full incremental caught-up' weir sync start shop --wait ''
expect_offers 'full' weir sync start --wait f
expect_offers 'schema full incremental caught-up' weir sync start shop --wait =
expect_offers 'caught-up' weir sync start shop --wait = c
expect_offers 'shop shipping shop.toml' weir sync start --wait full sh
expect_offers 'shop shipping shop.toml' weir sync start --wait = full sh
expect_offers '' weir sync start shop --timeout ''
expect_offers 'text json' weir sync status shop -o ''
expect_offers 'text jsonl' weir log show shop --format ''
expect_offers 'shop.item shop.order' weir log show shop --table ''
expect_offers 'shop shipping' weir sync status --no-tables ''
expect_offers 'shop shipping' weir remove-table ''
expect_offers 'shop.item shop.order' weir remove-table shop ''
expect_offers 'shop.order' weir remove-table shop shop.item --yes shop.o
expect_offers '' weir sync list ''
expect_offers '--state-dir' weir preflight --sta
expect_offers 'mysql.lost mysql.offset-lost' weir explain ''
expect_offers 'mysql.offset-lost' weir explain mysql.o
expect_offers '' weir explain mysql.lost ''

# Every option of every verb is offered.
names=$(PATH=$real_path verbs)
expect_in names 'sync start'
while read -r name; do
  offered=" $(bash_offers weir $name --) "
  for option in $(PATH=$real_path weir help $name | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE '\-\-[a-z-]+'); do
    command_line="bash: weir $name"
    expect_in offered " $option "
  done
done <<<"$names"

if command -v fish >/dev/null; then
  # fish_offers LINE: what fish offers for the end of the line, on one line.
  fish_offers() {
    HOME=$work fish --no-config -c 'source $argv[1]; complete -C $argv[2]' \
      "$root/completions/weir.fish" "$1" 2>&1 | cut -f1 | sort | paste -sd' '
  }
  expect_fish() {
    command_line="fish: $2"
    expect_equal "$(fish_offers "$2")" "$1"
  }
  expect_fish 'shipping shop' 'weir checklist restart '
  expect_fish '' 'weir checklist restart shop '
  expect_fish 'cutover explain help init kinds log preflight sync' 'weir '
  expect_fish 'mysql.lost mysql.offset-lost' 'weir explain '
  expect_fish 'list run start status stop' 'weir sync '
  expect_fish 'shipping shop' 'weir sync stop '
  expect_fish 'shop shop.toml' 'weir sync start sho'
  expect_fish '' 'weir sync stop shop '
  expect_fish '--wait --waive' 'weir sync start shop --w'
  expect_fish 'caught-up full incremental schema' 'weir sync start shop --wait '
  expect_fish '--wait=full' 'weir sync start shop --wait=f'
  expect_fish 'json text' 'weir sync status shop -o '
  expect_fish 'shop.item shop.order' 'weir log show shop --table '
else
  echo "fish is not installed: its script was not asked"
fi

if command -v zsh >/dev/null; then
  command_line='zsh -n'
  checks=$((checks + 1))
  zsh -n "$root/completions/_weir" || fault "does not parse"
else
  echo "zsh is not installed: its script was not asked"
fi

finish
