#!/usr/bin/env bash
# The lookups against resolvers that are not ours: unbound and dnsmasq.
#
# nginx redirects to whatever host its path names; what the resolver makes of
# that host must be told by its own fault, and a sound host by none: an alias, an
# address of the new kind alone, an answer too long for UDP, one that comes after
# a second. unbound answers from a zone, refuses, drops, asks a name server that
# never answers, and finds a zone's signature missing. dnsmasq knows nobody to
# ask. At last the first of two resolvers is dead, and then both.
#
#   tests/peers/resolver.sh
#
# DOWNPOUR_BIN says which program; RATE how fast (500).
set -euo pipefail
source "$(dirname "$0")/stage.sh"
require nginx nginx-light
require unbound unbound
require dnsmasq dnsmasq-base

# How often each host is redirected to.
times=20

candidate_on() { # PORT
    run_nginx candidate <<CONF
server {
    listen 127.0.0.1:$1;
    location ~ ^/to/(?<leads_to>[^/]+)/ { return 302 https://\$leads_to/file; }
}
CONF
}
# Nobody connects to any of these addresses: looking up is all that is done.
cat >"$work/zone" <<ZONE
\$ORIGIN zone.test.
@ 60 SOA ns.zone.test. nobody.zone.test. 1 60 60 60 60
@ 60 NS ns.zone.test.
ns 60 A 127.0.0.1
good 60 A 1.1.1.1
new-kind 60 AAAA 2606:4700:4700::1111
alias 60 CNAME other-alias
other-alias 60 CNAME good
alias-to-nowhere 60 CNAME gone
text 60 TXT "no address"
inside 60 A 10.1.2.3
inside-too 60 A 1.1.1.1
inside-too 60 A 169.254.169.254
inside-new-kind 60 AAAA fd00::1
$(for n in $(seq 120); do echo "many 60 A 1.1.1.$n"; done)
ZONE
slow_on() { # PORT
    exec python3 "$peers/slow-dns.py" "$1"
}
unsigned_on() { # PORT
    exec dnsmasq -k -p "$1" -a 127.0.0.1 -z -C /dev/null -R -h --address=/signed.test/1.1.1.1
}
unbound_on() { # PORT
    run_unbound "$1" <<CONF
local-zone: "." always_nxdomain
    local-zone: "zone.test" transparent
    local-zone: "late.test" transparent
    local-zone: "silent.test" transparent
    local-zone: "signed.test" transparent
    local-zone: "refused.test" always_refuse
    local-zone: "dropped.test" always_deny
    module-config: "validator iterator"
    domain-insecure: "late.test"
    trust-anchor: "signed.test. DS 1 13 2 $(printf '%064d' 1)"
auth-zone:
    name: "zone.test"
    zonefile: "$work/zone"
forward-zone:
    name: "late.test"
    forward-addr: 127.0.0.1@${ports[slow]}
forward-zone:
    name: "silent.test"
    forward-addr: 127.0.0.1@${ports[slow]}
forward-zone:
    name: "signed.test"
    forward-addr: 127.0.0.1@${ports[unsigned]}
CONF
}
dnsmasq_on() { # PORT
    exec dnsmasq -k -p "$1" -a 127.0.0.1 -z -C /dev/null -R -h --local=/local.test/ \
        --address=/good.local.test/1.1.1.1 --address=/inside.local.test/192.168.0.1 --txt-record=text.local.test,none
}
redirect_to() { # HOST...
    for _ in $(seq "$times"); do
        printf '/to/%s/\n' "$@"
    done >"$work/list"
}
judge() { # CASE FLAGS... -- EXPECTATIONS...
    expect "$1" "http://127.0.0.1:${ports[candidate]}" --verify dns --grace 30s "${@:2}"
}
to() { # HOST...: the requests that lead there, in a file for them
    printf '/to/%s/\n' "$@" | grep -xFf - "$work/list" >"$work/to.$1"
    echo "@$work/to.$1"
}

head_line "unbound $(unbound -V | sed -n 's/^Version //p'), $(dnsmasq -v | sed -n 's/ *Copyright.*//p'), $(nginx -v 2>&1)"
start candidate
start slow
start unsigned
start unbound
start dnsmasq
unbound=(--resolver "127.0.0.1:${ports[unbound]}")
dnsmasq=(--resolver "127.0.0.1:${ports[dnsmasq]}")

redirect_to {good,new-kind,alias,many}.zone.test slow.late.test
judge unbound-sound "${unbound[@]}" -- /arrivals/passed=$((5 * times)) /targets/lookups=5

gone=(static.zone.testcrates gone.zone.test alias-to-nowhere.zone.test)
inside=({inside,inside-too,inside-new-kind}.zone.test)
silent=(some.dropped.test some.silent.test)
redirect_to good.zone.test text.zone.test some.refused.test some.signed.test "${gone[@]}" "${inside[@]}" "${silent[@]}"
judge unbound-broken "${unbound[@]}" -- \
    dns.nxdomain="$(to "${gone[@]}")" dns.no_address="$(to text.zone.test)" \
    dns.private_address="$(to "${inside[@]}")" dns.refused="$(to some.refused.test)" \
    dns.servfail="$(to some.signed.test)" dns.timeout="$(to "${silent[@]}")" /arrivals/passed=$times

redirect_to good.local.test inside.local.test text.local.test gone.local.test elsewhere.test
judge dnsmasq "${dnsmasq[@]}" -- dns.nxdomain="$(to gone.local.test)" dns.no_address="$(to text.local.test)" \
    dns.private_address="$(to inside.local.test)" dns.refused="$(to elsewhere.test)" /arrivals/passed=$times

# Nobody listens where it did.
stop dnsmasq
redirect_to good.zone.test gone.zone.test
judge first-is-dead "${dnsmasq[@]}" "${unbound[@]}" -- dns.nxdomain="$(to gone.zone.test)" /arrivals/passed=$times
stop unbound
judge both-are-dead "${dnsmasq[@]}" "${unbound[@]}" -- generator.no_resolver=$((2 * times))
