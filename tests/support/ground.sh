# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Throwaway servers for scripts: source this file, call ground_open, start what you need, and
# everything ends with the script. bash only.
#
#   ground_open                     makes the folder $ground
#   ground_mariadb NAME [ARG...]    starts a MariaDB; sets NAME_socket and NAME_port
#   ground_postgres NAME [SETTING=VALUE...]   starts a PostgreSQL; sets NAME_socket (a folder), NAME_port
#   ground_start NAME COMMAND...    starts any other background process; sets NAME_pid
#   ground_stop NAME                stops one process early
#   ground_until SECONDS COMMAND... asks COMMAND until it succeeds; 1 when time is up
#   ground_close                    ends and removes all of it; runs by itself when the script ends
#
# A server is stopped by the pid that this script started, never by name.

ground=
ground_pids=()
ground_quiet=

# Sleeps without a process of its own: nobody ever writes to this pipe.
ground_pause() {
  read -rt "$1" -u "$ground_quiet" || :
}

ground_open() {
  ground=$(mktemp -d "${TMPDIR:-/tmp}/weir-XXXXXX") || return 1
  # PostgreSQL never runs as root and has to pass through.
  chmod 755 "$ground"
  mkfifo "$ground/quiet" && exec {ground_quiet}<>"$ground/quiet"
  trap 'ground_close' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

ground_close() {
  set +e
  trap '' HUP INT TERM
  local i signal pid
  # Newest first: whoever uses a server goes before it.
  for ((i = ${#ground_pids[@]} - 1; i >= 0; --i)); do
    read -r signal pid <<<"${ground_pids[i]}"
    kill -s "$signal" "$pid" 2>/dev/null || continue
    ground_until 20 ground_is_gone "$pid" || kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  ground_pids=()
  [ -z "$ground" ] || rm -rf "$ground"
  ground=
}

ground_start() {
  local name=$1
  shift
  rm -f "$ground/started"
  # A signal that comes before the child has dropped this script's traps would be lost.
  {
    trap - HUP INT TERM
    : >"$ground/started"
    if declare -F "$1" >/dev/null; then "$@"; else exec "$@"; fi
  } </dev/null &
  ground_pids+=("TERM $!")
  declare -g "${name}_pid=$!"
  ground_until 10 test -e "$ground/started"
}

ground_stop() {
  local -n pid=$1_pid
  kill "$pid" 2>/dev/null || return 0
  ground_until 30 ground_is_gone "$pid" || return 1
  wait "$pid" 2>/dev/null || :
}

ground_is_gone() {
  # A child that ended stays in the table, as a zombie, until it is waited for.
  local state
  state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
  [ "$state" = Z ] || [ -z "$state" ]
}

ground_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    ground_pause 0.05
  done
}

ground_free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    # Nobody answers: nobody listens.
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return
    fi
  done
}

ground_fail() {
  printf 'ground: %s\n' "$1" >&2
  tail -40 "$2" >&2
  return 1
}

ground_mariadb() {
  local name=$1 dir=$ground/$1 port
  shift
  port=$(ground_free_port)
  mkdir -p "$dir/data" "$dir/tmp"
  # In the common folder another server that starts takes its temporary tables for old ones.
  mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" \
    --auth-root-authentication-method=normal --skip-test-db --innodb-use-native-aio=0 >"$dir/log" 2>&1 ||
    ground_fail "mariadb-install-db failed" "$dir/log" || return 1
  mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" \
    --socket="$dir/s" --port="$port" --bind-address=127.0.0.1 --pid-file="$dir/pid" \
    --skip-name-resolve --character-set-server=utf8mb4 --default-time-zone=+00:00 --server-id=1 \
    --innodb-use-native-aio=0 --log-bin=bin --binlog-format=ROW "$@" >>"$dir/log" 2>&1 </dev/null &
  ground_pids+=("TERM $!")
  declare -g "${name}_socket=$dir/s" "${name}_port=$port" "${name}_pid=$!"
  ground_started "$!" "$dir/log" mariadb --no-defaults -uroot -S "$dir/s" -e 'DO 1'
}

ground_postgres() {
  local name=$1 dir=$ground/$1 port bin setting settings=() as=()
  shift
  port=$(ground_free_port)
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
  mkdir -p "$dir/data"
  if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown -R postgres "$dir"
  fi
  (cd / && "${as[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
    --no-sync) >"$dir/log" 2>&1 || ground_fail "initdb failed" "$dir/log" || return 1
  for setting in "$@"; do settings+=(-c "$setting"); done
  cd / && exec "${as[@]}" "$bin/postgres" -D "$dir/data" -k "$dir" -p "$port" \
    -c listen_addresses=127.0.0.1 -c timezone=UTC "${settings[@]}" >>"$dir/log" 2>&1 </dev/null &
  # INT: do not wait for clients to leave.
  ground_pids+=("INT $!")
  declare -g "${name}_socket=$dir" "${name}_port=$port" "${name}_pid=$!"
  ground_started "$!" "$dir/log" \
    psql -X -q -h "$dir" -p "$port" -U postgres -c 'SELECT' postgres
}

# Waits until COMMAND succeeds, but no longer than the process PID lives.
ground_started() {
  local pid=$1 log=$2 deadline=$((SECONDS + 60))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ground_is_gone "$pid" || [ $SECONDS -ge $deadline ]; then
      ground_fail "a server (pid $pid) does not start" "$log"
      return 1
    fi
    ground_pause 0.05
  done
}
