#!/usr/bin/env bash
# The judge against the registry that container engines pull from (CNCF
# distribution), set to redirect to a store: nginx, with TLS, on a copy of its
# files.
#
# Judged by the set of rules `oci` as it comes, and down to the digest by a rule
# that says what is in a path. First all blobs are there; then one is gone from
# the store, one may not be read, one is cut short and one has other bytes; then
# the redirects leave https; then the registry sends the blobs itself.
#
#   tests/peers/docker-registry.sh [BLOBS, 60]
#
# DOWNPOUR_BIN says which program; RATE how fast (500).
set -euo pipefail
source "$(dirname "$0")/stage.sh"
require docker-registry docker-registry
require nginx nginx-light
require unbound unbound
require openssl openssl

blobs=${1:-60}
((blobs >= 10)) || { echo "at least 10 blobs" >&2; exit 2; }
certificate blobs.store.test
cat >"$work/digests.toml" <<'RULES'
[[rule]]
match = "/v2/{name..}/blobs/sha256:{version}"
status = 307
hosts = ["blobs.store.test"]
RULES

registry_on() { # PORT [BASE to redirect to]
    cat >"$work/registry.yml" <<CONF
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/registry } }
http: { addr: "127.0.0.1:$1", secret: only-here }
CONF
    [[ -z ${2:-} ]] || cat >>"$work/registry.yml" <<CONF
middleware: { storage: [{ name: redirect, options: { baseurl: "$2" } }] }
CONF
    exec docker-registry serve "$work/registry.yml"
}
store_on() { # PORT
    run_nginx store <<CONF
server {
    listen 127.0.0.1:$1 ssl;
    ssl_certificate $work/blobs.store.test.pem;
    ssl_certificate_key $work/blobs.store.test.key;
    default_type application/octet-stream;
    root $work/store;
}
CONF
}
judge() { # CASE FLAGS... -- EXPECTATIONS...
    expect "$1" "http://127.0.0.1:${ports[registry]}" --verify-rate max \
        --resolver "127.0.0.1:${ports[names]}" --allow-private --roots none --cacert "$work/blobs.store.test.pem" \
        --verify-connect-to "blobs.store.test:443:127.0.0.1:${ports[store]}" "${@:2}"
}
by_digest=(--rules "$work/digests.toml" --catalog "$work/catalog.csv" --verify digest)
nth() { # NUMBER: that path of the list, in a file for it
    sed -n "$(($1 + 1))p" "$work/list" >"$work/path.$1"
    echo "@$work/path.$1"
}

head_line "$(docker-registry --version), $(nginx -v 2>&1), $blobs blobs"
start registry
python3 "$peers/blobs.py" "http://127.0.0.1:${ports[registry]}" "$work" "$blobs"
mkdir "$work/store"
cp -r "$work/registry/docker" "$work/store"
start names blobs.store.test
start store

start registry https://blobs.store.test/
judge sound --rules oci --verify head -- /statuses/307="$blobs" /arrivals/passed="$blobs"
judge sound-digest "${by_digest[@]}" -- /targets/tiers/digest/checked="$blobs"

file() { # NUMBER: that blob's file in the store
    echo "$work/store/$(cat "$work/blob.$1")"
}
rm "$(file 1)"
chmod 000 "$(file 2)"
truncate -s -1 "$(file 3)"
printf X | dd of="$(file 4)" bs=1 seek=500 conv=notrunc status=none
gone=$(nth 1) shut=$(nth 2) short=$(nth 3) other=$(nth 4)
judge spoiled --rules oci --verify head -- target.404="$gone" target.403="$shut"
judge spoiled-digest "${by_digest[@]}" -- target.404="$gone" target.403="$shut" target.length="$short" \
    target.digest="$other"

start registry http://blobs.store.test/
judge no-https --rules oci --verify head -- location.downgrade="$blobs"
start registry
judge no-redirect --rules oci --verify head -- /statuses/200="$blobs" /targets/redirects=0
