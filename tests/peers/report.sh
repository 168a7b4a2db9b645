#!/usr/bin/env bash
# Opens report.html in a real browser: a short run's, that of an hour made up, and
# the two compared.
# Fails on console errors, on requests that leave the file, on charts that are not
# drawn and on pages that are wider than the screen. Leaves pictures to look at in
# target/peers/report: light, dark, narrow, without scripts, printed.
#
#   tests/peers/report.sh [PROGRAM]      builds one if none is named; needs chromium,
#                                        python3, and a package index to get playwright from
set -euo pipefail
downpour=${1:+$(realpath "$1")}
cd "$(dirname "$0")/../.."

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "needs chromium: apt-get install chromium" >&2
    exit 1
}
place=target/peers
mkdir -p "$place"
[ -x "$place/venv/bin/python" ] || python3 -m venv "$place/venv"
"$place/venv/bin/python" -c 'import playwright' 2>/dev/null || "$place/venv/bin/pip" -q install playwright

if [ -z "$downpour" ]; then
    cargo build --release
    downpour=target/release/downpour
fi
runs=$place/report
rm -rf "$runs"
mkdir -p "$runs"
# Exits with 3: its downloads fail, which is what it shows. Its fault lasts for 12 s,
# longer than cargo's retries.
"$downpour" demo --duration 24s --rate 1k --max-lateness 60s --quiet --out "$runs/demo" >/dev/null || [ $? = 3 ]
"$downpour" report "$runs/demo" -o "$runs/again.html"
cmp "$runs/demo/report.html" "$runs/again.html"
"$downpour" report "$runs/demo" | cmp - "$runs/demo/summary.txt"
"$place/venv/bin/python" tests/peers/report.py hour "$runs/demo" "$runs/hour"
/usr/bin/time -f 'an hour is rendered in %e s with %M KB' "$downpour" report "$runs/hour" -o "$runs/hour/report.html"
mkdir "$runs/compared"
"$downpour" demo --duration 24s --rate 1.2k --max-lateness 60s --quiet --out "$runs/other" >/dev/null || [ $? = 3 ]
"$downpour" compare "$runs/demo" "$runs/other" -o "$runs/compared/report.html"
"$place/venv/bin/python" tests/peers/report.py look "$chromium" "$runs"/{demo,hour,compared}/report.html
