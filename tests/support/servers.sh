#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Gets the database servers that Debian 12 does not have, for the tests:
#
#   servers.sh [sid] [trixie]      both when none is named
#
#   sid      Oracle MySQL 9 and PostgreSQL 18
#   trixie   MariaDB 11.8 and PostgreSQL 17
#
# Each becomes a tree of unpacked Debian packages under $WEIR_SERVERS (if not set: for root
# /var/cache/weir/servers, else the user's cache folder). The programs in TREE/run/bin run through the
# tree's own loader: no root, no chroot, no maintainer script. A tree does not work elsewhere once it
# is moved. A finished tree holds the file .ready and is left alone; an unfinished one is made anew.
set -euo pipefail
umask 022

# Root's own cache is closed to the user that PostgreSQL has to run as.
if [ "$(id -u)" = 0 ]; then
  root=${WEIR_SERVERS:-/var/cache/weir/servers}
else
  root=${WEIR_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/servers}
fi

declare -A packages=(
  [sid]="mysql-server-core mysql-client-core postgresql-18 tzdata"
  [trixie]="mariadb-server-core mariadb-client-core postgresql-17 tzdata"
)

say() { printf 'servers: %s\n' "$*" >&2; }
fail() {
  say "$1"
  [ $# -lt 2 ] || say "fix: $2"
  exit 1
}

# The mirror this machine already uses: it is known to be reachable and allowed.
mirror() {
  local found
  found=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
    awk '/^URIs:/ && !found { print found = $2 }') || true
  [ -n "$found" ] || found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk '$1 == "deb" { for (i = 2; i <= NF && !found; ++i) if ($i ~ /^[a-z+]+:/) print found = $i }') ||
    true
  [ -n "$found" ] || fail "no Debian mirror in the apt configuration" "add one to /etc/apt"
  printf '%s\n' "$found"
}

# An apt of its own: nothing of the machine's package state is read or written.
private_apt() {
  local dir=$1
  shift
  apt-get -q -o Dir::State="$dir/state" -o Dir::State::status="$dir/status" \
    -o Dir::Cache="$dir/cache" -o Dir::Etc::sourcelist="$dir/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false \
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Debug::NoLocking=true "$@"
}

unpack() {
  local suite=$1 tree=$2 apt=$2/.apt package
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$tree/usr"
  : >"$apt/status"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$(mirror)" "$suite" >"$apt/sources.list"
  private_apt "$apt" update
  # shellcheck disable=SC2086 # a list of package names
  private_apt "$apt" install -y --download-only ${packages[$suite]}
  # The links that base-files would make; with them in place packages of either layout unpack.
  for package in bin sbin lib lib64; do
    mkdir -p "$tree/usr/$package"
    ln -s "usr/$package" "$tree/$package"
  done
  for package in "$apt"/cache/archives/*.deb; do
    # Through tar, because dpkg-deb -x would replace those links by folders.
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$tree" --keep-directory-symlink --no-same-owner
  done
  rm -rf "$apt" "${tree:?}"/usr/share/{doc,man,locale,info} \
    "$tree"/usr/lib/postgresql/*/lib/bitcode
}

# PostgreSQL's programs call each other by path, and find their files beside that path: a twin of
# the folder holds scripts that pass through the tree's loader. `bin/NAME` is the way into any tree.
write_launchers() {
  local tree=$1 lib loader pg program
  lib=$(cd "$tree/usr/lib" && printf '%s\n' *-linux-gnu | head -1)
  loader=$(cd "$tree" && find usr/lib64/ usr/lib/ -maxdepth 1 -name 'ld-linux*.so.*' | head -1)
  [ -n "$loader" ] || fail "no loader in $tree"
  launcher() { # FILE PROGRAM [ARGUMENT...]
    local file=$1 target=$2
    shift 2
    cat >"$file" <<EOF
#!/bin/sh
exec "$tree/$loader" --argv0 "$file" --library-path \\
  "$tree/usr/lib/$lib:$tree/usr/lib/mysql/private" "$target" $* "\$@"
EOF
    chmod 755 "$file"
  }
  mkdir -p "$tree/run/bin"
  for program in mysqld mysql mysqldump mysqlbinlog mariadbd mariadb mariadb-dump; do
    for pg in "$tree/usr/sbin/$program" "$tree/usr/bin/$program"; do
      if [ -f "$pg" ] && [ ! -L "$pg" ]; then launcher "$tree/run/bin/$program" "$pg"; fi
    done
  done
  for pg in "$tree"/usr/lib/postgresql/*; do
    local twin=$tree/run${pg#"$tree"}
    mkdir -p "$twin/bin"
    ln -sfn "$pg/lib" "$twin/lib"
    ln -sfn "$tree/usr/share" "$tree/run/usr/share"
    for program in postgres initdb pg_ctl psql pg_dump; do
      [ -f "$pg/bin/$program" ] || continue
      launcher "$twin/bin/$program" "$pg/bin/$program"
      ln -sfn "$twin/bin/$program" "$tree/run/bin/$program"
    done
  done
}

make_tree() {
  local suite=$1 tree=$root/$1 started=$SECONDS
  if [ -e "$tree/.ready" ]; then
    say "$suite is there"
    return
  fi
  say "getting $suite: ${packages[$suite]}"
  # Only ever a folder that this script made and did not finish.
  rm -rf "${root:?}/$suite"
  mkdir -p "$tree"
  unpack "$suite" "$tree" >"$root/$suite.log" 2>&1 || {
    tail -20 "$root/$suite.log" >&2
    fail "$suite failed, the whole log is $root/$suite.log" "run it again once the mirror answers"
  }
  write_launchers "$tree"
  touch "$tree/.ready"
  say "$suite is ready after $((SECONDS - started)) s, $(du -sh "$tree" | cut -f1)"
}

suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(sid trixie)
for suite in "${suites[@]}"; do
  [ -n "${packages[$suite]:-}" ] || fail "no suite named $suite" "use sid or trixie"
done
[ -r /usr/share/keyrings/debian-archive-keyring.gpg ] ||
  fail "debian-archive-keyring is not installed" "apt-get install debian-archive-keyring"
mkdir -p "$root" || fail "cannot make $root" "set WEIR_SERVERS to a folder of yours"
# Two runs at once would unpack into the same tree.
exec 9>"$root/.lock"
flock 9
for suite in "${suites[@]}"; do make_tree "$suite"; done
