#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The man pages and completions are what the tables say, and every page is complete.
source "$(dirname "$0")/support/check.bash"

try weir-docs --check "$root"
expect_status 0
expect_empty out

# The check can fail: a tree with one word changed is told apart, and mended.
mkdir "$work/tree"
cp -r "$root/man" "$root/completions" "$work/tree/"
sed -i '/^; BEGIN GENERATED exit-status/a stray' "$work/tree/man/weir-sync-start.1.scd"
echo stray >>"$work/tree/completions/weir.bash"
try weir-docs --check "$work/tree"
expect_status 10
expect_equal "$out" $'completions/weir.bash\nman/weir-sync-start.1.scd'
try weir-docs --write "$work/tree"
expect_status 0
try diff -r "$root/man" "$work/tree/man"
expect_status 0
rm "$work/tree/man/weir-sync-stop.1.scd"
try weir-docs --check "$work/tree"
expect_status 1
expect_in err 'error[docs.page]: weir sync stop has no man page'

# Every page builds, and lists what help does.
for source in "$root"/man/*.scd; do
  page=$work/$(basename "$source" .scd)
  command_line="scdoc < $source"
  checks=$((checks + 1))
  scdoc <"$source" >"$page" 2>"$work/err" || fault "$(<"$work/err")"
  checks=$((checks + 1))
  [[ -s $page ]] || fault "made an empty page"
done
names=$(verbs)
expect_in names 'sync start'
while read -r name; do
  page=$work/weir-${name// /-}.1
  command_line=$page
  checks=$((checks + 1))
  [[ -e $page ]] || { fault "is missing"; continue; }
  # roff writes a dash as \-
  text=$(sed 's/\\-/-/g; s/\\&//g; s/\\f[A-Z]//g' "$page")
  for option in $(weir help $name | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE '\-\-[a-z-]+'); do
    expect_in text "$option"
  done
  for code in $(weir help $name | awk '/^EXIT CODES$/ {on = 1; next} /^$/ {on = 0} on {print $1}'); do
    expect_equal "$(grep -cx "$code" <<<"$text")" 1
  done
done <<<"$names"

# weir-state(5) names every table and column of the schema.
schema=$root/lib/store/sqlite_state.cpp
page=$(sed 's/\\//g' "$root/man/weir-state.5.scd")
command_line=$root/man/weir-state.5.scd
for name in $(sed -nE 's/^CREATE TABLE ([a-z_]+) .*/\1/p; s/^  ([a-z_]+) +(TEXT|INTEGER|REAL)\b.*/\1/p' "$schema"); do
  checks=$((checks + 1))
  grep -qE "(^## $name\$|\*$name\*)" <<<"$page" || fault "does not name $name"
done

finish
