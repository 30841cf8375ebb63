# shellcheck shell=bash
# Sourced by run.sh of several places: processes that end with the script, a fit that alone gets its signals, and no
# open network without TLS. The script sets -m, which gives each process it starts a group of its own: Ctrl-C then
# reaches the script, not the workers.

started=()
trap 'exit 143' TERM HUP # through the trap of EXIT, which stops what was started
trap 'exit 130' INT

usage() { # print the comment at the head of the script, and end
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

say() { echo "$(basename "$(cd "$(dirname "$0")" && pwd)")/run.sh: $*" >&2; }

start() { # NAME COMMAND…: in the background, its words in $LOGS/NAME.log
    local name=$1
    shift
    "$@" </dev/null >>"$LOGS/$name.log" 2>&1 &
    started+=($!)
}

stop_started() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
}

wait_for() { # FILE NAME: until the file is written, or the process of that name shows why it is not
    for _ in $(seq "${PATIENCE:-300}"); do
        [[ -s $1 ]] && return
        sleep 0.1
    done
    say "no $2 after ${PATIENCE:-300} tenths of a second; its last words, from $LOGS/$2.log:"
    tail -n 20 "$LOGS/$2.log" >&2
    exit 1
}

fit() { # DATA STORE OPTION…: begin, go on, or say it is done; return the exit code. Signals go to it alone.
    local data=$1 store=$2 code=0
    shift 2
    dnmf fit "$data" --store "$store" "$@" --resume &
    local pid=$!
    trap 'kill -TERM '$pid' 2>/dev/null || true' TERM
    trap 'kill -INT '$pid' 2>/dev/null || true' INT
    wait "$pid" || code=$?
    while kill -0 "$pid" 2>/dev/null; do # that wait ended with a signal
        code=0
        wait "$pid" || code=$?
    done
    return "$code"
}

refuse_open_network() { # HOST…: without TLS anyone who reaches a scheduler can run code on it
    if [[ ${INSECURE-} ]] || python -c '
import sys, dask, distributed
sys.exit(not dask.config.get("distributed.comm.require-encryption"))'; then
        return
    fi
    for host in "$@"; do
        case $host in
            127.* | localhost | ::1 | lo) ;;
            *)
                say "$host can be reached by others, and without TLS they could run code there. Make certificates" \
                    "(deploy/tls/certs.sh FOLDER) and set DASK_CONFIG=FOLDER, or say --insecure"
                exit 2
                ;;
        esac
    done
}
