#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The layers: who may include whose headers, and which layer may know which library.
# A lower layer never includes from a higher one; nothing includes by "..".

set -euo pipefail
cd "${top_srcdir:-.}"

number=0
verdict() { # NAME FINDINGS
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        while IFS= read -r line; do echo "# $line"; done <<<"$2"
    fi
}

includes() { # FOLDER PATTERN: lines of the folder's sources that include what matches
    find "$1" -name '*.[ch]' -o -name '*.cpp' | sort | xargs -r grep -nE "^#include $2" || true
}

folders='common schemas state engine transport worker producer cli'
declare -A allowed=(
    [common]='common'
    [schemas]='common schemas'
    [state]='common schemas state'
    [engine]='common schemas state engine'
    [transport]='common schemas transport'
    [worker]='common schemas state engine transport worker'
    [producer]='common schemas transport producer'
    [cli]='common schemas state engine transport cli'
)
# `rocky run` walks the same steps as a worker's job and knows the other programs' option tables.
cli_extra='worker/job_run.h|worker/options.h|producer/options.h'

declare -A owner=(
    ['<sqlite3.h>']='state|engine/adapter|cli/demo_data.c' # the demo looks on from outside
    ['<hiredis/']='state'
    ['<curl/']='common'
    ['<librdkafka/']='transport'
    ['<libpq']='engine/adapter'
    ['<microhttpd.h>']='worker'
    ['<openssl/']='common|state|engine/adapter'
    ['<toml']='common'
    ['<zstd.h>']='state'
)

echo "1..$(($(wc -w <<<"$folders") + ${#owner[@]} + 1))"
for folder in $folders; do
    rule=$(tr ' ' '|' <<<"${allowed[$folder]}")
    found=$(includes "$folder" '"[a-z]+/' | grep -vE "#include \"($rule)/" || true)
    [ "$folder" = cli ] && found=$(grep -vE "\"($cli_extra)\"" <<<"$found" || true)
    verdict "$folder includes only from ${allowed[$folder]}" "$found"
done
for library in "${!owner[@]}"; do
    found=
    for folder in $folders; do
        found+=$(includes "$folder" "$library" | grep -vE "^(${owner[$library]})(/|:)" || true)
    done
    verdict "only ${owner[$library]} includes $library" "$found"
done
verdict 'no include climbs with ..' "$(for f in $folders tests; do includes "$f" '"\.\.'; done)"
