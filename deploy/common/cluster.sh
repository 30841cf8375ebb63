# shellcheck shell=bash
# Sourced by scripts whose words are [--insecure] DATA STORE FIT_OPTIONS…: processes that end with the script, a fit that
# alone gets its signals, and no open network without TLS. The script sets -m, which gives each process it starts a group
# of its own: Ctrl-C then reaches the script, not the workers.
. "$(dirname "${BASH_SOURCE[0]}")/usage.sh"
. "$(dirname "${BASH_SOURCE[0]}")/goes-on.sh"
goes_on_by "$0" "$@"

if [[ ${1-} == --insecure ]]; then INSECURE=1 && shift; fi
(($# >= 2)) || usage

started=()
stopped=

leave_at_signals() { # through the trap of EXIT, which stops what was started
    trap 'exit 143' TERM HUP
    trap 'exit 130' INT
}
leave_at_signals

say() { echo "$(basename "$(cd "$(dirname "$0")" && pwd)")/$(basename "$0"): $*" >&2; }

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

last_words() { # WHAT NAME: say what happened, and what a log has of it
    say "$1; last words, from $LOGS/$2.log:"
    tail -n 20 "$LOGS/$2.log" >&2
}

wait_for() { # FILE NAME: until the file is written, or the process of that name shows why it is not
    for _ in $(seq "${PATIENCE:-300}"); do
        [[ -s $1 ]] && return
        sleep 0.1
    done
    last_words "no $2 after ${PATIENCE:-300} tenths of a second" "$2"
    exit 1
}

hand_on() { # SIGNAL: to the fit, or to be handed on when it is there
    # shellcheck disable=SC2034 # fit-loop.sh looks whether it was a signal
    stopped=1
    if [[ $pid ]]; then kill -"$1" "$pid" 2>/dev/null || true; else early=$1; fi
}

fit() { # DATA STORE OPTION…: begin, go on, or say it is done; return the exit code. Signals go to it alone.
    local data=$1 store=$2 code=0 pid='' early='' # and are noted in $stopped
    shift 2
    trap 'hand_on TERM' TERM HUP # before it is started, or a signal then would end the script and not the fit
    trap 'hand_on INT' INT
    dnmf fit "$data" --store "$store" "$@" --resume &
    pid=$!
    if [[ $early ]]; then kill -"$early" "$pid" 2>/dev/null || true; fi
    wait "$pid" || code=$?
    while kill -0 "$pid" 2>/dev/null; do # that wait ended with a signal
        code=0
        wait "$pid" || code=$?
    done
    leave_at_signals
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
