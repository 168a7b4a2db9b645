# The stage of the scripts that judge redirects: sourced by them, no script by
# itself. Starts servers on ports that the system chose, runs downpour against
# them, holds what it found against what is expected, and takes all down again.

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
peers=$PWD/tests/peers
downpour=${DOWNPOUR_BIN:-target/release/downpour}
[[ -x $downpour ]] || cargo build --release
downpour=$(realpath "$downpour")

require() { # COMMAND PACKAGE
    command -v "$1" >/dev/null && return
    echo "installing $2" >&2
    apt-get install -y -q --no-install-recommends "$2" >/dev/null && command -v "$1" >/dev/null && return
    echo "missing: $1 (apt-get install $2)" >&2
    exit 1
}
require python3 python3

work=$(mktemp -d)
# Workers of servers give up root, and must still read what they serve.
chmod 755 "$work"
declare -A servers=() ports=()

stop() { # SERVER
    if [[ -n ${servers[$1]:-} ]]; then
        kill "${servers[$1]}" 2>/dev/null || true
        wait "${servers[$1]}" 2>/dev/null || true
        unset "servers[$1]"
    fi
}
clean_up() {
    for server in "${!servers[@]}"; do
        stop "$server"
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts SERVER by calling `SERVER_on PORT MORE...`, which must `exec` the server
# and not in a pipe, or it would outlive its script; on a port that was free a
# moment ago, and again on another where somebody was faster. Sets
# `${ports[SERVER]}`. A server that runs already is stopped first.
start() { # SERVER MORE...
    stop "$1"
    local port
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        "$1_on" "$port" "${@:2}" >"$work/$1.said" 2>&1 &
        servers[$1]=$!
        ports[$1]=$port
        for _ in $(seq 600); do
            if ! kill -0 "${servers[$1]}" 2>/dev/null; then
                break
            elif (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
                return
            fi
            sleep 0.1
        done
        stop "$1"
    done
    cat "$work/$1.said" >&2
    echo "$1 does not listen" >&2
    exit 1
}

# Makes the certificate of NAME, its own authority: $work/NAME.pem and .key.
certificate() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext "subjectAltName=DNS:$1" -addext basicConstraints=critical,CA:FALSE \
        -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
}

# nginx with the `http` block that comes on standard input.
run_nginx() { # NAME
    mkdir -p "$work/$1.nginx"
    cat >"$work/$1.conf" <<CONF
daemon off;
pid $work/$1.pid;
error_log $work/$1.error.log;
worker_processes 1;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $work/$1.nginx/body;
    $(cat)
}
CONF
    exec nginx -p "$work/$1.nginx" -e "$work/$1.error.log" -c "$work/$1.conf"
}

# unbound with the text on standard input behind its `server:` clause, asking
# nobody but whom that text names.
run_unbound() { # PORT
    mkdir -p "$work/unbound"
    cat >"$work/unbound.conf" <<CONF
server:
    directory: "$work/unbound"
    username: ""
    chroot: ""
    pidfile: "$work/unbound/pid"
    use-syslog: no
    do-daemonize: no
    interface: 127.0.0.1
    port: $1
    num-threads: 1
    do-not-query-localhost: no
    $(cat)
CONF
    exec unbound -d -c "$work/unbound.conf"
}

# Knows HOST..., all on this machine, and that nothing else exists.
names_on() { # PORT HOST...
    {
        echo 'local-zone: "." always_nxdomain'
        for host in "${@:2}"; do
            printf '    local-zone: "%s" transparent\n    local-data: "%s 60 A 127.0.0.1"\n' "$host" "$host"
        done
    } >"$work/names"
    run_unbound "$1" <"$work/names"
}

# Says who takes part, and begins the table that held.py fills.
head_line() { # WHAT...
    echo "$(date +%F), $("$downpour" --version), $*"
    printf '\n| case | offered | lookups | targets judged | requests to them | found |\n|---|---|---|---|---|---|\n'
}

# Replays $work/list against CANDIDATE with FLAGS, up to `--`, and holds the
# result against the expectations behind it; see held.py.
expect() { # CASE CANDIDATE FLAGS... -- EXPECTATIONS...
    local name=$1 candidate=$2 flags=() code=0
    shift 2
    while [[ $1 != -- ]]; do
        flags+=("$1")
        shift
    done
    shift
    "$downpour" replay "$work/list" --target "$candidate" --rate "${RATE:-500}" --max-lateness 5s \
        --no-progress --out "$work/run-$name" "${flags[@]}" >"$work/said" 2>&1 || code=$?
    if ! python3 "$peers/held.py" "$name" "$code" "$work/run-$name" "$@"; then
        cat "$work/said" >&2
        exit 1
    fi
}
