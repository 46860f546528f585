#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real Apache Kafka broker for tests: one KRaft process on 127.0.0.1, on a free port, with its
# data in a directory of the caller's. Everything slow (download, formatting, the class archive of
# the JVM, the internal topics) is done once by `prepare` and kept in a cache folder.
#
# Exit status: 0 done, 1 failed, 64 wrong usage, 77 Kafka cannot be had here (the reason is on
# stderr; a test then reports SKIP, unless ROCKY_REQUIRE_SERVERS=1).
set -euo pipefail

version=4.3.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ROCKY_TEST_CACHE:-${HOME:-/tmp}/.cache/rocky-tests}/kafka-$version
cluster_id=cm9ja3ktd29ya2Vycw
# shellcheck source=tests/kit/process.sh
. "$here/../process.sh"
# shellcheck source=tests/kit/maven.sh
. "$here/../maven.sh"
ready_mark='Kafka Server started'
start_timeout_ms=60000

usage() {
    cat <<'TEXT'
usage: kafka.sh prepare
       kafka.sh start DIR [--owner PID] [--set NAME=VALUE]...
       kafka.sh stop DIR | kill DIR | restart DIR | status DIR

  prepare   download and warm up once; quick when it is already there
  start     run a broker in DIR (created) and print BOOTSTRAP=127.0.0.1:PORT when it is ready.
            DIR/kafka.log is its log, DIR/pid its process, DIR/port its port.
            --owner PID  kill the broker when that process is gone
            --set        a broker setting, e.g. --set message.max.bytes=4194304
  stop      end it with SIGTERM and wait
  kill      end it with SIGKILL and wait; the data stays
  restart   start it again on the same data and port (a running one is stopped first)
  status    print BOOTSTRAP=... and succeed when it runs

The cache is $ROCKY_TEST_CACHE/kafka-VERSION, by default ~/.cache/rocky-tests/kafka-VERSION.
TEXT
}

unavailable() {
    echo "kafka.sh: $1" >&2
    exit 77
}

fail() {
    echo "kafka.sh: $1" >&2
    exit 1
}

# Names what the warmed-up state was made from: another pom, script or JVM makes it again.
fingerprint() {
    { cat "$here/pom.xml" "${BASH_SOURCE[0]}"; java -version 2>&1; echo "$cache"; } |
        sha256sum | cut -d' ' -f1
}

write_settings() { # DIR PORT [NAME=VALUE...]
    local dir=$1 port=$2
    shift 2
    cat <<SETTINGS
process.roles=broker,controller
node.id=1
listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:0
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:0
log.dirs=$dir/data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=4194304
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
SETTINGS
    local setting
    for setting in "$@"; do
        echo "$setting"
    done
}

# The JVM's own start is most of the time: a class archive, one compiler tier, the small collector.
# What it unpacks goes into the broker's directory, which is where it runs.
jvm() { # CLASS-ARCHIVE-OPTION MAIN ARGS...
    local archive=$1
    shift
    local loggers=(kafka.network.DataPlaneAcceptor kafka.server.KafkaRaftServer)
    local options=(-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
        "$archive" -Djava.io.tmpdir=. -Dorg.slf4j.simpleLogger.logFile=System.out
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
        -Dorg.slf4j.simpleLogger.showDateTime=true)
    local logger
    for logger in "${loggers[@]}"; do
        options+=("-Dorg.slf4j.simpleLogger.log.$logger=info")
    done
    exec java "${options[@]}" -cp "$cache/lib/*" "$@"
}

launch() { # DIR CLASS-ARCHIVE-OPTION; sets $pid and $port
    local dir=$1 archive=$2 until
    : >"$dir/kafka.log"
    (
        cd "$dir"
        exec </dev/null >>"$dir/kafka.log" 2>&1
        # The caller's lock and pipes must not live as long as the broker.
        exec 3>&- 4>&- 9>&-
        jvm "$archive" kafka.Kafka "$dir/server.properties"
    ) &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    until=$(($(now_ms) + start_timeout_ms))
    until grep -q "$ready_mark" "$dir/kafka.log"; do
        alive "$pid" || fail "the broker ended while starting: $(tail -n 3 "$dir/kafka.log")"
        if (($(now_ms) >= until)); then
            kill -KILL "$pid" 2>/dev/null || true
            fail "the broker was not ready within $((start_timeout_ms / 1000)) s, see $dir/kafka.log"
        fi
        sleep 0.02
    done
    port=$(sed -n 's/.*Awaiting socket connections on 127\.0\.0\.1:\([0-9]*\).*/\1/p' \
        "$dir/kafka.log" | tail -n 1)
    [[ -n $port ]] || fail "the broker does not say its port, see $dir/kafka.log"
    echo "$port" >"$dir/port"
}

# One request of the wire protocol in hexadecimal digits; the answer's body is printed likewise.
request() { # PORT HEX
    local hex i bytes=''
    hex=$(printf '%08x' $((${#2} / 2)))$2
    for ((i = 0; i < ${#hex}; i += 2)); do
        bytes+="\\x${hex:i:2}"
    done
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf '%b' "$bytes" >&3
    # 4 bytes length and 4 bytes correlation id, then enough of the body to see its error code.
    timeout 5 head -c 14 <&3 | od -An -v -tx1 | tr -d ' \n'
    exec 3>&-
}

# FindCoordinator creates __consumer_offsets (type 0) and __transaction_state (type 1): with them
# in the template, the first group of a test joins at once instead of after a second.
warm_coordinator() { # PORT TYPE
    local answer until=$(($(now_ms) + 20000))
    # api 10, version 1, correlation 1, no client id, key "w", type
    while answer=$(request "$1" "000a000100000001ffff000177$2"); do
        # ... throttle time (4 bytes), error code (2 bytes)
        [[ ${answer:24:4} != 0000 ]] || return 0
        (($(now_ms) < until)) || return 1
        sleep 0.05
    done
    return 1
}

# The first InitProducerId after a start is answered "try again", which costs a client 500 ms.
warm_producer() { # PORT
    # api 22, version 0, correlation 1, no client id, no transactional id, timeout 1000 ms
    request "$1" 0016000000000001ffffffff000003e8 >/dev/null || true
}

prepare() {
    command -v java >/dev/null ||
        unavailable "Java is missing (Debian: apt-get install openjdk-17-jre-headless)"
    local print dir
    print=$(fingerprint)
    if [[ -r $cache/ready && $(<"$cache/ready") == "$print" ]]; then
        return 0
    fi
    mkdir -p "$cache" || unavailable "the cache folder $cache cannot be made"
    exec 9>"$cache/lock"
    flock 9
    if [[ -r $cache/ready && $(<"$cache/ready") == "$print" ]]; then
        exec 9>&-
        return 0
    fi
    rm -f "$cache/ready"
    if [[ ! -r $cache/lib/kafka_2.13-$version.jar ||
        ! -r $cache/pom.used || $(<"$cache/pom.used") != "$(<"$here/pom.xml")" ]]; then
        maven_download "$here/pom.xml" "$cache"
        cp "$here/pom.xml" "$cache/pom.used"
    fi
    dir=$cache/template
    rm -rf "$dir" "$cache/kafka.jsa"
    mkdir -p "$dir"
    write_settings "$dir" 0 >"$dir/server.properties"
    (jvm -Xshare:auto kafka.tools.StorageTool format --standalone -t "$cluster_id" \
        -c "$dir/server.properties") >"$dir/format.log" 2>&1 9>&- ||
        fail "formatting failed: $(tail -n 1 "$dir/format.log")"
    launch "$dir" "-XX:ArchiveClassesAtExit=$cache/kafka.jsa"
    warm_coordinator "$port" 00 || fail "the group coordinator did not come up, see $dir/kafka.log"
    warm_coordinator "$port" 01 || fail "the transaction coordinator did not come up, see $dir/kafka.log"
    warm_producer "$port"
    kill -TERM "$pid"
    wait_dead "$pid" 60000 || fail "the broker did not stop"
    rm -f "$dir/pid" "$dir/port"
    echo "$print" >"$cache/ready"
    exec 9>&-
}

run_broker() { # DIR OWNER
    local dir=$1 owner=$2
    launch "$dir" "-XX:SharedArchiveFile=$cache/kafka.jsa"
    warm_producer "$port"
    [[ -z $owner ]] || watch_owner "$owner" "$pid"
    echo "BOOTSTRAP=127.0.0.1:$port"
}

start() { # DIR [--owner PID] [--set NAME=VALUE]...
    local dir=$1 owner='' settings=()
    shift
    while (($# > 0)); do
        case $1 in
        --owner) owner=${2:?} && shift 2 ;;
        --set) settings+=("${2:?}") && shift 2 ;;
        *) usage >&2 && exit 64 ;;
        esac
    done
    prepare
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    [[ ! -e $dir/data ]] || fail "'$dir' already holds a broker's data; use restart"
    cp -R "$cache/template/data" "$dir/data"
    printf '%s\n' "${settings[@]+"${settings[@]}"}" >"$dir/settings"
    echo "$owner" >"$dir/owner"
    write_settings "$dir" 0 "${settings[@]+"${settings[@]}"}" >"$dir/server.properties"
    run_broker "$dir" "$owner"
}

restart() { # DIR
    local dir port owner settings=()
    dir=$(cd "$1" && pwd)
    stop "$dir" TERM
    port=$(<"$dir/port")
    owner=$(<"$dir/owner")
    mapfile -t settings < <(grep . "$dir/settings" || true)
    prepare
    write_settings "$dir" "$port" "${settings[@]+"${settings[@]}"}" >"$dir/server.properties"
    run_broker "$dir" "$owner"
}

status() { # DIR
    local pid
    pid=$(server_pid "$1")
    alive "$pid" || fail "the broker of '$1' does not run"
    echo "BOOTSTRAP=127.0.0.1:$(<"$1/port")"
}

command=${1:-}
case $command in
prepare) prepare ;;
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
-h | --help) usage ;;
*) usage >&2 && exit 64 ;;
esac
