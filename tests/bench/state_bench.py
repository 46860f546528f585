# SPDX-License-Identifier: Apache-2.0
"""The figures of remote state: uploads, jobs that commit their state, leases, requests.

The store is tests/bench/s3_store, which is fast and can hold every answer back; the cache and the
leases are a real Valkey. tests/bench/state_figures makes each measurement in one process, what is
compared with in turns with it.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request

STATE = """
[state]
backend = "{backend}"
s3_bucket = "bench"
s3_endpoint = "{store}"
s3_region = "us-east-1"
s3_path_style = true
local_dir = "{local_dir}"
retention.jobs = 5
{more}
"""


class Store:
    """The S3 stand-in, for the length of a with statement."""

    def __init__(self, build, latency_ms):
        self.command = [os.path.join(build, "tests", "bench", "s3_store"), "--latency-ms",
                        str(latency_ms)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip().removeprefix("ENDPOINT=")
        if not self.url.startswith("http://"):
            sys.exit("bench: the S3 stand-in does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def counts(self):
        with urllib.request.urlopen(f"{self.url}/-/counts") as answer:
            return json.load(answer)


class Valkey:
    """A real server of the kit."""

    def __init__(self, source_root, directory):
        self.kit = os.path.join(source_root, "tests", "kit", "valkey.sh")
        self.directory = os.path.join(directory, "valkey")

    def __enter__(self):
        out = subprocess.run(["bash", self.kit, "start", self.directory, "--owner",
                              str(os.getpid())], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.url = next(word.removeprefix("URL=") for word in out.split()
                        if word.startswith("URL="))
        return self

    def __exit__(self, *_):
        subprocess.run(["bash", self.kit, "stop", self.directory], check=False,
                       stdout=subprocess.DEVNULL)


class Figures:
    """state_figures in a directory with a configuration that `configure` writes."""

    def __init__(self, build, directory, configure):
        self.program = os.path.join(build, "tests", "bench", "state_figures")
        self.directory = directory
        self.configure = configure
        self.count = 0

    def run(self, mode, backend, store=None, more="", **options):
        self.count += 1
        self.configure(STATE.format(backend=backend, store=store or "http://127.0.0.1:9",
                                    local_dir=f"state-{self.count}", more=more))
        command = [self.program, mode, "rocky.toml"]
        if mode in ("upload", "jobs", "idle"):
            command += ["--store", store]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, cwd=self.directory, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {command} failed with {done.returncode}")
        return json.loads(done.stdout)


def set_credentials():
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE"):
        os.environ.pop(name, None)
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench",
                      AWS_EC2_METADATA_DISABLED="true")


def bench_upload(bench, figures, rounds):
    for latency in (0, 30):
        with Store(bench.BUILD, latency) as store:
            for kilobytes in (100, 1000):
                got = figures.run("upload", "s3", store.url, bytes=kilobytes * 1000,
                                  rounds=rounds * (20 if latency else 60))
                section = f"upload {kilobytes} KB, {latency} ms"
                bench.record(section, "whole upload / plain PUT of the raw bytes",
                             got["upload_us"] / got["plain_us"], "ratio",
                             1.05 if latency else None, "less")
                bench.record(section, "whole upload", got["upload_us"] / 1000, "ms")
                bench.record(section, "processor time of it", got["cpu_us"] / 1000, "ms")
                bench.record(section, "raw bytes / bytes on the wire",
                             got["raw_bytes"] / got["sent_bytes"], "ratio")


def bench_commits(bench, figures, jobs, rounds):
    """Jobs with a changed 100 KB state, each committed to the store, and its version kept."""
    with Store(bench.BUILD, 0) as store:
        # The records of the jobs themselves are the other half of it.
        runs = [figures.run("jobs", "s3", store.url, bytes=50000, jobs=jobs, threads=4,
                            namespaces=64) for _ in range(rounds)]
    middle = sorted(runs, key=lambda run: run["jobs_per_second"])[len(runs) // 2]
    section = "jobs, 100 KB to S3"
    bench.record(section, "jobs per second", middle["jobs_per_second"], "jobs/s", 500)
    bench.record(section, "raw bytes of a state at the end", middle["raw_bytes"] / 1000, "KB")
    bench.record(section, "processor time of one", middle["cpu_us_per_job"] / 1000, "ms")
    bench.record(section, "one job, p50", middle["p50_us"] / 1000, "ms")
    bench.record(section, "one job, p99", middle["p99_us"] / 1000, "ms")


def bench_requests(bench, figures, valkey, jobs):
    """Warm, tiered: each job's own requests as the store counts them."""
    with Store(bench.BUILD, 0) as store:
        got = figures.run("jobs", "tiered", store.url, more=f'valkey_url = "{valkey.url}"',
                          bytes=50000, jobs=jobs, threads=4, namespaces=64)
    section = "requests, tiered, warm"
    requests = got["requests"]
    bench.record(section, "HEAD and GET per job", requests["head"] + requests["get"], "", 1, "less")
    bench.record(section, "PUT per job", requests["put"], "", 1, "less")
    bench.record(section, "copies of versions per job", requests["history"], "", 1, "less")
    bench.record(section, "lists for pruning per job", requests["list"], "")
    bench.record(section, "jobs per second, with leases", got["jobs_per_second"], "jobs/s")


def bench_idle(bench, figures):
    with Store(bench.BUILD, 0) as store:
        got = figures.run("idle", "s3", store.url, bytes=100000, rounds=20000)
    section = "nothing on the wire"
    bench.record(section, "nothing to send", got["unchanged_us"], "us", 5, "less")
    bench.record(section, "open circuit breaker", got["refused_us"], "us", 5, "less")
    bench.record(section, "whole upload refused by it", got["skipped_upload_us"], "us")
    bench.record(section, "requests", got["requests"], "", 0, "less")


def bench_lease(bench, figures, valkey):
    got = figures.run("lease", "valkey", more=f'valkey_url = "{valkey.url}"', rounds=3000)
    bench.record("lease", "take and release / bare round trips",
                 got["lease_us"] / got["bare_us"], "ratio", 1.3, "less")
    bench.record("lease", "take and release", got["lease_us"], "us")


def bench_worker(bench, figures, source_root, jobs, rounds):
    """The same jobs through a real Kafka and a real worker."""
    directory = figures.directory
    kafka = os.path.join(source_root, "tests", "kit", "kafka", "kafka.sh")
    bus = os.path.join(bench.BUILD, "tests", "kit", "bus")
    broker = os.path.join(directory, "kafka")
    out = subprocess.run([kafka, "start", broker, "--owner", str(os.getpid())], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    brokers = out.strip().split("BOOTSTRAP=")[-1]
    queue = (f'[queue]\nbrokers = "{brokers}"\ntopic_prefix = "bench"\n'
             '[worker]\nhttp_listen = "127.0.0.1:0"\n')
    subprocess.run([bus, "create", "--brokers", brokers, "--topic", "bench.results", "--partitions",
                    "12", "--set", "message.timestamp.type=LogAppendTime"], check=True,
                   stdout=subprocess.DEVNULL)
    try:
        with Store(bench.BUILD, 0) as store:
            figures.run("fill", "s3", store.url, more=queue, bytes=50000, namespaces=64)
            worker = subprocess.Popen([bench.programs("worker"), "--config", "rocky.toml",
                                       "--quiet"], cwd=directory, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            try:
                rates, seen = [], 0
                for number in [128] + [jobs] * rounds:
                    lines = [json.dumps({"type": "run", "pipeline": "bronze",
                                         "namespace": f"n{i % 64}",
                                         "filter": {"client": "nobody"}}) for i in range(number)]
                    subprocess.run([bench.programs("producer"), "run", "--file", "-"],
                                   cwd=directory, input="\n".join(lines), text=True, check=True,
                                   stdout=subprocess.DEVNULL)
                    seen += number
                    done = read_results(bus, brokers, seen)
                    stamps = sorted(done)[-number:]
                    rates.append(number / max(0.001, (stamps[-1] - stamps[0]) / 1000))
                bench.record("jobs, 100 KB to S3", "through Kafka and a worker",
                             statistics.median(rates[1:]), "jobs/s")
            finally:
                worker.terminate()
                worker.wait()
    finally:
        subprocess.run([kafka, "stop", broker], check=False, stdout=subprocess.DEVNULL)


def read_results(bus, brokers, count):
    """When each of so many results was in the log, in ms, by the broker's clock. A job with remote
    state has other events before its result: read on until all results are there."""
    wanted = count * 3
    out = subprocess.run([bus, "read", "--brokers", brokers, "--topic", "bench.results",
                          "--from-beginning", "--count", str(wanted), "--timeout", "120"],
                         check=True, stdout=subprocess.PIPE).stdout
    messages = [json.loads(line) for line in out.splitlines()]
    return [message["timestamp_ms"] for message in messages
            if message["headers"]["ce_type"] == "rocky.job.result"]


def run(bench, source_root, jobs, rounds):
    set_credentials()
    with tempfile.TemporaryDirectory(prefix="rocky-bench-") as directory:
        schema = os.path.join(directory, "source", "fivetran", "src__acme__shop.db")
        os.makedirs(os.path.dirname(schema))
        bench.add_orders(schema, 1, 10)

        def configure(state):
            bench.write_config(directory, pipeline='namespace_from = "client"', extra=state)

        figures = Figures(bench.BUILD, directory, configure)
        bench_upload(bench, figures, rounds)
        bench_commits(bench, figures, jobs, rounds)
        bench_idle(bench, figures)
        with Valkey(source_root, directory) as valkey:
            bench_requests(bench, figures, valkey, jobs)
            bench_lease(bench, figures, valkey)
        bench_worker(bench, figures, source_root, jobs, rounds)
