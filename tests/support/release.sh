# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Makes sure that ROOT/build/bin holds weir as it would be shipped. Source this file.
#
#   release_is_fresh ROOT    whether the binaries are newer than every source
#   release_is_release ROOT  whether they were built for speed
#   release_build ROOT       builds them; on failure 1, after the end of the compiler's output

release_is_fresh() {
  [ -x "$1/build/bin/weir" ] && [ -z "$(find "$1/lib" "$1/apps" "$1/CMakeLists.txt" -type f \
    -newer "$1/build/bin/weir" -print -quit)" ]
}

release_is_release() {
  grep -qx 'CMAKE_BUILD_TYPE:[A-Z]*=Release' "$1/build/CMakeCache.txt" 2>/dev/null
}

release_build() {
  local log launcher=()
  log=$(mktemp)
  ! command -v ccache >/dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  if ! (cd "$1" && cmake --preset release -DBUILD_TESTING=OFF "${launcher[@]}" &&
    cmake --build --preset release) >"$log" 2>&1; then
    tail -30 "$log" >&2
    echo "the build failed; its whole log is $log" >&2
    return 1
  fi
  rm -f "$log"
  # Where nothing had to be compiled the binary kept its old time, and would look stale for ever.
  touch "$1/build/bin/weir"
}
