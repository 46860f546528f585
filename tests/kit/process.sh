# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts that start servers for tests share: waiting for processes and ending them.

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    echo $((t / 1000))
}

alive() { # PID
    # A zombie that nobody has reaped yet is dead for our purposes.
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    [[ -n $state && $state != Z && $state != X ]]
}

wait_dead() { # PID TIMEOUT_MS
    local until=$(($(now_ms) + $2))
    while alive "$1"; do
        (($(now_ms) < until)) || return 1
        sleep 0.02
    done
}

# Tests that are killed must not leave servers behind. The server is watched, too: once it has ended,
# its number may be anybody's.
watch_owner() { # OWNER PID
    (
        exec </dev/null >/dev/null 2>&1
        tail --pid="$1" -f /dev/null &
        tail --pid="$2" -f /dev/null &
        wait -n || true
        ! alive "$2" || kill -KILL "$2"
        mapfile -t watching < <(jobs -p)
        kill "${watching[@]}" || true
    ) &
    disown $!
}

end_process() { # PID SIGNAL TIMEOUT_MS: fails when it does not end even by SIGKILL
    kill "-$2" "$1" 2>/dev/null || return 0
    # A stopped process acts on SIGTERM only when it goes on.
    kill -CONT "$1" 2>/dev/null || true
    wait_dead "$1" "$3" && return 0
    kill -KILL "$1" 2>/dev/null || true
    wait_dead "$1" 5000
}

# The scripts keep the number of their server in DIR/pid and have a `fail` of their own.
server_pid() { # DIR
    [[ -r $1/pid ]] || fail "no server was started in '$1'"
    cat "$1/pid"
}

stop() { # DIR SIGNAL
    local pid
    pid=$(server_pid "$1")
    end_process "$pid" "$2" 20000 || fail "process $pid does not end"
}
