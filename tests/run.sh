#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds weir and runs all of its tests, installing what they need:
#
#   tests/run.sh [--quick] [--preset dev|asan|tsan] [-- CTEST ARGUMENTS]
#
#   --quick    leaves out the tests that need other servers than this machine's own
#   --preset   how to build; dev if not given
#
# Takes about ten minutes on two cores, most of it compiling.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=dev
quick=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=yes ;;
    --preset)
      preset=${2:?--preset takes dev, asan or tsan}
      shift
      ;;
    --preset=*) preset=${1#*=} ;;
    --)
      shift
      break
      ;;
    -h | --help)
      sed -n '4,12s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "run.sh: unknown argument $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done
case $preset in
  dev | asan | tsan) ;;
  *)
    echo "run.sh: no test preset named $preset; use dev, asan or tsan" >&2
    exit 2
    ;;
esac

say() { printf 'run.sh: %s (%d s)\n' "$*" "$SECONDS" >&2; }

tests/support/install.sh build test

scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-run-XXXXXX")
chmod 755 "$scratch"
servers_pid=
leave() {
  [ -z "$servers_pid" ] || kill "$servers_pid" 2>/dev/null || true
  rm -rf "$scratch"
}
trap leave EXIT

# Data folders are initialised once for all test processes of this run.
export WEIR_TEST_TEMPLATES=$scratch/templates

# The download runs while the compiler does.
if [ -z "$quick" ]; then
  tests/support/servers.sh &
  servers_pid=$!
fi

configure=()
if command -v ccache >/dev/null; then
  configure+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  # Without these ccache does not take part in builds with precompiled headers.
  export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
fi
say "configuring preset $preset"
cmake --preset "$preset" -DBUILD_TESTING=ON "${configure[@]}" >"$scratch/configure.log" 2>&1 || {
  cat "$scratch/configure.log" >&2
  exit 1
}
say "building"
cmake --build --preset "$preset"
if [ -n "$servers_pid" ]; then
  say "waiting for the other servers"
  wait "$servers_pid"
  servers_pid=
fi

say "testing"
ctest_args=(--preset "$preset" --no-tests=error -j"$(nproc)")
[ -z "$quick" ] || ctest_args+=(-LE bootstrap)
# A report of the sanitizers is a failure, never a line that scrolls by.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}
ctest "${ctest_args[@]}" "$@"
