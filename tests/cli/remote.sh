# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the variables are for the test; work and others are lib.sh's
#
# Servers for the tests of remote state; source it after lib.sh. They end with the test.
#
#     start_s3                  the scripted stand-in; $s3_endpoint, and AWS_* in the environment
#     s3_admin POST faults ...  its administration
#     start_valkey [OPTION]...  a real server; $valkey_url; fails where there is none
#     remote_config BACKEND [LINE]...   the lines of a [state] section, for write_config

kit=$top_srcdir/tests/kit
s3_directory=$work/s3
valkey_directory=$work/vk

# start_kit SCRIPT ARGUMENT...: what it prints, evaluated.
start_kit() {
    local said
    said=$(bash "$kit/$1" "${@:2}") || return
    eval "$said"
}

start_s3() {
    start_kit s3.sh start "$s3_directory" --owner "$$" "$@" || return
    s3_endpoint=$ENDPOINT s3_bucket=$BUCKET
    export AWS_ACCESS_KEY_ID=$ACCESS_KEY AWS_SECRET_ACCESS_KEY=$SECRET_KEY AWS_REGION=$REGION
    export AWS_EC2_METADATA_DISABLED=true
}

s3_admin() {
    bash "$kit/s3.sh" admin "$s3_directory" "$@"
}

# s3_keys: the keys of all objects, one a line.
s3_keys() {
    s3_admin GET objects | jq -r '.objects[].key'
}

start_valkey() {
    start_kit valkey.sh start "$valkey_directory" --owner "$$" "$@" || return
    valkey_url=$URL
}

valkey() {
    bash "$kit/valkey.sh" cli "$valkey_directory" "$@"
}

remote_config() {
    printf '[state]\nbackend = "%s"\n' "$1"
    case $1 in
    s3 | tiered)
        printf 's3_bucket = "%s"\ns3_endpoint = "%s"\ns3_path_style = true\n' "$s3_bucket" \
            "$s3_endpoint"
        ;;
    esac
    case $1 in
    valkey | tiered) printf 'valkey_url = "%s"\n' "$valkey_url" ;;
    esac
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@"
}
