#!/usr/bin/env bash
# The files of a run, each opened by a program that others wrote: latency.hlog by
# the Python and the JavaScript port of HdrHistogram, whose percentiles must be
# those of our .hgrm and run.json; run.json by a validator of JSON Schema; JUnit,
# Markdown and CSV by their Python readers; metrics.prom by promtool; and a run
# that goes on is scraped by a Prometheus, which then has to answer every query of
# deploy/grafana.json.
#
#   tests/peers/files.sh
#
# DOWNPOUR_BIN says which program. Needs npm and prometheus, installed where
# apt-get can do that, and package indexes to get the readers from. Connections
# but for those end on this machine.
set -euo pipefail
. "$(dirname "$0")/stage.sh"
require promtool prometheus
require prometheus prometheus
require npm npm

place=$PWD/target/peers
mkdir -p "$place/node"
[[ -x $place/venv/bin/python ]] || python3 -m venv "$place/venv"
python=$place/venv/bin/python
readers="hdrhistogram==0.10.8 jsonschema junitparser markdown-it-py prometheus-client"
# shellcheck disable=SC2086
"$python" -c 'import hdrh, jsonschema, junitparser, markdown_it, prometheus_client' 2>/dev/null ||
    "$place/venv/bin/pip" -q install $readers
[[ -d $place/node/node_modules/hdr-histogram-js ]] ||
    npm install --silent --no-audit --no-fund --prefix "$place/node" hdr-histogram-js@3.0.1

# A run with failures, retries and a threshold, in every form.
api_on() { exec "$downpour" serve --listen "127.0.0.1:$1" --fault missing-slash@6s..12s; }
prometheus_on() { # PORT SCRAPED
    cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: downpour
    static_configs: [{targets: ["127.0.0.1:$2"]}]
YAML
    promtool check config "$work/prometheus.yml" >&2
    exec prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
        --web.listen-address="127.0.0.1:$1" --log.level=warn
}

start api
metrics=$(free_port)
start prometheus "$metrics"
dns=$(sed -n 's/^dns //p' "$work/api.said")
run=$work/run
forms="markdown junit k6 prometheus csv hgrm hgrm-failed hgrm-service hgrm-lateness"
flags=()
for form in $forms; do
    flags+=(--export "$form=$work/$form")
done
status=0
"$downpour" replay traces/incident/api-requests.log.gz --target "http://127.0.0.1:${ports[api]}" \
    --resolver "$dns" --allow-private --rules crates-io --rate 300 -d 20s --loop --max-lateness 60s \
    --out "$run" --metrics-addr "127.0.0.1:$metrics" --quiet "${flags[@]}" >/dev/null || status=$?
[[ $status = 3 ]] || { echo "the run ended with $status" >&2; exit 1; }

# What was told while it went on and what it came to, from the same series.
"$python" "$peers/files.py" scraped "http://127.0.0.1:${ports[prometheus]}" deploy/grafana.json "$run/run.json"
promtool check metrics <"$run/metrics.prom"
echo "promtool: metrics.prom is sound"

for form in $forms; do
    "$downpour" report "$run" --format "$form" | cmp - "$work/$form"
done
"$downpour" schema >"$work/schema.json"
"$python" "$peers/files.py" forms "$run" "$work"
NODE_PATH=$place/node/node_modules node "$peers/files.js" "$run/latency.hlog" "$work"
