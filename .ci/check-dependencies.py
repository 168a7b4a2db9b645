#!/usr/bin/env python3
"""Checks licences, sources and banned crates of all dependencies against deny.toml.

For machines without cargo-deny, which checks more. Needs Python 3.11 and cargo.
"""
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
REGISTRY = "registry+"


def allowed(expression, licences):
    """Whether an SPDX expression can be met with these licences."""
    # Old manifests write MIT/Apache-2.0.
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    python = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token in ("(", ")"):
            python.append(token)
        elif token in ("AND", "OR"):
            python.append(token.lower())
        else:
            if tokens[at + 1 : at + 2] == ["WITH"]:
                token = " ".join(tokens[at : at + 3])
                at += 2
            python.append(str(token in licences))
        at += 1
    # Nothing but True, False, and, or and parentheses.
    return eval(" ".join(python), {"__builtins__": {}})


def main():
    deny = tomllib.loads((ROOT / "deny.toml").read_text())
    licences = set(deny["licenses"]["allow"])
    banned = {entry["crate"] for entry in deny["bans"]["deny"]}
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    for target in deny["graph"]["targets"]:
        command += ["--filter-platform", target]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)["packages"]
    wrong = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["name"] in banned:
            wrong.append(f"{name} is banned")
        source = package["source"]
        if source is not None and not source.startswith(REGISTRY):
            wrong.append(f"{name} comes from {source}")
        if source is not None and not allowed(package["license"] or "none", licences):
            wrong.append(f"{name} has the licence {package['license']}, which deny.toml does not allow")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(packages)} packages: {len(wrong)} are not allowed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
