#!/usr/bin/env bash
# downpour's HTTP/2 against servers that are not ours: nghttpd and nginx, in
# plain text with prior knowledge and over TLS with ALPN.
#
# Every request must pass and every book balance. nginx ends a connection by
# GOAWAY after a thousand requests, and is asked once to allow three streams
# only: neither may cost a request. That HTTP/2 was spoken is taken from the
# servers: nginx's log, nghttpd's limit of streams.
#
#   tests/peers/h2c.sh [REQUESTS of each case, 5000]
#
# DOWNPOUR_BIN says which program; RATE how fast. Missing packages are installed
# where apt-get can do that.
set -euo pipefail
cd "$(dirname "$0")/../.."

requests=${1:-5000}
rate=${RATE:-1000}
downpour=${DOWNPOUR_BIN:-target/release/downpour}
[[ -x $downpour ]] || { echo "missing: $downpour (cargo build --release, or set DOWNPOUR_BIN)" >&2; exit 1; }
downpour=$(realpath "$downpour")

require() { # COMMAND PACKAGE
    command -v "$1" >/dev/null && return
    echo "installing $2" >&2
    apt-get install -y -q "$2" >/dev/null && command -v "$1" >/dev/null && return
    echo "missing: $1 (apt-get install $2)" >&2
    exit 1
}
require nghttpd nghttp2-server
require nginx nginx-light
require openssl openssl
require jq jq
require python3 python3

work=$(mktemp -d)
server=
stop_server() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}
clean_up() {
    stop_server
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

path=/api/v1/crates/serde/1.0.217/download
mkdir -p "$work/docs$(dirname "$path")"
echo 'no archive' >"$work/docs$path"
echo "$path" >"$work/list"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

nghttpd_on() { # PORT plain|tls
    if [[ $2 == tls ]]; then
        exec nghttpd -a 127.0.0.1 -d "$work/docs" "$1" "$work/key.pem" "$work/cert.pem"
    fi
    exec nghttpd --no-tls -a 127.0.0.1 -d "$work/docs" "$1"
}

nginx_on() { # PORT plain|tls [STREAMS]
    local tls=
    [[ $2 == tls ]] && tls="ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;"
    : >"$work/access.log"
    cat >"$work/nginx.conf" <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
worker_processes 1;
events { worker_connections 1024; }
http {
    log_format protocol '\$server_protocol \$status';
    access_log $work/access.log protocol;
    server {
        listen 127.0.0.1:$1 $([[ $2 == tls ]] && echo ssl) http2;
        http2_max_concurrent_streams ${3:-128};
        $tls
        location / { return 302 https://static.crates.io\$request_uri; }
    }
}
CONF
    exec nginx -p "$work" -c "$work/nginx.conf"
}

# Starts a server on a port that was free a moment ago, and again on another
# where somebody was faster. Sets `port`.
start() { # FUNCTION plain|tls [MORE]
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        "$1" "$port" "${@:2}" >"$work/server.log" 2>&1 &
        server=$!
        for _ in $(seq 50); do
            if ! kill -0 "$server" 2>/dev/null; then
                break
            elif (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
                return
            fi
            sleep 0.1
        done
        stop_server
    done
    cat "$work/server.log" "$work/error.log" 2>/dev/null >&2 || true
    echo "no port to listen on" >&2
    exit 1
}

books='
    (.arrivals | .offered == .passed + .recovered + .failed + .shed + .unfinished) and
    (.attempts | .total == .first + .retries and .total == .completed + ([.faults[]] | add // 0) + .unfinished) and
    (.targets | .redirects == .checked + .broken + ([.unchecked[]] | add // 0)) and
    (.attempts.completed == ([.statuses[]] | add // 0))'

replay() { # NAME EXPECTED-LIMIT FLAGS...
    local name=$1 limit=$2 run="$work/run-$1"
    "$downpour" replay "$work/list" --loop -n "$requests" --rate "$rate" --verify policy --max-lateness 1s \
        --resolve 127.0.0.1 --no-progress --out "$run" "${@:3}" >"$work/said" 2>&1 || {
        cat "$work/said" >&2
        echo "$name: FAILED" >&2
        exit 1
    }
    jq -e --argjson n "$requests" --argjson limit "$limit" "
        .verdict == \"passed\" and .arrivals.offered == \$n and .arrivals.passed == \$n and
        .connections.stream_limit_seen == \$limit and $books" "$run/run.json" >/dev/null || {
        jq '{verdict, arrivals, attempts, connections}' "$run/run.json" >&2
        echo "$name: the report is not what it should be" >&2
        exit 1
    }
    jq -r --arg name "$name" '[$name, .arrivals.passed, .connections.opened, .connections.stream_limit_seen,
        .connections.gone_away, .connections.streams_refused, .connections.stale_replays,
        .latency_us.p50, .latency_us.p99] | @tsv' "$run/run.json" | awk -F '\t' \
        '{ printf "%-22s %8d %8d %8d %8d %8d %8d %8d %8d\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
}

all_http2() { # NAME: each request in nginx's log was HTTP/2 and redirected
    local others
    others=$(grep -cv '^HTTP/2.0 302$' "$work/access.log" || true)
    if ((others > 0)) || (($(wc -l <"$work/access.log") < requests)); then
        echo "$1: $others of $(wc -l <"$work/access.log") logged requests were not HTTP/2 or not redirected" >&2
        exit 1
    fi
}

echo "$("$downpour" --version), $(nghttpd --version), $(nginx -v 2>&1), $requests requests at $rate/s"
printf '%-22s %8s %8s %8s %8s %8s %8s %8s %8s\n' case passed opened limit goaway refused again p50_us p99_us

start nghttpd_on plain
replay nghttpd-plain 100 --target "http://localhost:$port" --http 2 -c 4
stop_server
start nghttpd_on tls
replay nghttpd-tls 100 --target "https://localhost:$port" --http auto --cacert "$work/cert.pem" -c 4
stop_server
start nginx_on plain
replay nginx-plain 128 --target "http://localhost:$port" --http 2 -c 4
stop_server
all_http2 nginx-plain
start nginx_on tls
replay nginx-tls 128 --target "https://localhost:$port" --http auto --cacert "$work/cert.pem" -c 4
stop_server
all_http2 nginx-tls
start nginx_on plain 3
replay nginx-three-streams 3 --target "http://localhost:$port" --http 2 -c 4 --streams 10
stop_server
all_http2 nginx-three-streams
