#!/usr/bin/env python3
"""Compares real clients with their models, against the mock registry.

All run at the same time; npm waits longest: 75 seconds. A client that is not
installed is skipped. Exits with 0 if every number of attempts is the model's
and every wait is within its range, 0.1 s early to 3 s late.
"""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("DOWNPOUR_BIN", ROOT / "target/release/downpour")
EARLY_S, LATE_S = 0.1, 3.0
NOWHERE = "http://nowhere.invalid"  # RFC 6761: never resolves

CARGO = [(0.5, 1.5), (3.5, 3.5), (6.5, 6.5)]
exactly = lambda *waits: [(wait, wait) for wait in waits]

# Client, what happens (a fault of the stand-in, or a redirect to nowhere), and
# the waits between its attempts at the stand-in.
CASES = [
    ("cargo", "status-500", CARGO),
    ("cargo", "status-503", CARGO),
    ("cargo", "status-429", CARGO),
    ("cargo", "retry-after", exactly(2, 2, 2)),
    ("cargo", "too-many", exactly(2, 2, 2)),
    ("cargo", "status-404", []),
    ("cargo", "reset", CARGO),
    ("cargo", "half-close", []),
    ("cargo", "unknown host", CARGO),
    ("curl", "status-503", exactly(1, 2, 4)),
    ("curl", "retry-after", exactly(2, 2, 2)),
    ("curl", "too-many", exactly(2, 2, 2)),
    ("curl", "status-404", []),
    ("curl", "reset", []),
    ("curl", "unknown host", exactly(1, 2, 4)),
    ("pip", "status-503", exactly(0, 0.5, 1, 2, 4)),
    ("pip", "status-429", []),
    ("pip", "retry-after", exactly(2, 2, 2, 2, 2)),
    ("pip", "too-many", exactly(2, 2, 2, 2, 2)),
    ("pip", "status-404", []),
    ("pip", "reset", exactly(0, 0.5, 1, 2, 4)),
    ("pip", "unknown host", []),
    ("npm", "status-503", exactly(10, 60)),
    ("npm", "too-many", exactly(10, 60)),
    ("npm", "status-404", []),
    ("npm", "reset", exactly(10, 60)),
    ("npm", "unknown host", []),
]


class Index(http.server.BaseHTTPRequestHandler):
    """What leads each kind of client to the download of one package."""

    def do_GET(self):
        api, path = self.server.api, self.path.split("?")[0]
        download = f"{api}/api/v1/crates/foo/1.0.0/download"
        here = f"http://{self.headers['host']}"
        status, kind, content = 200, "application/json", None
        if path == "/index/config.json":
            content = json.dumps({"dl": api + "/api/v1/crates/{crate}/{version}/download"})
        elif path == "/index/3/f/foo":
            entry = {"name": "foo", "vers": "1.0.0", "deps": [], "cksum": "0" * 64, "features": {}, "yanked": False}
            content = json.dumps(entry)
        elif path == "/simple/foo/":
            kind, content = "text/html", f'<a href="{here}/files/foo-1.0.0.tar.gz">foo</a>'
        elif path == "/files/foo-1.0.0.tar.gz":
            status, content = 302, ""
        elif path == "/npm/foo":
            version = {"name": "foo", "version": "1.0.0", "dist": {"tarball": download, "shasum": "0" * 40}}
            content = json.dumps({"name": "foo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}})
        else:
            status, content = 404, ""
        body = content.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if status == 302:
            self.send_header("location", download)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def command(client, api, index, room):
    if client == "cargo":
        (room / "src").mkdir()
        (room / "home").mkdir()
        (room / "src/lib.rs").write_text("")
        (room / "Cargo.toml").write_text(
            '[package]\nname = "asks"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
            '[dependencies]\nfoo = { version = "1", registry = "here" }\n'
        )
        (room / "home/config.toml").write_text(f'[registries.here]\nindex = "sparse+{index}/index/"\n')
        return ["cargo", "fetch"], {"CARGO_HOME": str(room / "home")}
    if client == "curl":
        return ["curl", "-q", "-sSfL", "--retry", "3", "-o", "file", f"{api}/api/v1/crates/foo/1.0.0/download"], {}
    if client == "pip":
        options = ["--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(room)]
        args = [sys.executable, "-m", "pip", "download", "foo", *options, "--index-url", f"{index}/simple/"]
        return args, {"PIP_CONFIG_FILE": os.devnull}
    (room / "package.json").write_text('{"name": "asks", "version": "0.0.0"}')
    options = ["--registry", f"{index}/npm/", "--cache", str(room / "cache"), "--prefer-online", "--no-audit"]
    return ["npm", "install", "foo", *options, "--userconfig", os.devnull, "--no-update-notifier"], {}


def run(client, trouble, seen):
    with tempfile.TemporaryDirectory() as name:
        room = pathlib.Path(name)
        log = room / "access.ndjson"
        args = [PROGRAM, "serve", "--access-log", log]
        args += ["--location-base", NOWHERE] if trouble == "unknown host" else ["--fault", trouble]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serving:
            index = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
            index.api = serving.stdout.readline().split()[1]
            threading.Thread(target=index.serve_forever, daemon=True).start()
            work = room / "work"
            work.mkdir()
            args, more = command(client, index.api, f"http://127.0.0.1:{index.server_port}", work)
            without = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and k != "CARGO_NET_RETRY"}
            environment = {**without, "RES_OPTIONS": "attempts:1 timeout:1", **more}
            subprocess.run(args, cwd=work, env=environment, capture_output=True, timeout=200, check=False)
            index.shutdown()
            serving.terminate()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        seen[client, trouble] = sorted(lines, key=lambda line: line["at_ns"])


def waits_of(lines):
    ends = [line["at_ns"] + line["duration_ns"] for line in lines]
    return [max(0, after["at_ns"] - end) / 1e9 for end, after in zip(ends, lines[1:])]


def main():
    installed = {client for client in ("cargo", "curl", "npm") if shutil.which(client)}
    pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    installed |= {"pip"} if pip.returncode == 0 else set()
    cases = [case for case in CASES if case[0] in installed]
    seen = {}
    threads = [threading.Thread(target=run, args=(client, trouble, seen)) for client, trouble, _ in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong = 0
    print("| client | fault | model's waits (s) | client found | measured waits (s) | |\n|---|---|---|---|---|---|")
    for client, trouble, expected in cases:
        lines = seen.get((client, trouble), [])
        waits = waits_of(lines)
        fits = len(lines) == len(expected) + 1 and all(
            low - EARLY_S <= wait <= high + LATE_S for wait, (low, high) in zip(waits, expected)
        )
        wrong += not fits
        model = ", ".join(f"{low:g}" if low == high else f"{low:g}-{high:g}" for low, high in expected) or "no retry"
        kinds = ", ".join(sorted({line["kind"] for line in lines}))
        told = ", ".join(f"{wait:.1f}" for wait in waits) or "no retry"
        print(f"| {client} | {trouble} | {model} | {kinds} | {told} | {'' if fits else 'WRONG'} |")
    print(f"{len(cases) - wrong} of {len(cases)} cases match the models")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
