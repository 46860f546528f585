#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two workers, 200 jobs, 20 namespaces: jobs of one namespace never overlap and keep their order,
# different namespaces run at the same time, a slow job holds up nobody else's, even on the same
# partition, and every row is copied once.

. "${top_srcdir:-.}/tests/integration/lib.sh" || exit 99
need_kafka
write_queue_config '[worker]' 'concurrency = 3'

namespaces=20 rounds=10
mkdir -p source/fivetran
python3 - "$namespaces" <<'PYTHON'
import sqlite3, sys
for i in range(int(sys.argv[1])):
    db = sqlite3.connect(f"source/fivetran/src__n{i}__eu__shop.db")
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TABLE orders (id INTEGER, _fivetran_synced TEXT)")
    db.executemany("INSERT INTO orders VALUES (?, ?)",
                   [(n, f"2026-01-01T00:00:{n % 60:02d}Z") for n in range(500)])
    db.commit()
PYTHON
for ((round = 0; round < rounds; round++)); do
    for ((i = 0; i < namespaces; i++)); do
        printf '{"type":"run","pipeline":"bronze","namespace":"n%d"}\n' "$i"
    done
done >jobs.ndjson

start first "$rocky_worker"
workers_pids=("$started")
start second "$rocky_worker"
workers_pids+=("$started")
has_joined() { grep -sq 'partitions=[12]$' first.err && grep -sq 'partitions=[12]$' second.err; }
wait_for 20 has_joined
ok $? 'both workers have partitions'
run_program "$rocky_producer" run --file jobs.ndjson --wait --timeout 60s --output json
is "$status" 0 'all jobs end with success'
is "$(jq -s length <<<"$stdout")" $((namespaces * rounds)) 'each job has its result'
printf '%s\n' "$stdout" >jobs.json
for ((i = 0; i < namespaces; i++)); do
    same_rows "source/fivetran/src__n${i}__eu__shop.db" "$(target_file staging__eu__shop "n$i")" \
        orders || break
done
is "$i" "$namespaces" 'each row of each namespace is copied once'

# What the ledgers say about when each job ran, against the order on the queue.
python3 - "$namespaces" <<'PYTHON' >times.txt
import json, sqlite3, sys
place = {}
for line in open("jobs.json"):
    job = json.loads(line)
    place[job["job_id"]] = (job["partition"], job["offset"])
spans, overlaps, disorder = [], 0, 0
for i in range(int(sys.argv[1])):
    db = sqlite3.connect(f"file:.rocky-state/n{i}.db?mode=ro", uri=True)
    rows = db.execute("SELECT job_id, started_at, finished_at, worker_id FROM runs"
                      " ORDER BY started_at").fetchall()
    order = [place[row[0]] for row in rows]
    disorder += order != sorted(order)
    overlaps += sum(a[2] > b[1] for a, b in zip(rows, rows[1:]))
    spans += [(row[1], row[2], i, row[3]) for row in rows]
spans.sort()
together = any(a[1] > b[0] and a[2] != b[2] for a, b in zip(spans, spans[1:]))
print(len(spans), overlaps, disorder, together, len({s[3] for s in spans}))
PYTHON
read -r runs overlaps disorder together workers <times.txt
is "$runs" $((namespaces * rounds)) 'each job ran once'
is "$overlaps" 0 'jobs of one namespace never overlap'
is "$disorder" 0 'they keep their order'
is "$together" True 'jobs of different namespaces run at the same time'
is "$workers" 2 'both workers worked'

# A slow job and a quick one of another namespace behind it on the same partition. The slow one is
# slow because somebody holds its target.
make_source fivetran src__slow__eu__shop orders 100
enqueue run --namespace slow --wait --timeout 60s
is "$status" 0 'the slow namespace is set up'
partition=$(jq -r .partition <<<"$stdout")
quick=$(jq -r "select(.partition == $partition).namespace" jobs.json | head -n 1)
# shellcheck disable=SC2016 # expanded in that python
start holder python3 -c '
import signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
signal.pause()' "$(target_file staging__eu__shop slow)"
holder=$started
wait_for 30 grep -q held holder.out
add_rows fivetran src__slow__eu__shop orders 100
enqueue run --namespace slow
slow=$job_id
is "$(jq -r .partition <<<"$stdout")" "$partition" 'the slow job is on its partition'
enqueue run --namespace "$quick" --wait --timeout 60s
is "$(jq -r .partition <<<"$stdout")" "$partition" 'the quick job is behind it'
is "$status" 0 'the quick one is done'
is "$(results | grep -c "$slow")" 0 'before the slow one'
kill "$holder"
has_slow() { results | grep -q "$slow success"; }
wait_for 60 has_slow
ok $? 'which ends well, too'
is_drained() { [ "$(committed)" = $((namespaces * rounds + 3)) ]; }
wait_for 30 is_drained
ok $? 'every offset is committed'
for pid in "${workers_pids[@]}"; do
    kill -TERM "$pid"
    wait "$pid"
    is $? 0 'a worker ends with 0'
done
done_testing
