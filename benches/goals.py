#!/usr/bin/env python3
"""Compares downpour with other load generators, on this machine, in one run.

Three suites. Each measures all clients in turns, so that changes of the
machine affect all of them alike:

  pacing   How far from an even schedule do requests reach the server, and how
           much CPU time does one need? Measured by the kernel's receive
           timestamps, which on loopback fall within the client's send call.
  cost     CPU time per request at a steady rate, against nginx.
  closed   Requests per second of 64 connections without pauses, against nginx.

Prints a table for each, and then the goals: our medians divided by those of
the baselines, `exact` and `hyper` of examples/bare-client, and of the peers.

Needs Linux, two cores, nginx, and

    cargo build --profile dist --bin downpour --example bare-client --example stamp-server

Peers that are on PATH take part: oha (cargo install), wrk, h2load, hey, ab
(Debian: wrk, nghttp2-client, hey, apache2-utils), wrk2, vegeta, bombardier,
autocannon.
"""
import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "target/dist/examples"
PATH = "/api/v1/crates/serde_derive/1.0.217/download"
TARGET = "https://static.crates.io/crates/serde_derive/serde_derive-1.0.217.crate"
# The first seconds are not judged: connections open and caches warm.
HEAD_S, TAIL_S = 1.5, 0.3


# --- servers -------------------------------------------------------------------

class Stamper:
    """examples/stamp-server: notes when the kernel had each request."""

    def __init__(self, core):
        self.core = core

    def __enter__(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(self.core), str(EXAMPLES / "stamp-server")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        out, _ = self.process.communicate()
        self.noted = [int(line) for line in out.split()]

    def stamps(self):
        return self.noted


class Nginx:
    """nginx on one core, which answers everything with the right redirect."""

    def __init__(self, core):
        self.core, self.dir = core, tempfile.TemporaryDirectory()

    def __enter__(self):
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            conf = Path(self.dir.name, "nginx.conf")
            conf.write_text(f"""daemon off; pid {self.dir.name}/pid; error_log stderr crit; worker_processes 1;
                events {{ worker_connections 8192; }}
                http {{ access_log off; keepalive_requests 100000000;
                    client_body_temp_path {self.dir.name}; proxy_temp_path {self.dir.name};
                    fastcgi_temp_path {self.dir.name}; uwsgi_temp_path {self.dir.name}; scgi_temp_path {self.dir.name};
                    server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ add_header Vary accept always; return 302 {TARGET}; }} }} }}""")
            self.process = subprocess.Popen(
                ["taskset", "-c", str(self.core), "nginx", "-p", self.dir.name, "-e", "stderr", "-c", str(conf)],
                stderr=subprocess.DEVNULL)
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    self.address = f"127.0.0.1:{port}"
                    return self
                except OSError:
                    if self.process.poll() is not None:
                        break
                    time.sleep(0.05)
        sys.exit("nginx does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


# --- clients -------------------------------------------------------------------

class Job:
    def __init__(self, address, rate, seconds, connections, work):
        self.address, self.rate, self.seconds, self.connections, self.work = address, rate, seconds, connections, work
        self.url = f"http://{address}{PATH}"


def ours(*more):
    def command(job):
        listing = Path(job.work, "paths.txt")
        listing.write_text(PATH + "\n")
        rate = f"{job.rate}/s" if job.rate else "max"
        return [str(ROOT / "target/dist/downpour"), "replay", str(listing), "--loop", "--quiet", "--format", "json",
                "--target", f"http://{job.address}", "--rate", rate, "-d", f"{job.seconds}s",
                "-c", str(job.connections), "--rules", "crates-io", "--verify", "policy", "--allow-invalid",
                "--out", tempfile.mkdtemp(dir=job.work), *more]
    return command


def ours_done(out):
    run = json.loads(out)
    if run["arrivals"]["passed"] != run["arrivals"]["offered"]:
        print("downpour: not all passed:", run["arrivals"], file=sys.stderr)
    return run["attempts"]["total"]


def bare(kind):
    def command(job):
        rate = ["--rate", str(job.rate)] if job.rate else []
        return [str(EXAMPLES / "bare-client"), kind, job.address, PATH, *rate,
                "--connections", str(job.connections), "--seconds", str(job.seconds)]
    return command


def oha(job):
    rate = ["-q", str(job.rate), "--latency-correction"] if job.rate else []
    return ["oha", "--no-tui", "--output-format", "json", "--redirect", "0", "-w", "-c", str(job.connections),
            "-z", f"{job.seconds}s", *rate, job.url]


def oha_done(out):
    return sum(json.loads(out)["statusCodeDistribution"].values())


def wrk(job):
    return None if job.rate else ["wrk", "-t1", f"-c{job.connections}", f"-d{job.seconds}s", job.url]


def wrk2(job):
    return ["wrk2", "-t1", f"-c{job.connections}", f"-d{job.seconds}s", f"-R{job.rate}", job.url] if job.rate else None


def h2load(job):
    rate = ["--rps", f"{job.rate / job.connections:.6f}"] if job.rate else []
    return ["h2load", "--h1", "-t1", f"-c{job.connections}", f"-D{job.seconds}", *rate, job.url]


def hey(job):
    rate = ["-q", f"{job.rate / job.connections:.6f}"] if job.rate else []
    return ["hey", "-disable-redirects", "-c", str(job.connections), "-z", f"{job.seconds}s", *rate, job.url]


def ab(job):
    return None if job.rate else ["ab", "-q", "-k", "-t", str(job.seconds), "-n", "100000000",
                                  "-c", str(job.connections), job.url]


def vegeta(job):
    if not job.rate:
        return None
    return ["sh", "-c", f"echo GET {job.url} | vegeta attack -redirects=-1 -rate={job.rate}/1s "
            f"-duration={job.seconds}s -max-workers={job.connections} | vegeta report -type=json"]


def bombardier(job):
    rate = ["-r", str(job.rate)] if job.rate else []
    return ["bombardier", "-o", "j", "-p", "r", "-c", str(job.connections), "-d", f"{job.seconds}s", *rate, job.url]


def autocannon(job):
    rate = ["-R", str(job.rate)] if job.rate else []
    return ["autocannon", "--json", "-c", str(job.connections), "-d", str(job.seconds), *rate, job.url]


def number(pattern):
    return lambda out: int(re.search(pattern, out).group(1))


CLIENTS = {
    "downpour": (ours(), ours_done),
    "downpour-1ms": (lambda job: ours("--pacing-grain", "1ms")(job) if job.rate else None, ours_done),
    "exact": (bare("exact"), lambda out: json.loads(out)["requests"]),
    "hyper": (bare("hyper"), lambda out: json.loads(out)["requests"]),
    "oha": (oha, oha_done),
    "wrk": (wrk, number(r"(\d+) requests in")),
    "wrk2": (wrk2, number(r"(\d+) requests in")),
    "h2load": (h2load, number(r"requests: \d+ total, \d+ started, (\d+) done")),
    "hey": (hey, lambda out: sum(map(int, re.findall(r"\[\d+\]\s+(\d+) responses", out)))),
    "ab": (ab, number(r"Complete requests:\s+(\d+)")),
    "vegeta": (vegeta, lambda out: json.loads(out)["requests"]),
    "bombardier": (bombardier, lambda out: sum(
        json.loads(out)["result"][k] for k in ("req1xx", "req2xx", "req3xx", "req4xx", "req5xx"))),
    "autocannon": (autocannon, lambda out: json.loads(out)["requests"]["total"]),
}
OWN = ("downpour", "downpour-1ms", "exact", "hyper")


def run_client(name, job, core):
    """Requests done and processor seconds; None where the client can't do it."""
    make, done = CLIENTS[name]
    command = make(job)
    if command is None:
        return None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = subprocess.run(["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, timeout=job.seconds * 3 + 60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    try:
        return done(outcome.stdout), cpu
    except (AttributeError, KeyError, ValueError):
        print(f"{name} printed no readable result (exit {outcome.returncode}): {outcome.stderr.strip()[:300]}",
              file=sys.stderr)
        return None


# --- judging -------------------------------------------------------------------

def pacing_error(stamps, rate):
    """p50 and p99 of |arrival - even schedule| in microseconds.

    The schedule is even, its phase the one that makes the median error nil; its
    rate the nominal one or the best fit, whichever flatters more, so that a
    slow drift does not count.
    """
    if len(stamps) < 200:
        return None
    begin, end = stamps[0] + HEAD_S * 1e9, stamps[-1] - TAIL_S * 1e9
    window = [stamp for stamp in stamps if begin <= stamp <= end]
    if len(window) < 100:
        return None
    since = [stamp - window[0] for stamp in window]
    fitted, _ = statistics.linear_regression(range(len(since)), since)

    def errors(slope):
        raw = [at - slope * index for index, at in enumerate(since)]
        middle = statistics.median(raw)
        return sorted(abs(error - middle) for error in raw)

    best = min((errors(slope) for slope in (1e9 / rate, fitted)), key=lambda e: e[len(e) // 2])
    return best[len(best) // 2] / 1e3, best[int(len(best) * 0.99)] / 1e3


def median(values):
    return statistics.median(values) if values else None


def told(values, digits=1):
    """The median, and the span of all in brackets."""
    if not values:
        return "-"
    text = f"{median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} [{min(values):,.{digits}f}-{max(values):,.{digits}f}]"


class Results(dict):
    def add(self, suite, name, **values):
        for key, value in values.items():
            self.setdefault((suite, name, key), []).append(value)

    def of(self, suite, name, key):
        return self.get((suite, name, key), [])

    def mid(self, suite, name, key):
        return median(self.of(suite, name, key))


def measure(args, names, work):
    results = Results()
    with Nginx(args.server_core) as nginx:
        for turn in range(args.turns):
            for suite, rate in suites(args):
                for name in names:
                    print(f"\r{turn + 1}/{args.turns} {suite} {name}".ljust(70), end="", file=sys.stderr)
                    if suite.startswith("pacing"):
                        with Stamper(args.server_core) as server:
                            job = Job(server.address, rate, args.seconds, args.connections, work)
                            ran = run_client(name, job, args.client_core)
                        error = pacing_error(server.stamps(), rate) if ran else None
                        if error:
                            results.add(suite, name, p50=error[0], p99=error[1])
                    else:
                        job = Job(nginx.address, rate, args.seconds, args.connections, work)
                        ran = run_client(name, job, args.client_core)
                    if ran and ran[0]:
                        results.add(suite, name, cpu=ran[1] * 1e6 / ran[0], rps=ran[0] / args.seconds)
    print("\r".ljust(72), file=sys.stderr)
    return results


def suites(args):
    for rate in args.pacing:
        yield f"pacing {rate}", rate
    for rate in args.cost:
        yield f"cost {rate}", rate
    if not args.no_closed:
        yield "closed", None


def show_tables(args, names, results):
    for suite, rate in suites(args):
        print(f"\n{suite}/s" if rate else f"\n{suite}, {args.connections} connections")
        keys = [("p50", "error p50 us"), ("p99", "error p99 us")] if suite.startswith("pacing") else []
        keys += [("cpu", "CPU us per request"), ("rps", "requests/s")]
        print("  " + "client".ljust(22) + "".join(title.rjust(28) for _, title in keys))
        for name in names:
            if results.of(suite, name, "rps"):
                cells = (told(results.of(suite, name, key), 0 if key == "rps" else 1) for key, _ in keys)
                print("  " + name.ljust(22) + "".join(cell.rjust(28) for cell in cells))


def show_goals(args, names, results):
    print("\ngoals (medians of this run)")

    def goal(what, value, bound, unit=""):
        if value is None or bound is None:
            print(f"  {what.ljust(58)} not measured")
            return
        at_most = bound >= 0
        met = value <= bound if at_most else value >= -bound
        print(f"  {what.ljust(58)} {value:9.2f}{unit} {'<=' if at_most else '>='} {abs(bound):9.2f}{unit}  "
              f"{'met' if met else 'MISSED'}")

    def ratio(suite, key, other, mine="downpour"):
        a, b = results.mid(suite, mine, key), results.mid(suite, other, key)
        return a / b if a is not None and b else None

    peers = [name for name in names if name not in OWN]
    for rate in args.pacing:
        suite = f"pacing {rate}"
        if rate <= 10_000:
            goal(f"{rate}/s: pacing error p50, us", results.mid(suite, "downpour", "p50"), 25)
            goal(f"{rate}/s: pacing error p99 over exact", ratio(suite, "p99", "exact"), 1.2)
            goal(f"{rate}/s: CPU per request over exact", ratio(suite, "cpu", "exact"), 1.25)
            best = min(filter(None, (results.mid(suite, peer, "p50") for peer in peers)), default=None)
            goal(f"{rate}/s: pacing error p50 over the best peer's",
                 results.mid(suite, "downpour", "p50") / best if best else None, 0.1)
        else:
            goal(f"{rate}/s: pacing error p50, us", results.mid(suite, "downpour", "p50"), 60)
            goal(f"{rate}/s: CPU per request, us", results.mid(suite, "downpour", "cpu"), 20)
    for rate in args.cost:
        suite, grain = f"cost {rate}", "downpour-1ms"
        goal(f"{rate}/s, batch interval 1 ms: CPU per request over hyper", ratio(suite, "cpu", "hyper", grain), 1.25)
        for peer in ("oha", "vegeta"):
            if results.of(suite, peer, "cpu"):
                goal(f"{rate}/s, batch interval 1 ms: CPU per request over {peer}", ratio(suite, "cpu", peer, grain), 1)
    if not args.no_closed:
        goal("closed loop: requests/s over hyper", ratio("closed", "rps", "hyper"), -0.85)
        for peer in ("oha", "hey", "autocannon"):
            if results.of("closed", peer, "rps"):
                goal(f"closed loop: requests/s over {peer}", ratio("closed", "rps", peer), -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rates = lambda text: [int(rate) for rate in text.split(",") if rate]
    parser.add_argument("--pacing", type=rates, default="1000,4700,20000", help="rates of the pacing suite")
    parser.add_argument("--cost", type=rates, default="4700,20000,50000", help="rates of the cost suite")
    parser.add_argument("--no-closed", action="store_true", help="skip the closed loop")
    parser.add_argument("--turns", type=int, default=3, help="measurements per client")
    parser.add_argument("--seconds", type=int, default=8, help="seconds per measurement")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--clients", help="measure only these clients, separated by commas")
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--json", help="also write every value to this file")
    args = parser.parse_args()
    for needed in (ROOT / "target/dist/downpour", EXAMPLES / "bare-client", EXAMPLES / "stamp-server"):
        if not needed.exists():
            sys.exit(f"missing: {needed}\nbuild it: cargo build --profile dist --bin downpour --example bare-client --example stamp-server")
    if not shutil.which("nginx"):
        sys.exit("missing: nginx (Debian: apt-get install nginx-light)")
    wanted = args.clients.split(",") if args.clients else list(CLIENTS)
    names = [name for name in wanted if name in OWN or shutil.which(name)]
    absent = [name for name in wanted if name not in names]
    os.sched_setaffinity(0, {args.server_core})
    with tempfile.TemporaryDirectory() as work:
        results = measure(args, names, work)
    print(f"{args.turns} turns of {args.seconds} s; median [lowest-highest]; server on core {args.server_core}, "
          f"client on core {args.client_core}")
    if absent:
        print("not on PATH:", ", ".join(absent))
    show_tables(args, names, results)
    show_goals(args, names, results)
    if args.json:
        rows = [dict(suite=suite, client=name, what=key, values=values)
                for (suite, name, key), values in results.items()]
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
