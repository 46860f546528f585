#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The S3 stand-in against a real S3 server: the same requests must get the same answers, else what
# the other tests prove with it is worth nothing. The requests are signed here, by tests/kit/s3_ask.py,
# with neither the stand-in's code nor ours.

set -u
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
kit=$top_srcdir/tests/kit
work=$(mktemp -d "${TMPDIR:-/tmp}/rocky-test.XXXXXX")

tidy_up() {
    "$kit/s3.sh" kill "$work/standin" 2>/dev/null
    "$kit/s3.sh" kill "$work/real" 2>/dev/null
    rm -rf "$work"
}
trap tidy_up EXIT
trap 'exit 130' INT TERM

if ! reason=$({ "$kit/s3.sh" start "$work/real" --server versitygw --owner $$ &&
    "$kit/s3.sh" start "$work/standin" --owner $$; } 2>&1); then
    if [ "${ROCKY_REQUIRE_SERVERS:-0}" = 1 ]; then
        printf '1..1\nnot ok 1 - both servers start\n'
    else
        printf '1..0 # SKIP no S3 server: %s\n' "$(tail -n 1 <<<"$reason")"
    fi
    exit 0
fi

python3 -B "$kit/s3_ask.py" "$(cat "$work/standin/endpoint")" "$(cat "$work/real/endpoint")"
