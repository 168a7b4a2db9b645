"""Holds a run against what was expected of it; started by stage.sh.

    held.py CASE EXIT-CODE RUN EXPECTATION...

An expectation is one of

    FAULT=COUNT       so many arrivals failed by this fault
    FAULT=@FILE       the requests in the file did, by their paths, and no others
    /POINTER=VALUE    this stands in run.json

Faults that are not named must not occur, every book must balance, and the exit
code must say what the verdict says. Prints one line of a Markdown table.
"""

import json
import sys
from pathlib import Path


def main(case, code, place, *expectations):
    if not (place / "run.json").exists():
        sys.exit(f"{case}: no run, exit code {code}")
    run = json.loads((place / "run.json").read_text())
    wrong = list(out_of_balance(run))
    expected = {}
    for expectation in expectations:
        key, value = expectation.split("=", 1)
        if key.startswith("/"):
            found = pointed_at(run, key)
            if found != json.loads(value):
                wrong.append(f"{key} is {json.dumps(found)}, and not {value}")
        elif value.startswith("@"):
            expected[key] = Path(value[1:]).read_text().split()
        else:
            expected[key] = int(value)
    wrong += misjudged(run, place, expected)
    left_out = run["targets"]["tiers"]["fetch"]["unchecked"].get("budget", 0)
    if left_out > 0:
        wrong.append(f"no time was left to probe {left_out} targets: stop other load on the machine, or lower RATE")
    verdict, exit_code = ("failed", 3) if run["arrivals"]["failed"] > 0 else ("passed", 0)
    if any(fault.startswith("generator.") for fault in expected):
        # It is not the candidate that failed.
        verdict, exit_code = "invalid", 5
    if (run["verdict"], code) != (verdict, exit_code):
        wrong.append(f"the verdict is {run['verdict']} {run['invalid_reasons']}, the exit code {code}")
    for text in wrong:
        print(f"{case}: {text}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    arrivals, targets = run["arrivals"], run["targets"]
    faults = sorted((fault for fault in run["faults"] if fault["count"] > 0), key=lambda fault: fault["id"])
    found = ", ".join(f"{fault['count']:,} `{fault['id']}`" for fault in faults) or "nothing"
    numbers = arrivals["offered"], targets["lookups"], targets["tiers"]["fetch"]["checked"], targets["requests"]
    print(f"| {case} | {' | '.join(f'{number:,}' for number in numbers)} | {found} |")


def out_of_balance(run):
    arrivals, attempts, targets = run["arrivals"], run["attempts"], run["targets"]
    fates = sum(arrivals[fate] for fate in ("passed", "recovered", "failed", "shed", "unfinished"))
    if arrivals["offered"] != fates or arrivals["offered"] == 0:
        yield f"arrivals do not add up: {arrivals}"
    ends = attempts["completed"] + sum(attempts["faults"].values()) + attempts["unfinished"]
    if attempts["total"] != attempts["first"] + attempts["retries"] or attempts["total"] != ends:
        yield f"attempts do not add up: {attempts}"
    for name, tier in {"all": targets, **targets["tiers"]}.items():
        if targets["redirects"] != tier["checked"] + tier["broken"] + sum(tier["unchecked"].values()):
            yield f"redirects do not add up ({name}): {tier}"
    if arrivals["failed"] != sum(fault["count"] for fault in run["faults"]):
        yield "not each failed arrival has one fault"


def misjudged(run, place, expected):
    # A fault that only stands beside a worse one has no arrival of its own.
    found = {fault["id"]: fault["count"] for fault in run["faults"] if fault["count"] > 0}
    counts = {fault: many if isinstance(many, int) else len(many) for fault, many in expected.items()}
    if found != counts:
        yield f"found {found}, and not {counts}"
    examples = [json.loads(line) for line in (place / "failures.ndjson").read_text().splitlines()]
    for fault, paths in expected.items():
        told = {example["path"] for example in examples if example["fault"] == fault}
        if not told:
            yield f"there is no example of {fault}"
        # Examples may also show the fault beside a worse one, for other paths.
        if isinstance(paths, list) and not told & set(paths):
            yield f"no example of {fault} is for one of {sorted(paths)[:3]}, but for {sorted(told)[:3]}"


def pointed_at(value, pointer):
    for part in pointer.split("/")[1:]:
        try:
            value = value[int(part) if isinstance(value, list) else part]
        except (KeyError, IndexError):
            return None
    return value


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
