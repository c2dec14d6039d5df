#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Help and version, on every level.
source "$(dirname "$0")/support/check.bash"

expect_fits() {
  checks=$((checks + 1))
  local long
  long=$(awk 'length($0) > 80' "$work/out" "$work/err" | head -1)
  [[ -z $long ]] || fault "a line is wider than 80 columns: $long"
}

expect_calm() {
  expect_not_in out $'\x1b'
  expect_not_in err $'\x1b'
}

try weir
expect_status 2
expect_empty out
expect_in err 'usage: weir VERB'
expect_in err 'sync start'
expect_fits
expect_calm

for words in help --help -h; do
  try weir $words
  expect_status 0
  expect_empty err
  expect_in out 'EXAMPLES'
  expect_in out 'weir preflight shop.toml'
  expect_fits
  expect_calm
done

names=$(verbs)
expect_in names 'sync start'
expect_in names 'log show'
expect_not_in names 'worker'

while read -r name; do
  try weir help $name
  expect_status 0
  expect_empty err
  expect_fits
  expect_calm
  # One line, usage, two examples before anything else, then options and exit codes.
  headings=$(grep -E '^[A-Z ]+$' "$work/out" | head -2 | tr '\n' ' ')
  expect_equal "$headings" 'USAGE EXAMPLES '
  expect_equal "$(sed -n 1p "$work/out" | cut -d: -f1)" "weir $name"
  for part in 'GLOBAL OPTIONS' '-h, --help' '--state-dir DIR' 'EXIT CODES' '   70  a bug in weir' 'SEE ALSO'; do
    expect_in out "$part"
  done
  from_table=$out
  for flag in --help -h; do
    try weir $name $flag
    expect_status 0
    expect_empty err
    expect_equal "$out" "$from_table"
  done
  # The verb's own binary answers as weir does, also among other words.
  try weir-$name --quiet --help
  expect_status 0
  expect_equal "$out" "$from_table"
done <<<"$names"

try weir sync
expect_status 2
expect_empty out
expect_in err 'weir sync VERB'
try weir sync --help
expect_status 0
expect_in out 'sync stop'
expect_fits
try weir help sync
expect_status 0
expect_in out 'weir sync VERB'

try weir --version
expect_status 0
expect_empty err
expect_equal "${out%% (*}" "weir $(sed -nE 's/^project\(weir VERSION ([0-9.]+).*/\1/p' "$root/CMakeLists.txt")"
version=$out
for words in '-V' 'sync --version' 'sync status --version' 'preflight -V'; do
  try weir $words
  expect_status 0
  expect_equal "$out" "$version"
done

try weir --version --verbose
expect_status 0
expect_in out $'\nlibmariadb '
expect_in out $'\nlibpq '
expect_in out $'\nsqlite '

# Colour is for terminals, unless it is asked for.
try weir sync start --help --color always
expect_status 0
expect_in out $'\x1b[1mUSAGE'
try env WEIR_COLOR=always weir sync start --help
expect_in out $'\x1b[1mUSAGE'
try env WEIR_COLOR=always weir sync start --help --color never
expect_calm

finish
