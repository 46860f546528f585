#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real Valkey server for tests (Debian's valkey-server, else redis-server) on 127.0.0.1, on a free
# port, with its data in a directory of the caller's. Plain, over a unix socket, with TLS by
# certificates made here, with users.
#
# Exit status: 0 done, 1 failed, 64 wrong usage, 77 there is no server (the reason is on stderr; a
# test then reports SKIP, unless ROCKY_REQUIRE_SERVERS=1).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kit/process.sh
. "$here/process.sh"
# shellcheck source=tests/kit/certificates.sh
. "$here/certificates.sh"
start_timeout_ms=10000

usage() {
    cat <<'TEXT'
usage: valkey.sh start DIR [--owner PID] [--tls] [--acl] [--set 'NAME VALUE']...
       valkey.sh stop DIR | kill DIR | restart DIR | pause DIR | continue DIR
       valkey.sh cli DIR ARGUMENT...

  start     run a server in DIR (created, its path short enough for a socket) and print, for `eval`:
              PORT=N URL=valkey://127.0.0.1:N SOCKET=DIR/valkey.sock
            DIR/valkey.log is its log, DIR/pid its process.
            --owner PID  kill the server when that process is gone
            --tls        speak TLS, and only that, on the port: URL=valkeys://127.0.0.1:N.
                         DIR/ca.crt is the CA, DIR/client.crt and DIR/client.key a client's,
                         DIR/other-ca.crt a CA that has signed nothing.
            --tls-auth   --tls, and clients must show a certificate
            --acl        users: "rocky" (password "sesame:/@%42"), who may do everything below
                         "rocky:" and publish there, "reader" (password "reader-password"), who may
                         only read, and no default user
            --set        a line of its configuration
  stop      end it with SIGTERM and wait; kill: with SIGKILL
  restart   start it again on the same port with the data it had saved
  pause     SIGSTOP; continue: SIGCONT
  cli       valkey-cli to the server, as the default user, over the socket
TEXT
}

unavailable() {
    echo "valkey.sh: $1" >&2
    exit 77
}

fail() {
    echo "valkey.sh: $1" >&2
    exit 1
}

find_program() { # VALKEY-NAME REDIS-NAME
    command -v "$1" || command -v "$2" ||
        unavailable "valkey-server is missing (./bootstrap --test-deps installs it)"
}

# --- running -------------------------------------------------------------------------------------

write_acl() { # DIR
    # The socket's user of `valkey.sh cli` is admin.
    cat >"$1/users.acl" <<'USERS'
user default off
user admin on >admin-password ~* &* +@all
user rocky on >sesame:/@%42 ~rocky:* &rocky:* +@all -@dangerous +client|setname
user reader on >reader-password ~* resetchannels -@all +@read +@connection
USERS
}

write_settings() { # DIR PORT
    local dir=$1 port=$2
    cat <<SETTINGS
bind 127.0.0.1
unixsocket $dir/valkey.sock
unixsocketperm 700
dir $dir
daemonize no
appendonly yes
appendfsync no
save ""
databases 16
SETTINGS
    case $(<"$dir/tls") in
    '') echo "port $port" ;;
    *)
        cat <<TLS
port 0
tls-port $port
tls-cert-file $dir/server.crt
tls-key-file $dir/server.key
tls-ca-cert-file $dir/ca.crt
tls-auth-clients $(<"$dir/tls")
TLS
        ;;
    esac
    [[ ! -e $dir/users.acl ]] || echo "aclfile $dir/users.acl"
    cat "$dir/settings"
}

launch() { # DIR PORT SERVER; sets $pid, succeeds when the server is ready
    local dir=$1 port=$2 server=$3 until
    write_settings "$dir" "$port" >"$dir/valkey.conf"
    : >"$dir/valkey.log"
    rm -f "$dir/valkey.sock"
    (
        cd "$dir"
        exec </dev/null >>"$dir/valkey.log" 2>&1 "$server" "$dir/valkey.conf"
    ) &
    pid=$!
    disown "$pid"
    until=$(($(now_ms) + start_timeout_ms))
    until grep -q 'accept connections' "$dir/valkey.log" && [[ -S $dir/valkey.sock ]]; do
        alive "$pid" || return 1
        if (($(now_ms) >= until)); then
            kill -KILL "$pid" 2>/dev/null || true
            fail "the server was not ready in time, see $dir/valkey.log"
        fi
        sleep 0.01
    done
    echo "$pid" >"$dir/pid"
    echo "$port" >"$dir/port"
}

run_server() { # DIR PORT ('' = any free one)
    local dir=$1 port=$2 server owner scheme=valkey attempt
    server=$(find_program valkey-server redis-server) || exit $?
    if [[ -n $port ]]; then
        launch "$dir" "$port" "$server" || fail "the server ended: $(tail -n 3 "$dir/valkey.log")"
    else
        # The server cannot be asked to choose a port itself, so one is guessed until it is free.
        for attempt in {1..50}; do
            port=$((10240 + (RANDOM * 32768 + RANDOM) % 20000))
            ! launch "$dir" "$port" "$server" || break
            if ! grep -q 'already in use' "$dir/valkey.log" || ((attempt == 50)); then
                fail "the server ended: $(tail -n 3 "$dir/valkey.log")"
            fi
        done
    fi
    owner=$(<"$dir/owner")
    [[ -z $owner ]] || watch_owner "$owner" "$pid"
    [[ -z $(<"$dir/tls") ]] || scheme=valkeys
    echo "PORT=$port"
    echo "URL=$scheme://127.0.0.1:$port"
    echo "SOCKET=$dir/valkey.sock"
}

start() { # DIR OPTION...
    local dir=$1 owner='' tls='' acl=''
    shift
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    [[ ! -e $dir/settings ]] || fail "'$dir' already holds a server's data; use restart"
    : >"$dir/settings"
    while (($# > 0)); do
        case $1 in
        --owner) owner=${2:?} && shift 2 ;;
        --tls) tls=no && shift ;;
        --tls-auth) tls=yes && shift ;;
        --acl) acl=yes && shift ;;
        --set) echo "${2:?}" >>"$dir/settings" && shift 2 ;;
        *) usage >&2 && exit 64 ;;
        esac
    done
    echo "$owner" >"$dir/owner"
    echo "$tls" >"$dir/tls"
    if [[ -n $tls ]]; then
        command -v openssl >/dev/null || unavailable 'openssl is missing'
        make_certificates "$dir" || fail "openssl failed, see $dir/openssl.log"
    fi
    [[ -z $acl ]] || write_acl "$dir"
    run_server "$dir" ''
}

restart() { # DIR
    local dir
    dir=$(cd "$1" && pwd)
    stop "$dir" TERM
    run_server "$dir" "$(<"$dir/port")"
}

cli() { # DIR ARGUMENT...
    local dir=$1 client login=()
    shift
    client=$(find_program valkey-cli redis-cli) || exit $?
    [[ ! -e $dir/users.acl ]] || login=(--user admin --pass admin-password --no-auth-warning)
    "$client" -s "$dir/valkey.sock" "${login[@]+"${login[@]}"}" "$@"
}

command=${1:-}
case $command in
start | stop | kill | restart | pause | continue | cli)
    (($# >= 2)) || { usage >&2 && exit 64; }
    shift
    case $command in
    start) start "$@" ;;
    stop) stop "$1" TERM ;;
    kill) stop "$1" KILL ;;
    restart) restart "$1" ;;
    pause) kill -STOP "$(server_pid "$1")" ;;
    continue) kill -CONT "$(server_pid "$1")" ;;
    cli) cli "$@" ;;
    esac
    ;;
-h | --help) usage ;;
*) usage >&2 && exit 64 ;;
esac
