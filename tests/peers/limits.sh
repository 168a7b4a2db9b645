#!/usr/bin/env bash
# What the machine, not the candidate, keeps a run from: too few ports, too
# little processor time. Each is provoked for real, in a network namespace or a
# cgroup of its own, and must make the run
# invalid for its own reason, with books that balance; ports are never blamed on
# the candidate.
#
#   tests/peers/limits.sh
#
# Wants root and Linux. DOWNPOUR_BIN says which program.
set -euo pipefail
cd "$(dirname "$0")/../.."

downpour=${DOWNPOUR_BIN:-target/release/downpour}
[[ -x $downpour ]] || cargo build --release
downpour=$(realpath "$downpour")
[[ $(id -u) == 0 ]] || { echo "wants root: for a network namespace and a cgroup" >&2; exit 1; }
for needed in unshare ip python3 taskset; do
    command -v "$needed" >/dev/null || { echo "missing: $needed (apt-get install iproute2 util-linux python3)" >&2; exit 1; }
done

work=$(mktemp -d)
group=
clean_up() {
    [[ -z $group ]] || rmdir "$group" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
echo /api/v1/crates/serde/1.0.217/download >"$work/list"

# Runs LIMITS, a piece of shell, in a network namespace of its own, starts a
# candidate, and replays to it with FLAGS. The listening port is one of the
# namespace's, which nobody shares.
cat >"$work/play" <<'PLAY'
set -euo pipefail
downpour=$1 work=$2 limits=$3
shift 3
ip link set lo up
"$downpour" serve --listen 127.0.0.1:80 --dns-listen 127.0.0.1:53 --cdn-listen 127.0.0.1:443 >"$work/served" 2>&1 &
serve=$!
trap 'kill $serve; wait $serve || true' EXIT
until grep -q '^dns' "$work/served"; do sleep 0.05; done
eval "$limits"
exec 3>&-
code=0
"$downpour" replay "$work/list" --loop --target http://127.0.0.1:80 --verify off --max-lateness 60s \
    --no-progress --out "$work/run" "$@" >"$work/said" 2>&1 || code=$?
echo "$code" >"$work/code"
PLAY

# Plays with LIMITS and FLAGS, and wants exit code 5 for REASON.
expect_invalid() { # CASE REASON LIMITS FLAGS...
    rm -rf "$work/run"
    unshare --net bash "$work/play" "$downpour" "$work" "$3" "${@:4}" 2>"$work/trouble" || { cat "$work/trouble" >&2; exit 1; }
    python3 - "$1" "$2" "$work" <<'PY' || { cat "$work/said" >&2; exit 1; }
import json, sys
case, reason, work = sys.argv[1:]
code = open(f"{work}/code").read().strip()
assert code == "5", f"{case}: exit code {code} instead of 5"
run = json.load(open(f"{work}/run/run.json"))
reasons = [r["id"] for r in run["invalid_reasons"]]
assert run["verdict"] == "invalid" and reason in reasons, (case, run["verdict"], reasons)
arrivals, attempts = run["arrivals"], run["attempts"]
assert arrivals["offered"] == sum(arrivals[k] for k in ("passed", "recovered", "failed", "shed", "unfinished")), arrivals
assert attempts["total"] == attempts["first"] + attempts["retries"], attempts
others = [f["id"] for f in run["faults"] if not f["id"].startswith("generator.")]
assert not others or not reason.startswith("generator."), f"{case}: blamed on the candidate: {others}"
print(f"| {case} | {arrivals['offered']:,} | {arrivals['passed']:,} | {', '.join(reasons)} |")
PY
}

echo "$(date +%F), $("$downpour" --version), $(uname -sr)"
printf '\n| case | offered | passed | invalid for |\n|---|---|---|---|\n'
expect_invalid "sixteen ports, no keep-alive" generator.no_ports \
    'echo "20000 20015" >/proc/sys/net/ipv4/ip_local_port_range' --rate 500 -d 2s --no-keepalive
expect_invalid "a rate beyond a core" generator_cpu \
    'taskset -pc 0 $$ >/dev/null' --rate 300k/s -d 2s --threads 1 --max-in-flight 100k --batch-interval 1ms

group=/sys/fs/cgroup/downpour-$$
if [[ -f /sys/fs/cgroup/cgroup.controllers ]] && grep -qw cpu /sys/fs/cgroup/cgroup.controllers && mkdir "$group"; then
    echo +cpu >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    if echo "10000 100000" >"$group/cpu.max"; then
        expect_invalid "a tenth of a core" cgroup_throttled "echo \$\$ >$group/cgroup.procs" --rate 5000 -d 3s
    fi
else
    group=
    echo "(no cgroup could be made here: cgroup_throttled not provoked)"
fi
