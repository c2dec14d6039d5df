#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what building and testing weir needs on Debian 12:
#
#   install.sh [build] [run] [test] [bench]     "build test" when none is named
#
#   build   compiler, CMake, the libraries
#   run     a MariaDB and a PostgreSQL to try weir against (examples/quickstart.sh)
#   test    run, and what the tests and the other servers (servers.sh) take
#   bench   run, and the tools that weir is measured beside
#
# Does nothing, and needs neither root nor a network, if all of it is there. Starts no service.
set -euo pipefail

build=(g++ cmake ninja-build pkg-config ccache scdoc libfmt-dev nlohmann-json3-dev libcli11-dev
  libtomlplusplus-dev libmariadb-dev libpq-dev libsqlite3-dev libzstd-dev zlib1g-dev)
run=(mariadb-server-core mariadb-client-core postgresql jq procps)
test=("${run[@]}" catch2 sqlite3 percona-toolkit debian-archive-keyring ca-certificates)
bench=("${run[@]}" sysbench pgloader mydumper pgcopydb)

say() { printf 'install: %s\n' "$*" >&2; }

[ $# -gt 0 ] || set -- build test
missing=()
for group in "$@"; do
  case $group in
    build | run | test | bench) ;;
    *)
      say "no group named $group; use build, run, test or bench"
      exit 2
      ;;
  esac
  declare -n packages=$group
  for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=absent
    [ "$state" = installed ] || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  say "these packages are missing, and only root can install them; run as root:"
  say "  apt-get install --no-install-recommends ${missing[*]}"
  exit 1
fi

say "installing ${missing[*]}"
# The packages of the servers start them; this file of Debian's own design says not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } \
  >"$log" 2>&1; then
  tail -30 "$log" >&2
  say "apt-get failed, the whole log is $log"
  exit 1
fi
rm -f "$log"
