#!/usr/bin/env bash
# Makes the committed example again: the demo's incident in all its renderings, and
# the picture of its page that the README shows. Wants a quiet machine.
#
#   reports/make-example.sh [PROGRAM [FLAG…]]   builds one if none is named; flags are the demo's
set -euo pipefail
downpour=${1:+$(realpath "$1")}
shift || true
cd "$(dirname "$0")/.."
if [ -z "$downpour" ]; then
    cargo build --release
    downpour=target/release/downpour
fi
rm -rf reports/incident
# Exits with 3: its downloads fail, which is what it shows.
"$downpour" demo "$@" --quiet --out reports/incident >/dev/null || [ $? = 3 ]
"$downpour" report reports/incident | cmp - reports/incident/summary.txt
for form in markdown=summary.md junit=junit.xml k6=k6.json prometheus=metrics.prom csv=intervals.csv hgrm=latency.hgrm; do
    "$downpour" report reports/incident --format "${form%%=*}" -o "reports/incident/${form#*=}"
done
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --hide-scrollbars \
    --user-data-dir="$profile" --virtual-time-budget=3000 --window-size=1000,900 \
    --screenshot=reports/incident/report.png "file://$PWD/reports/incident/report.html" 2>/dev/null
du -sb reports/incident
