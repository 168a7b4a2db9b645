#!/usr/bin/env python3
"""Runs every `sh` block of the given pages, so that no page shows a command that fails.

    docs/run-blocks.py PROGRAM PAGE...

docs/README.md describes the blocks. The blocks of a page run in order, in a temporary directory that has
the traces and the example run of the repository. A block that ends in `&` starts a server; the script stops
it at the end of the page. Free ports replace the fixed ones of the pages.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```sh(?: exit=(\d+))?\n(.*?)^```", re.DOTALL | re.MULTILINE)
PORTS = ("8080", "8443", "5300")
DEADLINE_S = 120


def free_ports():
    """One free port for each of PORTS."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return dict(zip(PORTS, ports))


def wait_for(port, server):
    """Waits until the server accepts connections; False if it ended before."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(port)), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def run(page, program):
    """Runs the blocks of a page; the number of those that failed."""
    blocks = BLOCK.findall(page.read_text())
    failed, servers, ports = 0, [], free_ports()
    directory = pathlib.Path(tempfile.mkdtemp())
    try:
        (directory / "traces").symlink_to(ROOT / "traces")
        (directory / "reports").mkdir()
        (directory / "reports" / "incident").symlink_to(ROOT / "reports" / "incident")
        (directory / "bin").mkdir()
        (directory / "bin" / "downpour").symlink_to(program)
        environment = dict(os.environ, PATH=f"{directory}/bin:{os.environ['PATH']}")
        for expected, block in blocks:
            for fixed, free in ports.items():
                block = block.replace(f"127.0.0.1:{fixed}", f"127.0.0.1:{free}")
            first = block.splitlines()[0]
            if block.rstrip().endswith("&"):
                command = ["bash", "-c", "exec " + block.rstrip()[:-1]]
                servers.append(subprocess.Popen(command, cwd=directory, env=environment))
                is_good = wait_for(ports["8080"], servers[-1])
                output = "the server accepted no connection"
            else:
                command = ["bash", "-c", "set -e\n" + block]
                done = subprocess.run(
                    command, cwd=directory, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
                )
                is_good = done.returncode == int(expected or 0)
                output = f"exit code {done.returncode}, expected {expected or 0}\n{done.stdout[-800:]}{done.stderr[-800:]}"
            print(f"{page.relative_to(ROOT)}: {'ok' if is_good else 'FAILED'}: {first}", flush=True)
            if not is_good:
                failed += 1
                print(output, flush=True)
    finally:
        for server in servers:
            server.kill()
            server.wait()
        shutil.rmtree(directory)
    return failed


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program = pathlib.Path(sys.argv[1]).resolve()
    failed = sum(run(pathlib.Path(page).resolve(), program) for page in sys.argv[2:])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
