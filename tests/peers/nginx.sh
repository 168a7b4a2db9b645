#!/usr/bin/env bash
# The judge against nginx: ten thousand redirect rules in an nginx of today, a
# store behind them in another, with TLS, and unbound to say which hosts exist.
#
# First all is right, and nothing may be found. Then thirteen routes are broken,
# each in its own way; then the rules are one regular expression, whose captures
# nginx has decoded, so that `%2B` becomes `+`; then one route in ten leads to a
# file that the store has not, or may not give; then the store's certificate is
# another's, and then nobody is there. Found must be exactly what was broken, and
# the store, by its own log, asked for each file once.
#
#   tests/peers/nginx.sh [ROUTES, 10000]
#
# DOWNPOUR_BIN says which program; RATE how fast (500).
set -euo pipefail
source "$(dirname "$0")/stage.sh"
require nginx nginx-light
require unbound unbound
require openssl openssl

routes=${1:-10000}
((routes >= 100)) || { echo "at least 100 routes" >&2; exit 2; }
python3 "$peers/routes.py" "$work" "$routes"
certificate static.store.test
certificate other.store.test
cat >"$work/rules.toml" <<'RULES'
[[rule]]
match = "/api/v1/crates/{crate}/{version}/download"
status = 302
location = "https://static.store.test/crates/{crate}/{crate}-{version}.crate"
RULES

# The candidate: a table of routes, or one rule for all of them.
candidate_on() { # PORT TABLE|regex
    if [[ $2 == regex ]]; then
        run_nginx candidate <<CONF
server {
    listen 127.0.0.1:$1;
    location ~ ^/api/v1/crates/([^/]+)/([^/]+)/download\$ {
        return 302 https://static.store.test/crates/\$1/\$1-\$2.crate;
    }
}
CONF
    fi
    run_nginx candidate <<CONF
map_hash_max_size 65536;
map_hash_bucket_size 256;
map \$request_uri \$leads_to {
    default none;
    include $2;
}
server {
    listen 127.0.0.1:$1;
    absolute_redirect off;
    if (\$leads_to = none) { return 404; }
    return 302 \$leads_to;
}
CONF
}
store_on() { # PORT CERTIFICATE
    run_nginx store <<CONF
server {
    listen 127.0.0.1:$1 ssl;
    ssl_certificate $work/$2.pem;
    ssl_certificate_key $work/$2.key;
    access_log $work/store.log;
    default_type application/octet-stream;
    root $work/store;
}
CONF
}
judge() { # CASE FLAGS... -- EXPECTATIONS...
    expect "$1" "http://127.0.0.1:${ports[candidate]}" --rules "$work/rules.toml" --verify head --verify-rate max \
        --resolver "127.0.0.1:${ports[names]}" --allow-private --roots none --cacert "$work/static.store.test.pem" \
        --verify-connect-to "static.store.test:443:127.0.0.1:${ports[store]}" "${@:2}"
}

store_was_asked() { # TIMES, by its own log
    local times
    times=$(wc -l <"$work/store.log")
    ((times == $1)) || { echo "the store was asked $times times, and not $1" >&2; exit 1; }
}

head_line "$(nginx -v 2>&1), unbound $(unbound -V | sed -n 's/^Version //p'), $routes routes"
start names static.store.test staging.store.test static.store.test.stranger.test
start store static.store.test
start candidate "$work/sound.map"
judge sound --threads 2 -- /arrivals/passed="$routes" /targets/tiers/fetch/checked="$routes" \
    /statuses/302="$routes" /targets/requests="$routes"
store_was_asked "$routes"

start candidate "$work/broken.map"
rm "$(cat "$work/gone")"
broken=()
for fault in "$work"/broken/*; do
    broken+=("$(basename "$fault")=@$fault")
done
judge thirteen-broken -- "${broken[@]}" /arrivals/passed=$((routes - ${#broken[@]}))

start candidate regex
grep -vxFf "$work/broken/target.404" "$work/list" >"$work/there"
mv "$work/there" "$work/list"
judge regex -- location.encoding=@"$work/plus"

start candidate "$work/sound.map"
awk 'NR % 20 == 3' "$work/list" >"$work/missing"
awk 'NR % 20 == 13' "$work/list" >"$work/forbidden"
store_file() { # reads paths, prints their files
    sed -E "s,^/api/v1/crates/([^/]+)/([^/]+)/download$,$work/store/crates/\1/\1-\2.crate,; s/%2B/+/"
}
store_file <"$work/missing" | xargs rm
store_file <"$work/forbidden" | xargs chmod 000
judge one-in-ten -- target.404=@"$work/missing" target.403=@"$work/forbidden"

head -n 100 "$work/list" >"$work/few"
mv "$work/few" "$work/list"
start store other.store.test
judge other-certificate --cacert "$work/other.store.test.pem" -- target.tls_certificate=100
stop store
judge no-store -- target.refused=100
