#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Keys that are replaced while a worker runs: the profile file is written anew and S3 withdraws the
# old keys, in each way that services call it. The job that meets it goes on with the new ones.

. "${top_srcdir:-.}/tests/integration/remote_lib.sh" || exit 99
need_s3
need_kafka
make_orders acme 20
write_pod 1 s3

# keys JSON: what the stand-in accepts.
keys() {
    s3_admin POST settings "{\"keys\": {$1}}" >/dev/null
}

profile() { # ACCESS-KEY SECRET [TOKEN]
    {
        printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$1" "$2"
        [ $# -lt 3 ] || printf 'aws_session_token = %s\n' "$3"
    } >credentials.new
    mv credentials.new credentials
}

# goes_on NAME: a job with new rows does what it should.
goes_on() {
    add_orders acme 3
    run_job acme
    is "$(jq -r '"\(.status) \(.rows_copied)"' <<<"$result") $(outcomes "$result")" \
        'success 3 ok ok' "$1: the job goes on with the new ones"
    is "$(jq -r '[.state.download, .state.upload] | map(.retries // 0) | add' <<<"$result")" 0 \
        "$1: which counts as no retry"
}

unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
one='"AKIDONE": {"secret": "secret-one"}'
two='"AKIDTWO": {"secret": "secret-two", "token": "token-two"}'
keys "$one"
profile AKIDONE secret-one
start_pod 1 AWS_SHARED_CREDENTIALS_FILE="$work/credentials" AWS_CONFIG_FILE="$work/none"
run_job acme
is "$(jq -r .status <<<"$result")" success 'a first job with the keys of a file'

profile AKIDTWO secret-two token-two
keys "$two"
goes_on 'a key that is withdrawn'
profile AKIDONE secret-one
keys "$one, \"AKIDTWO\": {\"secret\": \"secret-two\", \"token\": \"token-two\", \"expired\": true}"
goes_on 'a token that expired'
is "$(s3_count '.code == "ExpiredToken"')" 1 'a token that expired: S3 said so once'
profile AKIDONE another-secret
keys '"AKIDONE": {"secret": "another-secret"}'
goes_on 'a key with another secret'

# Before the new ones are there it is a fault like any other, told once.
keys "$two"
asked=$(s3_requests | wc -l)
run_job acme
is "$(jq -r '"\(.status) \(.errors[0].error_class)"' <<<"$result")" 'failed auth' \
    'keys that are withdrawn without others fail the job'
is $(($(s3_requests | wc -l) - asked)) 1 'with one request'
profile AKIDTWO secret-two token-two
goes_on 'and once there are others'
rows_once acme 'every row is in the target once'
is_one_chain acme
ok $? 'all commits are one chain'
end_pod 1
is "$status" 0 'the worker ends with 0'
done_testing
