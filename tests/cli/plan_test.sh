#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weir config, plan, apply and rollback: what they refuse, and what they do to a stopped task, for
# which no server is needed.
source "$(dirname "$0")/support/check.bash"

file=$work/shop.toml

refused() {
  expect_refusal "$1" "$2" "$3" weir "${@:4}"
}

for verb in 'config list' 'config show' 'config diff' plan apply rollback; do
  # shellcheck disable=SC2086 # words
  refused 2 usage.missing-argument 'is missing' $verb
done
refused 2 usage.extra-argument "'3' is one argument too many" config show shop 2 3
refused 2 usage.extra-argument "'3' is one argument too many" rollback shop 2 3
refused 2 usage.extra-argument '3 revisions are given' config diff shop 1 2 3
refused 2 usage.missing-argument '1 revision is given' config diff shop 1
refused 2 usage.bad-value "--limit cannot be '0'" config list shop --limit 0
refused 2 usage.unknown-option 'did you mean --restart' apply shop --restar

# A task that was never started has no revision.
for words in 'config list shop' 'config show shop' 'config diff shop 1 2' 'plan shop' 'apply shop' \
  'rollback shop'; do
  # shellcheck disable=SC2086 # words
  refused 8 task.unknown 'no task shop' $words
done
write_shop "$file"
refused 8 revision.unknown 'the first comes with its next start' plan "$file"

# The start fails, for there is no server, and has taken the file on all the same.
try weir sync run "$file"
expect_status 5
try weir config list shop --no-header
expect_status 0
expect_in out "1  "
expect_in out "$(sha256sum "$file" | cut -c1-12)"
try weir config show shop
expect_equal "$out" "$(<"$file")"
try weir plan shop --exit-code
expect_status 0
expect_in out 'the file says what the task runs by'
refused 8 revision.unknown 'its revisions are 1 to 1' config show shop 2
refused 8 revision.unknown 'its revisions are 1 to 1' rollback shop 7
refused 8 revision.unknown 'its revisions are 1 to 1' rollback shop
for word in 0 -1 two 1x newest; do
  refused 2 usage.bad-value 'it takes a number from 1 on' config show shop -- "$word"
  refused 2 usage.bad-value 'it takes a number from 1 on' config diff shop -- 1 "$word"
done

# Another setting: seen, planned, applied.
printf '[full]\nrate_limit = "5 MB/s"\n' >>"$file"
try weir sync status shop
expect_in out 'was edited since: weir plan shop'
try weir config diff shop running file --exit-code
expect_status 10
expect_equal "$out" 'full.rate_limit: "0" -> "5 MB/s"'
try weir plan shop --exit-code --out "$work/shop.plan"
expect_status 10
expect_in out 'live          full.rate_limit: "0" -> "5 MB/s"'
expect_equal "$(stat -c %a "$work/shop.plan")" 600
refused_quietly() {
  try weir "${@:4}"
  expect_status "$1"
  expect_in err "error[$2]: "
  expect_in err "$3"
}
refused_quietly 4 confirm.no-terminal 'repeat it with --yes' apply shop
try weir apply shop --dry-run --json
expect_status 0
expect_in out '"new_revision": null'
try weir config list shop --no-header
expect_not_in out 'apply'

# What moved since the plan refuses it: the file, then the revision.
cp "$file" "$work/planned.toml"
echo '# an afterthought' >>"$file"
refused 4 plan.moved 'was edited since' apply "$work/shop.plan" --yes
cp "$work/planned.toml" "$file"
try weir apply "$work/shop.plan" --yes --json
expect_status 0
expect_in out '"new_revision": 2'
refused 4 plan.moved 'it was made for revision 1, and the task runs by 2' apply "$work/shop.plan" --yes
try weir apply shop --yes
expect_status 0
expect_in err 'there is nothing to do'

# Files that are no plan.
echo '{' >"$work/bad.plan"
refused 3 plan.format 'weir plan TASK --out FILE' apply "$work/bad.plan"
echo '{"format": "weir-plan-99"}' >"$work/bad.plan"
refused 3 plan.format 'weir-plan-99' apply "$work/bad.plan"

# Another server is another task, and a file that is broken is none.
sed -i 's/nowhere\/mysqld.sock/elsewhere\/mysqld.sock/' "$file"
refused_quietly 4 plan.refused 'source.socket' plan shop
refused_quietly 4 plan.refused 'source.socket' apply shop --yes
echo 'oops' >>"$file"
refused 3 task-file.invalid 'shop.toml' plan shop
refused 3 task-file.invalid 'shop.toml' apply shop --yes

# Back to the first one; the edits that never counted are kept.
try weir rollback shop 1 --yes
expect_status 0
expect_in err 'which is 1 again'
try weir config diff shop 1 running --exit-code
expect_status 0
try weir config diff shop 1 file --exit-code
expect_status 0
expect_equal "$(cat "$file".edited-* | tail -n 1)" oops
try weir rollback shop --yes --json
expect_status 0
expect_in out '"to_revision": 2'
try weir config diff shop 2 file --exit-code
expect_status 0

# Two at once.
command_line='apply under a lock'
exec {lock}>"$XDG_STATE_HOME/weir/shop.change"
flock "$lock"
echo '# one more' >>"$file"
refused 7 change.busy 'being changed by another command' apply shop --yes
refused 7 change.busy 'being changed by another command' rollback shop --yes
exec {lock}>&-
try weir apply shop --yes
expect_status 0

finish
