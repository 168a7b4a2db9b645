#!/usr/bin/env python3
"""Checks the counts of a demo: check-demo.py RUN.JSON STDOUT.JSON"""
import json, sys
run, printed = (json.load(open(path)) for path in sys.argv[1:3])
assert run == printed, "stdout and run.json differ"
lines, records, arrivals, attempts = (run[k] for k in ("lines", "records", "arrivals", "attempts"))
total = lambda reasons: sum(reasons.values())
assert lines["read"] == lines["accepted"] + total(lines["skipped"]) + total(lines["rejected"]), lines
assert records["accepted"] == records["offered"] + total(records["filtered"]) + records["sampled_out"] \
    + records["out_of_window"] + records["late"], records
assert arrivals["offered"] == sum(arrivals[k] for k in ("passed", "recovered", "failed", "shed", "unfinished")), arrivals
assert attempts["total"] == attempts["first"] + attempts["retries"], attempts
targets = run["targets"]
assert targets["redirects"] == targets["checked"] + targets["broken"] + total(targets["unchecked"]), targets
# So short a fault is hidden by cargo's retries: what failed are attempts.
[fault] = [fault for fault in run["faults"] if fault["id"] == "dns.nxdomain"]
hidden = run["retries"]["retried_failures"]
assert set(hidden) == {"dns.nxdomain"}, hidden
assert all(other["count"] == 0 for other in run["faults"] if other is not fault), run["faults"]
assert fault["count"] == arrivals["failed"], (fault, arrivals)
assert fault["saved_by_retries"] == arrivals["recovered"], (fault, arrivals)
assert fault["attempts"] == run["storm"]["failed_attempts"] and fault["examples"], fault
assert run["storm"]["failed_attempts"] == hidden["dns.nxdomain"] + arrivals["failed"], run["storm"]
assert arrivals["recovered"] > 0 and attempts["retries"] == hidden["dns.nxdomain"], (arrivals, attempts)
print("offered", arrivals["offered"], "recovered", arrivals["recovered"], "amplification",
      attempts["amplification"], "verdict", run["verdict"])
