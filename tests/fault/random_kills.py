#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random SIGKILLs over the three remote backends: no row lost, none doubled, one chain of states.

Each cycle adds rows (some tie with the newest cursor value), starts `rocky run`, kills it at a
random moment or fault point, now and then loses the disk, lets a second process run beside it or
cuts the server's reply, then lets one run come to its end and compares source and target row by
row. At the end the S3 stand-in's own record must be one chain: each applied write built on the one
before it, generations rising by one, fences never falling.

usage: random_kills.py [--cycles N] [--seed S]      (TAP; ROCKY_KILL_CYCLES sets N, too)
"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.abspath(os.environ.get("top_srcdir", "."))
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
ROCKY = os.path.join(BUILD, "cli", "rocky")
KIT = os.path.join(SOURCE, "tests", "kit")
BACKENDS = ("s3", "valkey", "tiered")
RUN_LIMIT_S = 60

CONFIG = """
[adapter.lake]
type = "sqlite"
path = "source"
[adapter.warehouse]
type = "sqlite"
path = "target"
[pipeline.bronze.source]
adapter = "lake"
catalog = "raw"
[pipeline.bronze.source.schema_pattern]
prefix = "src__"
separator = "__"
components = ["client", "connector"]
[pipeline.bronze.target]
adapter = "warehouse"
catalog_template = "w"
schema_template = "staging__{{client}}__{{connector}}"
[state]
backend = "{backend}"
s3_bucket = "rocky"
s3_region = "us-east-1"
s3_endpoint = "{s3}"
s3_path_style = true
s3_prefix = "{backend}/"
valkey_url = "{valkey}"
valkey_prefix = "{backend}:"
transfer_timeout_seconds = 20
lock.ttl_seconds = 1
[state.retry]
initial_backoff_ms = 20
max_backoff_ms = 100
circuit_breaker_threshold = 0
"""
# Points of a run that has nothing to publish.
POINTS = ("job.lease", "job.download", "download.before", "download.after", "job.lookup",
          "job.prepare", "job.claim", "claim.before_commit", "claim.after_commit", "job.tables",
          "copy.begin", "copy.rows", "copy.before_commit", "copy.after_commit", "table.between",
          "job.record", "record.before_commit", "record.after_commit", "job.upload",
          "upload.before_put", "upload.after_put", "job.release", "job.version")


class Server:
    """One of the kit's servers, by its script."""

    def __init__(self, script, directory):
        self.script, self.directory = os.path.join(KIT, script), directory
        out = subprocess.run(["bash", self.script, "start", directory, "--owner", str(os.getpid())],
                             capture_output=True, text=True, check=False)
        if out.returncode == 77 and os.environ.get("ROCKY_REQUIRE_SERVERS") != "1":
            print(f"1..0 # SKIP {out.stderr.strip()}")
            sys.exit(0)
        if out.returncode != 0:
            sys.exit(f"Bail out! {script}: {out.stderr.strip()}")
        self.facts = dict(line.split("=", 1) for line in out.stdout.split("\n") if "=" in line)

    def call(self, *arguments):
        return subprocess.run(["bash", self.script, arguments[0], self.directory, *arguments[1:]],
                              capture_output=True, text=True, check=False)


class World:
    """Source, target and configuration of one backend."""

    def __init__(self, top, backend, s3, valkey):
        self.backend, self.rows = backend, 0
        self.directory = os.path.join(top, backend)
        self.source = os.path.join(self.directory, "source", "raw", "src__acme__shop.db")
        self.target = os.path.join(self.directory, "target", "w", "staging__acme__shop.db")
        os.makedirs(os.path.dirname(self.source))
        with open(os.path.join(self.directory, "rocky.toml"), "w", encoding="utf-8") as out:
            out.write(CONFIG.format(backend=backend, s3=s3.facts["ENDPOINT"],
                                    valkey=valkey.facts["URL"]))
        database = sqlite3.connect(self.source)
        for table in ("orders", "items"):
            database.execute(f"CREATE TABLE {table}(id INTEGER, name TEXT, _fivetran_synced TEXT)")
        database.commit()
        database.close()

    def add_rows(self, count):
        database = sqlite3.connect(self.source, timeout=30)
        for _ in range(count):
            # Seven rows share a value, so that most batches begin with ties.
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1767225600 + self.rows // 7))
            for table in ("orders", "items"):
                database.execute(f"INSERT INTO {table} VALUES(?, ?, ?)",
                                 (self.rows, f"row {self.rows}", stamp))
            self.rows += 1
        database.commit()
        database.close()

    def start(self, fault=None):
        environment = dict(os.environ)
        environment.pop("RKY_FAULT", None)
        if fault:
            environment["RKY_FAULT"] = fault
        return subprocess.Popen([ROCKY, "--quiet", "run", "--output", "json"], cwd=self.directory,
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def lose_disk(self):
        shutil.rmtree(os.path.join(self.directory, ".rocky-state"), ignore_errors=True)

    def differences(self):
        found = []
        for table in ("orders", "items"):
            rows = []
            for path in (self.source, self.target):
                if not os.path.exists(path):
                    rows.append(collections.Counter())
                    continue
                database = sqlite3.connect(path, timeout=30)
                rows.append(collections.Counter(database.execute(
                    f"SELECT id, name, _fivetran_synced FROM {table}")))
                database.close()
            lost, doubled = rows[0] - rows[1], rows[1] - rows[0]
            if lost or doubled:
                found.append(f"{table}: {sum(lost.values())} lost, {sum(doubled.values())} doubled")
        return found


def end(process):
    try:
        out, err = process.communicate(timeout=RUN_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, "", f"did not end within {RUN_LIMIT_S} s"
    return process.returncode, out, err


def finish(world):
    """Runs until one comes to its end: a dead one's lease or lock may have to run out first."""
    until = time.monotonic() + RUN_LIMIT_S
    while True:
        code, out, err = end(world.start())
        if code == 0:
            return json.loads(out), None
        if code != 4 or time.monotonic() > until:
            return None, f"exit {code}: {out[-400:]} {err[-800:]}"


def cycle(world, chance, s3, length):
    world.add_rows(chance.randrange(1, 60))
    if chance.random() < 0.3:
        world.lose_disk()
    if world.backend != "valkey" and chance.random() < 0.2:
        s3.call("admin", "POST", "faults",
                json.dumps({"action": "apply_then_drop", "method": "PUT", "count": 1}))
    fault = f"{chance.choice(POINTS)}=kill" if chance.random() < 0.5 else None
    victim = world.start(fault)
    other = world.start() if chance.random() < 0.15 else None
    if fault is None:
        try:
            victim.wait(timeout=chance.random() * length)
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
    end(victim)
    if other is not None:
        end(other)
    if chance.random() < 0.3:
        world.lose_disk()
    result, problem = finish(world)
    if problem:
        return problem
    problems = world.differences()
    if result["state"]["upload"]["outcome"] != "ok":
        problems.append(f"upload {result['state']['upload']}")
    return "; ".join(problems) or None


def broken_link(s3, backend):
    """The first write of a head that is not built on the one before it."""
    key = f"{backend}/bronze.db"
    records = json.loads(s3.call("admin", "GET", "requests").stdout)
    writes = [r for r in records if r.get("applied") and r.get("key") == key
              and r["method"] == "PUT" and r["status"] < 300]
    writes.sort(key=lambda r: r["apply_seq"])
    last = None
    for write in writes:
        ancestors = (write.get("ancestors") or "").replace(",", " ").split()
        if last is not None and (int(write["generation"]) != int(last["generation"]) + 1
                                 or not ancestors or ancestors[0] != last["write_id"]
                                 or int(write["fence"]) < int(last["fence"])):
            return f"generation {write['generation']} after {last['generation']}"
        last = write
    return None if writes else "there are no writes"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cycles", type=int,
                           default=int(os.environ.get("ROCKY_KILL_CYCLES", "200")))
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = arguments.parse_args()
    chance = random.Random(arguments.seed)
    top = tempfile.mkdtemp(prefix="rocky-test.")
    passed = True
    number = 0
    try:
        s3, valkey = Server("s3.sh", os.path.join(top, "s3")), \
            Server("valkey.sh", os.path.join(top, "valkey"))
        os.environ.update(AWS_ACCESS_KEY_ID=s3.facts["ACCESS_KEY"],
                          AWS_SECRET_ACCESS_KEY=s3.facts["SECRET_KEY"],
                          AWS_EC2_METADATA_DISABLED="true")
        worlds = [World(top, backend, s3, valkey) for backend in BACKENDS]
        world = worlds[0]
        world.add_rows(100)
        begun = time.monotonic()
        _, problem = finish(world)
        length = 1.5 * (time.monotonic() - begun)
        print(f"# seed {arguments.seed}, a run takes about {length / 1.5:.2f} s", flush=True)
        failures = collections.defaultdict(list)
        if problem:
            failures[world.backend].append(problem)
        for turn in range(arguments.cycles):
            world = worlds[turn % len(worlds)]
            problem = cycle(world, chance, s3, length)
            if problem:
                failures[world.backend].append(f"cycle {turn}: {problem}")
                break
        for world in worlds:
            turns = len(range(worlds.index(world), arguments.cycles, len(worlds)))
            checks = [(not failures[world.backend],
                       f"{world.backend}: {turns} kills, each row once")]
            if world.backend != "valkey":
                link = broken_link(s3, world.backend)
                checks.append((link is None, f"{world.backend}: one chain of generations"))
                if link:
                    failures[world.backend].append(link)
            for good, name in checks:
                number += 1
                passed = passed and good
                print(f"{'ok' if good else 'not ok'} {number} - {name}")
            for problem in failures[world.backend]:
                print(f"# {problem}")
        print(f"1..{number}")
        s3.call("stop")
        valkey.call("stop")
    finally:
        if passed:
            shutil.rmtree(top, ignore_errors=True)
        else:
            print(f"# what is left to look at: {top}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
