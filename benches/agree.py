#!/usr/bin/env python3
"""Compares live and simulated scenarios.

Plays each scenario live against the mock registry, and in virtual time at the
same speed and seed, and compares amplification and failed attempts. Exits with
0 if all are within 3 % and no run was invalid. Needs an idle machine: live, a
lost millisecond counts as 20 ms of the incident.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("DOWNPOUR_BIN", str(ROOT / "target/dist/downpour"))
TOLERANCE = 0.03

# Scenario, how many times as fast, what else is asked for.
CASES = [
    ("incident", "20x", []),
    ("metastable", "1x", []),
    ("metastable", "1x", ["--retry-budget", "10%"]),
]


def report(command, scenario, speed, flags, out):
    args = [PROGRAM, command, "--scenario", scenario, "--speed", speed, *flags]
    told = ["--format", "json", "--out", out, "-q", "--allow-invalid"]
    ended = subprocess.run([*args, *told], capture_output=True, text=True, check=False)
    if not ended.stdout:
        sys.exit(f"{' '.join(args)}: {ended.stderr}")
    return json.loads(ended.stdout)


def main():
    apart = 0
    print("| scenario | | live | simulated | difference | |\n|---|---|---|---|---|---|")
    for scenario, speed, flags in CASES:
        with tempfile.TemporaryDirectory() as room:
            runs = [
                report(command, scenario, speed, flags, f"{room}/{command}") for command in ("replay", "simulate")
            ]
        storms = [run["storm"] for run in runs]
        name = " ".join([scenario, speed, *flags])
        for key in ("amplification_during_fault", "failed_attempts"):
            live, simulated = (storm[key] for storm in storms)
            gap = live / simulated - 1
            wrong = abs(gap) > TOLERANCE
            apart += wrong
            print(f"| {name} | {key} | {live:,.2f} | {simulated:,.2f} | {gap:+.1%} | {'TOO LARGE' if wrong else ''} |")
        recovered = [storm["time_to_recover_s"] for storm in storms]
        print(f"| {name} | time_to_recover_s | {recovered[0]} | {recovered[1]} | | |")
        for reason in runs[0]["invalid_reasons"] + runs[0]["warnings"]:
            if reason["id"] in ("lateness", "generator_cpu", "shed"):
                print(f"live, {name}: {reason['detail']}", file=sys.stderr)
                apart += 1
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
