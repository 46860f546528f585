#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# S3 servers for tests, each on 127.0.0.1 on a free port with its data in a directory of the caller's:
# the scripted stand-in (s3_standin.py), versitygw, and for longer runs MinIO, and S3Proxy, whose
# conditional writes are not atomic. The real ones are built once by `prepare`, from Go modules or
# Maven artifacts of fixed versions, and kept in a cache folder.
#
# Exit status: 0 done, 1 failed, 64 wrong usage, 77 the server cannot be had here (the reason is on
# stderr; a test then reports SKIP, unless ROCKY_REQUIRE_SERVERS=1).
set -euo pipefail

versitygw_module=github.com/versity/versitygw/cmd/versitygw@v1.8.0
minio_module=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kit/process.sh
. "$here/process.sh"
# shellcheck source=tests/kit/certificates.sh
. "$here/certificates.sh"
# shellcheck source=tests/kit/maven.sh
. "$here/maven.sh"
cache_root=${ROCKY_TEST_CACHE:-${HOME:-/tmp}/.cache/rocky-tests}
s3proxy=$cache_root/s3proxy-4.1.0
access_key=AKIDEXAMPLE
secret_key=standin-secret-key
start_timeout_ms=20000

usage() {
    cat <<'TEXT'
usage: s3.sh prepare [versitygw | minio | s3proxy]
       s3.sh can-prepare
       s3.sh start DIR [--server standin | versitygw | minio | s3proxy] [--owner PID] [OPTION]...
       s3.sh stop DIR | kill DIR | restart DIR | status DIR
       s3.sh admin DIR METHOD WHAT [JSON]

  prepare   build a real server once (versitygw without a name); quick when it is already there
  can-prepare   succeed when `prepare` has what it needs: nothing more to do, or a Go to do it
  start     run a server in DIR (created) and print, for `eval`:
              ENDPOINT=http://127.0.0.1:PORT
              BUCKET=rocky ACCESS_KEY=... SECRET_KEY=... REGION=us-east-1
            DIR/s3.log is its log, DIR/pid its process, DIR/port its port, DIR/requests.jsonl the
            stand-in's record of all requests.
            --owner PID            kill the server when that process is gone
            --tls yes              speak TLS, with DIR/server.crt, which DIR/ca.crt has signed;
                                   DIR/other-ca.crt is a CA that has signed nothing
            --bucket NAME          another bucket than "rocky"
            --access-key, --secret-key, --region, --set NAME=VALUE   of the stand-in
  stop      end it with SIGTERM and wait; kill: with SIGKILL
  restart   start it again on the same port (the real ones on the same data)
  status    print ENDPOINT=... and succeed when it runs
  admin     a request to the stand-in's administration: `admin DIR POST faults '{...}'`; what it
            answers is printed. Faults and settings: see s3_standin.py

The cache is $ROCKY_TEST_CACHE, by default ~/.cache/rocky-tests.
TEXT
}

unavailable() {
    echo "s3.sh: $1" >&2
    exit 77
}

fail() {
    echo "s3.sh: $1" >&2
    exit 1
}

# --- building ------------------------------------------------------------------------------------

# Go from Debian's backports has no place on the PATH.
find_go() {
    local candidate
    for candidate in go /usr/local/go/bin/go /usr/lib/go/bin/go /usr/lib/go-*/bin/go; do
        # Go modules name the toolchain that they need since 1.21; older ones cannot get it.
        if command -v "$candidate" >/dev/null &&
            [[ $("$candidate" env GOVERSION 2>/dev/null) =~ ^go1\.(2[1-9]|[3-9][0-9]) ]]; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

module_of() { # SERVER
    case $1 in
    versitygw) echo "$versitygw_module" ;;
    minio) echo "$minio_module" ;;
    *) usage >&2 && exit 64 ;;
    esac
}

binary_of() { # SERVER
    local module
    module=$(module_of "$1")
    echo "$cache_root/$1-${module##*@}/$1"
}

# A toolchain that Go gets for itself is read-only.
rm_tree() { # FOLDER
    [[ ! -d $1 ]] || { chmod -R u+w "$1" && rm -rf "${1:?}"; }
}

build() { # SERVER
    local binary folder module go log
    binary=$(binary_of "$1")
    [[ ! -x $binary ]] || return 0
    module=$(module_of "$1")
    folder=${binary%/*}
    log=$folder/build.log
    mkdir -p "$folder" || unavailable "the cache folder $folder cannot be made"
    exec 9>"$folder/lock"
    flock 9
    if [[ ! -x $binary ]]; then
        go=$(find_go) || unavailable "Go 1.21 or newer is missing (./bootstrap --test-deps installs it)"
        # The binary appears when it is whole. Modules and objects are of no use afterwards.
        if ! env GOTOOLCHAIN=auto GOFLAGS='-buildvcs=false -trimpath -modcacherw' CGO_ENABLED=0 \
            GOPATH="$folder/go" GOCACHE="$folder/go/cache" GOBIN="$folder/go/bin" \
            "$go" install -ldflags='-s -w' "$module" >"$log" 2>&1 9>&-; then
            rm_tree "$folder/go"
            unavailable "Go could not build $module: $(tail -n 1 "$log") (see $log)"
        fi
        mv "$folder/go/bin/$1" "$binary"
        rm_tree "$folder/go"
    fi
    exec 9>&-
}

prepare_s3proxy() {
    command -v java >/dev/null ||
        unavailable "Java is missing (Debian: apt-get install default-jre-headless)"
    [[ ! -d $s3proxy/lib ]] || return 0
    mkdir -p "$s3proxy" || unavailable "the cache folder $s3proxy cannot be made"
    exec 9>"$s3proxy/lock"
    flock 9
    [[ -d $s3proxy/lib ]] || maven_download "$here/s3proxy.xml" "$s3proxy"
    exec 9>&-
}

prepare() { # SERVER
    case $1 in
    standin) command -v python3 >/dev/null || unavailable 'python3 is missing' ;;
    s3proxy) prepare_s3proxy ;;
    *) build "$1" ;;
    esac
}

# --- running -------------------------------------------------------------------------------------

# The port on which a process listens, from the kernel: these servers do not tell.
listening_port() { # PID
    local inodes
    inodes=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null |
        sed 's/socket:\[\(.*\)\]/\1/') || true
    [[ -n $inodes ]] || return 1
    # local address (hexadecimal), state 0A = listening, inode
    awk -v inodes="$inodes" '
        BEGIN { split(inodes, list, "\n"); for (i in list) mine[list[i]] = 1 }
        $4 == "0A" && $10 in mine { split($2, place, ":"); print place[2]; exit }' /proc/net/tcp |
        while read -r hex; do echo $((16#$hex)); done
}

saved() { # DIR NAME
    sed -n "s/^$2=//p" "$1/settings"
}

# Runs in the server's own process.
become_server() { # DIR PORT
    local dir=$1 port=$2 server tls cert key bucket arguments=() extra=()
    server=$(saved "$dir" server)
    tls=$(saved "$dir" tls)
    cert=${tls:+$dir/server.crt}
    key=$dir/server.key
    bucket=$(saved "$dir" bucket)
    mapfile -t extra < <(sed -n 's/^extra=//p' "$dir/settings")
    case $server in
    standin)
        [[ -z $cert ]] || arguments+=(--tls-cert "$cert" --tls-key "$key")
        exec python3 -B "$here/s3_standin.py" --dir "$dir" --port "$port" --bucket "$bucket" \
            "${arguments[@]+"${arguments[@]}"}" "${extra[@]+"${extra[@]}"}"
        ;;
    versitygw)
        [[ -z $cert ]] || arguments+=(--cert "$cert" --key "$key")
        mkdir -p "$dir/data/$bucket"
        export ROOT_ACCESS_KEY=$access_key ROOT_SECRET_KEY=$secret_key
        exec "$(binary_of versitygw)" --port "127.0.0.1:$port" --keep-alive --health /healthz \
            "${arguments[@]+"${arguments[@]}"}" posix "$dir/data"
        ;;
    minio)
        mkdir -p "$dir/data/$bucket" "$dir/certs"
        [[ -z $cert ]] || { cp "$cert" "$dir/certs/public.crt" && cp "$key" "$dir/certs/private.key"; }
        export MINIO_ROOT_USER=$access_key MINIO_ROOT_PASSWORD=$secret_key MINIO_BROWSER=off
        exec "$(binary_of minio)" server --address "127.0.0.1:$port" --certs-dir "$dir/certs" \
            --quiet "$dir/data"
        ;;
    s3proxy)
        mkdir -p "$dir/data/$bucket"
        cat >"$dir/s3proxy.conf" <<SETTINGS
s3proxy.endpoint=http://127.0.0.1:$port
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity=$access_key
s3proxy.credential=$secret_key
jclouds.provider=filesystem-nio2
jclouds.identity=unused
jclouds.credential=unused
jclouds.filesystem.basedir=$dir/data
SETTINGS
        exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
            -Djava.net.preferIPv4Stack=true -cp "$s3proxy/lib/*" \
            org.gaul.s3proxy.Main --properties "$dir/s3proxy.conf"
        ;;
    esac
}

is_ready() { # DIR ENDPOINT
    case $(saved "$1" server) in
    standin) grep -q '^ENDPOINT=' "$1/s3.log" ;;
    versitygw) curl -ksf -o /dev/null --max-time 2 "$2/healthz" ;;
    minio) curl -ksf -o /dev/null --max-time 2 "$2/minio/health/ready" ;;
    # Refusing who has not signed is an answer too.
    s3proxy) curl -s -o /dev/null --max-time 2 "$2/" ;;
    esac
}

launch() { # DIR PORT; sets $pid and $endpoint
    local dir=$1 port=$2 until scheme=http
    [[ -z $(saved "$dir" tls) ]] || scheme=https
    : >"$dir/s3.log"
    (
        cd "$dir"
        exec </dev/null >>"$dir/s3.log" 2>&1
        # The caller's lock and pipes must not live as long as the server.
        exec 3>&- 4>&- 9>&-
        become_server "$dir" "$port"
    ) &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    until=$(($(now_ms) + start_timeout_ms))
    until port=$(listening_port "$pid") && [[ -n $port ]] &&
        endpoint=$scheme://127.0.0.1:$port && is_ready "$dir" "$endpoint"; do
        alive "$pid" || fail "the server ended while starting: $(tail -n 3 "$dir/s3.log")"
        if (($(now_ms) >= until)); then
            kill -KILL "$pid" 2>/dev/null || true
            fail "the server was not ready within $((start_timeout_ms / 1000)) s, see $dir/s3.log"
        fi
        sleep 0.02
    done
    echo "$port" >"$dir/port"
    echo "$endpoint" >"$dir/endpoint"
}

run_server() { # DIR PORT
    local owner
    owner=$(saved "$1" owner)
    launch "$1" "$2"
    [[ -z $owner ]] || watch_owner "$owner" "$pid"
    cat <<TEXT
ENDPOINT=$endpoint
BUCKET=$(saved "$1" bucket)
ACCESS_KEY=$(saved "$1" access-key)
SECRET_KEY=$(saved "$1" secret-key)
REGION=$(saved "$1" region)
TEXT
}

start() { # DIR [OPTION]...
    local dir=$1 extra=()
    local -A set=([server]=standin [owner]='' [bucket]=rocky [region]=us-east-1 [tls]=''
        [access-key]=$access_key [secret-key]=$secret_key)
    shift
    while (($# > 0)); do
        case $1 in
        --set) extra+=("$1" "${2:?}") ;;
        --server | --owner | --bucket | --region | --tls | --access-key | --secret-key)
            set[${1#--}]=${2:?}
            ;;
        *) usage >&2 && exit 64 ;;
        esac
        shift 2
    done
    prepare "${set[server]}"
    [[ ${set[server]} != standin ]] ||
        extra+=(--access-key "${set[access-key]}" --secret-key "${set[secret-key]}"
            --region "${set[region]}")
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    [[ ! -e $dir/settings ]] || fail "'$dir' already holds a server; use restart"
    if [[ -n ${set[tls]} ]]; then
        command -v openssl >/dev/null || unavailable 'openssl is missing'
        make_certificates "$dir" || fail "openssl failed, see $dir/openssl.log"
    fi
    local name
    for name in "${!set[@]}"; do
        echo "$name=${set[$name]}"
    done >"$dir/settings"
    ((${#extra[@]} == 0)) || printf 'extra=%s\n' "${extra[@]}" >>"$dir/settings"
    run_server "$dir" 0
}

restart() { # DIR
    local dir
    dir=$(cd "$1" && pwd)
    stop "$dir" TERM
    run_server "$dir" "$(<"$dir/port")"
}

status() { # DIR
    local pid
    pid=$(server_pid "$1")
    alive "$pid" || fail "the server of '$1' does not run"
    echo "ENDPOINT=$(<"$1/endpoint")"
}

admin() { # DIR METHOD WHAT [JSON]
    local arguments=(-ksS --fail-with-body --max-time 20 -X "$2")
    (($# < 4)) || arguments+=(--data-binary "$4")
    curl "${arguments[@]}" "$(<"$1/endpoint")/_admin/$3"
}

command=${1:-}
case $command in
prepare) prepare "${2:-versitygw}" ;;
can-prepare) [[ -x $(binary_of versitygw) ]] || find_go >/dev/null ;;
start | stop | kill | restart | status)
    (($# >= 2)) || { usage >&2 && exit 64; }
    shift
    case $command in
    start) start "$@" ;;
    stop) stop "$1" TERM ;;
    kill) stop "$1" KILL ;;
    restart) restart "$1" ;;
    status) status "$1" ;;
    esac
    ;;
admin)
    (($# == 4 || $# == 5)) || { usage >&2 && exit 64; }
    shift
    admin "$@"
    ;;
-h | --help) usage ;;
*) usage >&2 && exit 64 ;;
esac
