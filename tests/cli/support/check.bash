# SPDX-License-Identifier: Apache-2.0
# For the scripts of tests/cli: run a command, then judge what it printed and how it ended.
#
# `try CMD...` sets $status, $out and $err. Each `expect_...` prints what is wrong and counts it;
# `finish` ends the script with 1 if anything was.
set -u -o pipefail

root=${WEIR_SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)}
command -v weir >/dev/null || { echo "weir is not in PATH" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset WEIR_STATE_DIR WEIR_COLOR WEIR_LOG_FORMAT NO_COLOR STATE_DIRECTORY JOURNAL_STREAM
export XDG_STATE_HOME=$work/state TERM=xterm

faults=0
checks=0
command_line=

try() {
  command_line=$*
  "$@" >"$work/out" 2>"$work/err" </dev/null
  status=$?
  out=$(<"$work/out")
  err=$(<"$work/err")
}

fault() {
  faults=$((faults + 1))
  printf '%s: %s\n' "$command_line" "$1" >&2
}

expect_status() {
  checks=$((checks + 1))
  [[ $status == "$1" ]] || fault "ended with $status, not $1; stderr: $err"
}

# expect_in TEXT WHAT: $TEXT (out or err) holds WHAT.
expect_in() {
  checks=$((checks + 1))
  [[ ${!1} == *"$2"* ]] || fault "no '$2' in $1: ${!1}"
}

expect_not_in() {
  checks=$((checks + 1))
  [[ ${!1} != *"$2"* ]] || fault "'$2' in $1: ${!1}"
}

expect_equal() {
  checks=$((checks + 1))
  [[ $1 == "$2" ]] || fault "got '$1', not '$2'"
}

expect_empty() {
  checks=$((checks + 1))
  [[ -z ${!1} ]] || fault "$1 is not empty: ${!1}"
}

# expect_refusal CODE ID TEXT CMD...: CMD ends with CODE, answers nothing, and its error has this id,
# this text somewhere, and a fix.
expect_refusal() {
  local code=$1 id=$2 text=$3
  shift 3
  try "$@"
  expect_status "$code"
  expect_empty out
  expect_in err "error[$id]: "
  expect_in err "$text"
  expect_in err '  fix: '
}

# A task file whose servers are not there.
write_shop() {
  cat >"$1" <<'TOML'
name = "shop"
[source]
kind = "mysql"
socket = "/nowhere/mysqld.sock"
user = "weir"
[target]
kind = "sqlite"
path = "/nowhere/shop.db"
[[table]]
match = "shop.*"
TOML
}

# The verbs, one a line, as `weir help` shows them.
verbs() {
  weir help | awk '/^VERBS$/ {on = 1; next} /^$/ {on = 0} on' | sed -E 's/^  //; s/  .*//'
}

finish() {
  if ((checks == 0)); then
    echo "nothing was checked" >&2
    exit 1
  fi
  if ((faults > 0)); then
    echo "$faults of $checks checks failed" >&2
    exit 1
  fi
  echo "$checks checks passed"
}
