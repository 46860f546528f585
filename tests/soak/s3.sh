#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The S3 driver over and over against two servers that share no code, and once against one whose
# conditional writes are not atomic: there the races must be lost, else the suite would not notice.
#
# usage: s3.sh BUILD-DIR [ROUNDS]

set -euo pipefail

build=${1:?usage: s3.sh BUILD-DIR [ROUNDS]}
rounds=${2:-20}
suite=$build/tests/conformance/test_remote_s3_versitygw
export ROCKY_REQUIRE_SERVERS=1 CK_TAP_LOG_FILE_NAME=- CK_VERBOSITY=silent
failed=0

run() { # SERVER: prints "PASSED FAILED"; the log is kept
    ROCKY_TEST_S3_SERVER=$1 "$suite" >"$build/soak-s3-$1.log" 2>&1 || true
    echo "$(grep -c '^ok' "$build/soak-s3-$1.log") $(grep -c '^not ok' "$build/soak-s3-$1.log")"
}

for server in versitygw minio; do
    passed=0
    for ((round = 1; round <= rounds; round++)); do
        read -r good bad < <(run "$server" || true)
        passed=$((passed + good))
        if ((bad > 0 || good == 0)); then
            failed=$((failed + 1))
            grep '^not ok' "$build/soak-s3-$server.log" || true
            break
        fi
    done
    echo "$server: $passed checks passed in $rounds rounds"
done

lost=0
for ((round = 1; round <= rounds && lost == 0; round++)); do
    run s3proxy >/dev/null
    lost=$(grep -cE '^not ok .*(exactly_one_wins|lose_no_increment)' "$build/soak-s3-s3proxy.log" || true)
done
if ((lost == 0)); then
    failed=$((failed + 1))
    echo "s3proxy: no race was lost in $rounds rounds: the suite would not notice"
else
    echo "s3proxy: $lost races lost, as they must be there"
fi
exit $((failed > 0))
