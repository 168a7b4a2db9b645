#!/usr/bin/env bash
# The judge against devpi, a mirror of Python package indexes that redirects to
# the files' own host: here nginx, with TLS. The index that it mirrors is nginx,
# too.
#
# First all is right, versions with a `+` among it, and names that devpi
# redirects to as PEP 503 writes them. Then the store lost a file, has a page in
# place of another, and may not give a third; then the index that devpi mirrors
# lost a slash, and devpi hands that on.
#
#   tests/peers/devpi.sh [FILES of each of three projects, 12]
#
# DOWNPOUR_BIN says which program; RATE how fast (50: devpi is slow). Takes devpi
# from a package index, into target/peers.
set -euo pipefail
source "$(dirname "$0")/stage.sh"
require nginx nginx-light
require unbound unbound
require openssl openssl
devpi=target/peers/devpi/bin
if [[ ! -x $devpi/devpi-server ]]; then
    echo "installing devpi-server" >&2
    python3 -m venv target/peers/devpi
    "$devpi/pip" -q install devpi-server
fi
RATE=${RATE:-50}

each=${1:-12}
((each >= 4)) || { echo "at least 4 files" >&2; exit 2; }
files=$((3 * each))
python3 "$peers/wheels.py" files "$work" "$each"
certificate files.store.test

index_on() { # PORT
    run_nginx index <<CONF
types { text/html html; }
server { listen 127.0.0.1:$1; root $work; }
CONF
}
store_on() { # PORT
    run_nginx store <<CONF
default_type application/octet-stream;
server {
    listen 127.0.0.1:$1 ssl;
    ssl_certificate $work/files.store.test.pem;
    ssl_certificate_key $work/files.store.test.key;
    root $work/store;
}
CONF
}
devpi_on() { # PORT
    rm -rf "$work/devpi"
    "$devpi/devpi-init" --serverdir "$work/devpi" --no-root-pypi --root-passwd only-here
    exec "$devpi/devpi-server" --serverdir "$work/devpi" --host 127.0.0.1 --port "$1"
}
# A devpi that has not seen the index before.
start_devpi() {
    start devpi
    candidate=http://127.0.0.1:${ports[devpi]}
    python3 "$peers/wheels.py" mirror "$candidate" "http://127.0.0.1:${ports[index]}/simple/"
    python3 "$peers/wheels.py" list "$candidate" "$work"
    cat >"$work/rules.toml" <<RULES
[[rule]]
match = "/root/mirror/+f/{a}/{b}/{file}"
status = 302
location = "https://files.store.test/packages/{file}"

[[rule]]
match = "/root/mirror/+simple/{project}/"
status = 302
location = "$candidate/root/mirror/+simple/{project:pep503}/"

[[rule]]
match = "/root/mirror/+simple/{project}"
status = 302
location = "$candidate/root/mirror/+simple/{project}/"
RULES
}
judge() { # CASE FLAGS... -- EXPECTATIONS...
    expect "$1" "$candidate" --rules "$work/rules.toml" --verify get --verify-rate max \
        --resolver "127.0.0.1:${ports[names]}" --allow-private --roots none --cacert "$work/files.store.test.pem" \
        --verify-connect-to "files.store.test:443:127.0.0.1:${ports[store]}" "${@:2}"
}
those() { # PATTERN: the requests like it, in a file for them
    grep -F -- "$1" "$work/list" >"$work/those.$1"
    echo "@$work/those.$1"
}

head_line "devpi-server $("$devpi/devpi-server" --version), $(nginx -v 2>&1), $files files"
start names files.store.test
start index
start store
start_devpi
judge sound -- /statuses/302="$files" /arrivals/passed="$files"

rm "$work/store/packages/brisk-1.1+cpu-py3-none-any.whl"
chmod 000 "$work/store/packages/light-1.0.tar.gz"
echo '<!DOCTYPE html><title>Back soon</title>' >"$work/store/packages/calm_and_kind-1.2.tar.gz"
judge spoiled -- target.404="$(those brisk-1.1+)" target.403="$(those light-1.0.)" \
    target.not_an_archive="$(those calm_and_kind-1.2.)"

printf '/root/mirror/+simple/%s\n' brisk Brisk/ Calm.And_Kind/ LIGHT/ >"$work/list"
judge names -- /statuses/302=4 /arrivals/passed=4 /targets/requests=6

# The slash that was lost once, one file in four of them having a `+`.
sed -i 's,test/packages/\(.*%2B\),testpackages/\1,' "$work"/simple/*/index.html
start_devpi
judge lost-slash -- dns.nxdomain="$(those +cpu)" target.403="$(those light-1.0.)" \
    target.not_an_archive="$(those calm_and_kind-1.2.)"
