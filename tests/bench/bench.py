#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure Rocky against the raw operation, in the same run on the same files.

A ratio is raw time / Rocky's time: 1.0 is as fast as the engine itself. Raw and Rocky take turns,
each on fresh targets; the figures are medians, a ratio the median over pairs of neighbours, because
a machine that is slow for a while is slow for both. Results go to a table on stdout and, with --output,
to a JSON file. Nothing here is a test: what a machine reaches is for a person to judge.
"""
import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import state_bench  # pylint: disable=wrong-import-position

BUILD = None
ROWS = []


def programs(name):
    return {
        "rocky": os.path.join(BUILD, "cli", "rocky"),
        "worker": os.path.join(BUILD, "worker", "rocky-worker"),
        "producer": os.path.join(BUILD, "producer", "rocky-producer"),
    }[name]


# A child's peak memory starts at its parent's, so the measured command gets a small parent.
STOPWATCH = """
import os, sys, time
started = time.perf_counter()
pid = os.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - started
with open(sys.argv[1], "w") as out:
    out.write(f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def timed(command, cwd):
    """Wall seconds, CPU seconds and peak RSS in MiB of a command that must succeed."""
    os.sync()
    figures = os.path.join(cwd, "figures")
    command = [shutil.which(command[0]), *command[1:]]
    done = subprocess.run([sys.executable, "-I", "-S", "-c", STOPWATCH, figures, *command], cwd=cwd,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {command} failed with {done.returncode}:\n"
                 f"{done.stdout.decode()}{done.stderr.decode()}")
    with open(figures, encoding="ascii") as text:
        wall, cpu, peak_kib = map(float, text.read().split())
    return wall, cpu, peak_kib / 1024, done.stdout


def record(section, name, value, unit, goal=None, better="more"):
    good = None if goal is None else (value >= goal if better == "more" else value <= goal)
    ROWS.append({"section": section, "name": name, "value": round(value, 4), "unit": unit,
                 "goal": goal, "better": better, "met": good})
    mark = "" if good is None else ("ok" if good else "MISSED")
    bound = "" if goal is None else f"{'>=' if better == 'more' else '<='} {goal}"
    print(f"{section:<22} {name:<44} {value:>12.4f} {unit:<8} {bound:<10} {mark}", flush=True)


CONFIG = """
[adapter.lake]
type = "sqlite"
path = "source"
[adapter.warehouse]
type = "sqlite"
path = "target"
[pipeline.bronze]
metadata_columns = [{{ name = "_loaded_by", type = "TEXT", value = "NULL" }}]
{pipeline}
[pipeline.bronze.source]
adapter = "lake"
catalog = "fivetran"
[pipeline.bronze.source.schema_pattern]
prefix = "src__"
separator = "__"
components = ["client", "connector"]
[pipeline.bronze.target]
adapter = "warehouse"
catalog_template = "w"
schema_template = "staging__{{client}}__{{connector}}"
{extra}
"""


def write_config(directory, extra="", pipeline=""):
    path = os.path.join(directory, "rocky.toml")
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(CONFIG.format(extra=extra, pipeline=pipeline))
    os.replace(path + ".new", path)  # a worker may be reading it


COLUMNS = ("id INTEGER, customer TEXT, status TEXT, amount REAL, quantity INTEGER, note TEXT, "
           "_fivetran_synced TEXT")


def add_orders(path, first, count):
    """Rows first..first+count-1; fifty share each cursor value."""
    database = sqlite3.connect(path)
    database.execute(f"CREATE TABLE IF NOT EXISTS orders({COLUMNS})")
    database.execute(
        """WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2 - 1)
           INSERT INTO orders SELECT i, 'customer-' || (i % 1000),
             CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' ELSE 'shipped' END, i * 1.25, i % 17,
             'some words about row ' || i,
             strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + (i / 50) * 0.05, 'unixepoch') FROM n""",
        (first, count))
    database.commit()
    database.close()


def shell(cwd, target, *statements):
    return timed(["sqlite3", target, *statements], cwd)


def fresh_target(directory):
    shutil.rmtree(os.path.join(directory, "target"), ignore_errors=True)
    shutil.rmtree(os.path.join(directory, ".rocky-state"), ignore_errors=True)


AGGREGATES = {
    False: "SELECT max(_fivetran_synced), count(*) FROM s.orders;",
    True: "SELECT max(_fivetran_synced) FROM s.orders;",
}


def median_ratio(raw, ours):
    return statistics.median(r / o for r, o in zip(raw, ours))


class Increments:
    """A table that grows, copied by the shell and by Rocky in turn."""

    def __init__(self, directory, schema, rows, indexed, statements):
        self.directory = directory
        self.schema = schema
        self.done = rows
        self.attach, self.copy = statements
        self.aggregate = AGGREGATES[indexed]

    def measure(self, step, rounds):
        raw, ours = [], []
        for _ in range(rounds):
            database = sqlite3.connect(os.path.join(self.directory, "raw.db"))
            watermark = database.execute("SELECT max(_fivetran_synced) FROM orders").fetchone()[0]
            database.close()
            add_orders(self.schema, self.done + 1, step)
            self.done += step
            raw.append(shell(self.directory, "raw.db", self.attach, self.aggregate,
                             f"{self.copy} WHERE _fivetran_synced > '{watermark}'")[0])
            ours.append(timed([programs("rocky"), "--quiet", "run"], self.directory)[0])
        return median_ratio(raw, ours), statistics.median(ours)


def bench_copy(rows, rounds, indexed):
    section = f"copy {rows // 1000000}M{' indexed' if indexed else ''}"
    with tempfile.TemporaryDirectory(prefix="rocky-bench-") as directory:
        schema = os.path.join(directory, "source", "fivetran", "src__acme__shop.db")
        os.makedirs(os.path.dirname(schema))
        # Ends with a whole group of equal cursor values, and so does each increment: the shell's
        # statement would lose the rest of a group, and less work is no yardstick.
        rows -= 1
        add_orders(schema, 1, rows)
        if indexed:
            database = sqlite3.connect(schema)
            database.execute("CREATE INDEX orders_synced ON orders(_fivetran_synced)")
            database.commit()
            database.close()
        write_config(directory)
        raw_copy = os.path.join(directory, "raw.db")
        attach = f"ATTACH 'file:{schema}?mode=ro' AS s"
        create = f"CREATE TABLE orders({COLUMNS}, _loaded_by TEXT)"
        copy = "INSERT INTO orders SELECT *, CAST(NULL AS TEXT) AS _loaded_by FROM s.orders"
        raw, ours, memory = [], [], []
        for _ in range(rounds):
            if os.path.exists(raw_copy):
                os.remove(raw_copy)
            raw.append(shell(directory, "raw.db", attach, create, copy)[0])
            fresh_target(directory)
            wall, _, rss, _ = timed([programs("rocky"), "--quiet", "run"], directory)
            ours.append(wall)
            memory.append(rss)
        record(section, "full copy, ratio to the shell", median_ratio(raw, ours), "ratio", 0.90)
        record(section, "full copy, rows per second", rows / statistics.median(ours), "rows/s")
        record(section, "full copy, peak memory", max(memory), "MiB", 64, "less")

        increments = Increments(directory, schema, rows, indexed, (attach, copy))
        for step in ((rows + 1) // 100, (rows + 1) // 10):
            ratio, ours = increments.measure(step, 2 * rounds + 1)
            record(section, f"increment of {step} rows, ratio to the shell", ratio, "ratio", 0.95)
            record(section, f"increment of {step} rows", ours * 1000, "ms")
        # The first row of a group, then the other 49: they tie with the watermark.
        step = (rows + 1) // 100
        increments.measure(step + 1, 1)
        ratio, _ = increments.measure(step - 1, 1)
        record(section, "the same, 49 rows tie (lost by the shell)", ratio, "ratio")
        done = increments.done
        database = sqlite3.connect(os.path.join(directory, "target", "w", "staging__acme__shop.db"))
        copied = database.execute("SELECT count(*), count(DISTINCT id) FROM orders").fetchone()
        database.close()
        if copied != (done, done):
            sys.exit(f"bench: the target has {copied} rows, {done} were written: the figures are void")


def bench_many(tables, seconds_goal, memory_goal, rounds):
    section = f"{tables} tables"
    with tempfile.TemporaryDirectory(prefix="rocky-bench-") as directory:
        schema = os.path.join(directory, "source", "fivetran", "src__acme__shop.db")
        os.makedirs(os.path.dirname(schema))
        database = sqlite3.connect(schema)
        for number in range(tables):
            database.execute(f"CREATE TABLE t{number}({COLUMNS})")
            database.execute(
                f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                    INSERT INTO t{number} SELECT i, 'c', 's', 1.5, 2, 'n',
                      strftime('%Y-%m-%dT%H:%M:%SZ', 1700000000 + i / 10, 'unixepoch') FROM n""")
        database.commit()
        database.close()
        write_config(directory)
        first, _, _, _ = timed([programs("rocky"), "--quiet", "run"], directory)
        record(section, "first run", first, "s")
        walls, memory = [], []
        for _ in range(rounds + 2):
            wall, _, rss, _ = timed([programs("rocky"), "--quiet", "run"], directory)
            walls.append(wall)
            memory.append(rss)
        record(section, "nothing new", statistics.median(walls), "s", seconds_goal, "less")
        record(section, "nothing new, peak memory", max(memory), "MiB", memory_goal, "less")
        walls = []
        for _ in range(21):
            walls.append(timed([programs("rocky"), "state", "--output", "json"], directory)[0])
        record(section, "rocky state, start to exit", statistics.median(walls) * 1000, "ms",
               10 if tables <= 200 else None, "less")


def read_results(brokers, prefix, count, timeout):
    """When each job's result was in the log, in ms, by the broker's clock."""
    bus = os.path.join(BUILD, "tests", "kit", "bus")
    out = subprocess.run([bus, "read", "--brokers", brokers, "--topic", f"{prefix}.results",
                          "--from-beginning", "--count", str(count), "--timeout", str(timeout)],
                         check=True, stdout=subprocess.PIPE).stdout
    done = {}
    for line in out.splitlines():
        message = json.loads(line)
        if message["headers"]["ce_type"] == "rocky.job.result":
            done[message["headers"]["x-job-id"]] = message["timestamp_ms"]
    return done


def bench_jobs(source_root, jobs, rounds, concurrency):
    """No-op jobs through a real Kafka: a filter that matches no table, warm ledgers.

    Each ends in one flush of its namespace's ledger to the disk. Flushes of different namespaces go
    together, so that the rate grows with worker.concurrency beyond the processors. The goals are
    for the concurrency that rocky.toml(5) recommends for such work; None is the default.
    """
    section = f"jobs, {concurrency} at once" if concurrency else "jobs, default"
    goal, most = (2000, 25) if concurrency else (None, None)
    kafka = os.path.join(source_root, "tests", "kit", "kafka", "kafka.sh")
    with tempfile.TemporaryDirectory(prefix="rocky-bench-") as directory:
        broker = os.path.join(directory, "kafka")
        out = subprocess.run([kafka, "start", broker, "--owner", str(os.getpid())], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        brokers = out.strip().split("BOOTSTRAP=")[-1]
        schema = os.path.join(directory, "source", "fivetran", "src__acme__shop.db")
        os.makedirs(os.path.dirname(schema))
        add_orders(schema, 1, 10)

        def write_queue_config(prefix):
            write_config(directory, pipeline='namespace_from = "client"',
                         extra=f'[queue]\nbrokers = "{brokers}"\ntopic_prefix = "{prefix}"\n'
                               '[worker]\nhttp_listen = "127.0.0.1:0"\n'
                               + (f"concurrency = {concurrency}\n" if concurrency else ""))

        write_queue_config("bench")

        def enqueue(count, prefix="bench"):
            lines = [json.dumps({"type": "run", "pipeline": "bronze", "namespace": f"n{i % 64}",
                                 "filter": {"client": "nobody"}}) for i in range(count)]
            write_queue_config(prefix)
            subprocess.run([programs("producer"), "run", "--file", "-"], cwd=directory,
                           input="\n".join(lines), text=True, check=True,
                           stdout=subprocess.DEVNULL)

        def read_jobs(prefix, count):
            return subprocess.run([bus, "read", "--brokers", brokers, "--topic", f"{prefix}.jobs",
                                   "--from-beginning", "--count", str(count), "--timeout", "60"],
                                  check=True, stdout=subprocess.PIPE).stdout

        bus = os.path.join(BUILD, "tests", "kit", "bus")
        # From the moment the broker has a job until it has the result, by one clock.
        for topic in ("bench.jobs", "bench.results"):
            subprocess.run([bus, "create", "--brokers", brokers, "--topic", topic, "--partitions",
                            "12", "--set", "message.timestamp.type=LogAppendTime"], check=True,
                           stdout=subprocess.DEVNULL)

        worker_log = os.path.join(directory, "worker.log")
        with open(worker_log, "wb") as log:
            worker = subprocess.Popen([programs("worker"), "--config", "rocky.toml", "--quiet"],
                                      cwd=directory, stdout=log, stderr=log)
        try:
            enqueue(640)
            read_results(brokers, "bench", 640, 60)
            seen = 640
            rates = []
            for _ in range(rounds):
                enqueue(jobs)
                seen += jobs
                stamps = sorted(read_results(brokers, "bench", seen, 120).values())[-jobs:]
                rates.append(jobs / max(0.001, (stamps[-1] - stamps[0]) / 1000))
            record(section, "no-op jobs per second, 64 namespaces", statistics.median(rates),
                   "jobs/s", goal)
            half = 1000
            # One by one: a job that waits for the rest of its burst says nothing about a rate.
            # The first sixth pays for its own connections and is not counted.
            enqueue(half * 6, prefix="spare")
            paced = read_jobs("spare", half * 6)
            replay = os.path.join(BUILD, "tests", "bench", "replay")
            subprocess.run([replay, "--brokers", brokers, "--topic", "bench.jobs", "--rate",
                            str(half)], input=paced, check=True)
            seen += half * 6
            done = read_results(brokers, "bench", seen, 60)
            messages = [json.loads(line) for line in read_jobs("bench", seen).splitlines()]
            messages.sort(key=lambda message: message["timestamp_ms"])
            latencies = []
            for message in messages[-half * 5:]:
                latencies.append(done[message["headers"]["x-job-id"]] - message["timestamp_ms"])
            latencies.sort()
            record(section, "latency at 1000 jobs/s, p50", latencies[len(latencies) // 2], "ms")
            record(section, "latency at 1000 jobs/s, p99", latencies[int(len(latencies) * 0.99)],
                   "ms", most, "less")
        except subprocess.CalledProcessError as error:
            with open(worker_log, encoding="utf-8", errors="replace") as log:
                sys.exit(f"bench: {error}\nthe worker (exit status {worker.poll()}) said:\n"
                         f"{log.read()}")
        finally:
            worker.terminate()
            worker.wait()
            subprocess.run([kafka, "stop", broker], check=False, stdout=subprocess.DEVNULL)


def main():
    global BUILD
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="build directory (default: build)")
    parser.add_argument("--source", default=os.path.join(os.path.dirname(__file__), "..", ".."))
    parser.add_argument("--millions", default="1,5", help="sizes of the copied table")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=10000)
    parser.add_argument("--state-jobs", type=int, default=3000)
    parser.add_argument("--only", default="copy,many,jobs,state")
    parser.add_argument("--output", help="also write the figures to this JSON file")
    options = parser.parse_args()
    BUILD = os.path.abspath(options.build)
    chosen = options.only.split(",")
    if "copy" in chosen:
        for millions in options.millions.split(","):
            for indexed in (False, True):
                bench_copy(int(float(millions) * 1000000), options.rounds, indexed)
    if "many" in chosen:
        bench_many(200, 0.08, 20, options.rounds)
        bench_many(1000, 0.4, 20, options.rounds)
    if "jobs" in chosen:
        for concurrency in (None, 16):
            bench_jobs(os.path.abspath(options.source), options.jobs, options.rounds, concurrency)
    if "state" in chosen:
        state_bench.run(sys.modules[__name__], os.path.abspath(options.source), options.state_jobs,
                        options.rounds)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as out:
            json.dump({"version": 1, "cores": os.cpu_count(), "figures": ROWS}, out, indent=2)
            out.write("\n")


if __name__ == "__main__":
    main()
