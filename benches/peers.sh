#!/usr/bin/env bash
# The same rate, server and machine for downpour and for other load generators.
#
# nginx answers every request with a redirect, on one core; each client runs on
# another. Told are the requests done, the client's processor time for each, and
# the latency as the client itself reports it. Peers differ in what they mean by
# that: ab and h2load time from when they sent, not from when it was due, and
# wrk has no rate at all and is told for its cost alone.
#
#   benches/peers.sh [RATE a second, 4700] [SECONDS, 30]
#
# Needs two cores and a built program: cargo build --release
set -euo pipefail
cd "$(dirname "$0")/.."

rate=${1:-4700}
seconds=${2:-30}
connections=${CONNECTIONS:-64}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
downpour=${DOWNPOUR:-target/release/downpour}
path=/api/v1/crates/serde_derive/1.0.217/download
requests=$((rate * seconds))

missing=0
require() { # COMMAND HOW-TO-GET-IT
    command -v "$1" >/dev/null && return
    echo "missing: $1 ($2)" >&2
    missing=1
}
require taskset 'apt-get install util-linux'
require nginx 'apt-get install nginx-light'
[[ -x $downpour ]] || { echo "missing: $downpour (cargo build --release)" >&2; missing=1; }
((missing == 0)) || exit 1
if (($(nproc) <= client_core)); then
    echo "client and server need a core each; this machine has $(nproc): set CLIENT_CORE and SERVER_CORE" >&2
    exit 1
fi

work=$(mktemp -d)
nginx_pid=
clean_up() {
    if [[ -n $nginx_pid ]]; then
        kill "$nginx_pid" 2>/dev/null || true
        wait "$nginx_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# nginx can't be told to choose a port and say which: take one that is free now
# and try again where somebody was faster.
start_nginx() {
    local port=$((20000 + RANDOM % 12000))
    cat >"$work/nginx.conf" <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
worker_processes 1;
events { worker_connections 8192; }
http {
    access_log off;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
    uwsgi_temp_path $work; scgi_temp_path $work;
    keepalive_requests 100000000;
    server {
        listen 127.0.0.1:$port backlog=8192;
        location / { return 302 https://static.crates.io/crates/serde_derive/serde_derive-1.0.217.crate; }
    }
}
CONF
    taskset -c "$server_core" nginx -p "$work" -e "$work/error.log" -c "$work/nginx.conf" 2>"$work/said" &
    nginx_pid=$!
    url=http://127.0.0.1:$port
    for _ in $(seq 100); do
        kill -0 "$nginx_pid" 2>/dev/null || return 1
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}
for attempt in 1 2 3 4 5; do
    start_nginx && break
    ((attempt < 5)) || { echo "nginx does not start:" >&2; cat "$work/said" >&2; exit 1; }
done

# Runs a client on its core, for a bounded time; sets $cpu to the seconds it took.
client() {
    local TIMEFORMAT='%U %S'
    { time taskset -c "$client_core" timeout $((seconds * 2 + 30)) "$@" >"$work/out" 2>"$work/err"; } \
        2>"$work/time" || true
    cpu=$(awk '{ print $1 + $2 }' "$work/time")
}
row() { # NAME DONE P50 P99 REMARK
    awk -v name="$1" -v done="${2:-0}" -v cpu="$cpu" -v p50="${3:--}" -v p99="${4:--}" -v remark="${5:-}" '
        BEGIN { each = done > 0 ? sprintf("%.1f", cpu * 1e6 / done) : "-"
                printf "%-10s %10d %14s %12s %12s  %s\n", name, done, each, p50, p99, remark }'
}
absent() { printf '%-10s not here: %s\n' "$1" "$2"; }

echo "$rate requests a second for $seconds s, $connections connections; server on core $server_core, clients on $client_core"
printf '%-10s %10s %14s %12s %12s\n' client done 'CPU µs each' p50 p99

echo "$path" >"$work/list"
client "$downpour" replay "$work/list" --target "$url" --loop --rate "$rate/s" -d "${seconds}s" \
    --rules crates-io --verify policy --format json --quiet --allow-invalid --out "$work/run"
number() { grep -A12 "\"$1\": {" "$work/out" | sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" | head -n 1; }
row downpour "$(number attempts completed)" "$(number latency_us p50)us" "$(number latency_us p99)us" \
    'from due; every redirect judged'

if command -v oha >/dev/null; then
    client oha --no-tui --output-format json -q "$rate" -z "${seconds}s" -c "$connections" --redirect 0 \
        --latency-correction "$url$path"
    percentile() { sed -n "s/.*\"$1\": *\([0-9.e-]*\).*/\1/p" "$work/out" | head -n 1 | awk '{ printf "%.0fus", $1 * 1e6 }'; }
    completed=$(sed -n '/"statusCodeDistribution"/,/}/p' "$work/out" | grep -o ': *[0-9]*' | tr -dc '0-9\n' |
        awk '{ sum += $1 } END { print sum + 0 }')
    row oha "$completed" "$(percentile p50)" "$(percentile p99)" 'from due'
else
    absent oha 'cargo install oha'
fi

if command -v h2load >/dev/null; then
    client h2load --h1 -D "$seconds" -c "$connections" -t 1 --rps $((rate / connections)) "$url$path"
    completed=$(awk '/^requests:/ { for (i = 1; i <= NF; i++) if ($i ~ /^done/) print $(i - 1) }' "$work/out")
    mean=$(awk '/^time for request:/ { print $6 }' "$work/out")
    row h2load "$completed" - - "from sent; reports no percentiles, mean $mean"
else
    absent h2load 'apt-get install nghttp2-client'
fi

if command -v ab >/dev/null; then
    client ab -q -k -t "$seconds" -n "$requests" -c "$connections" "$url$path"
    completed=$(awk '/^Complete requests:/ { print $3 }' "$work/out")
    row ab "$completed" "$(awk '$1 == "50%" { print $2 "ms" }' "$work/out")" \
        "$(awk '$1 == "99%" { print $2 "ms" }' "$work/out")" 'from sent; closed loop, as fast as it can'
else
    absent ab 'apt-get install apache2-utils'
fi

if command -v wrk >/dev/null; then
    client wrk -t 1 -c "$connections" -d "${seconds}s" --latency "$url$path"
    completed=$(awk '/requests in/ { print $1 }' "$work/out")
    row wrk "$completed" "$(awk '$1 == "50%" { print $2 }' "$work/out")" \
        "$(awk '$1 == "99%" { print $2 }' "$work/out")" 'from sent; closed loop, as fast as it can'
else
    absent wrk 'apt-get install wrk'
fi
