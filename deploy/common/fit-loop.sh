#!/usr/bin/env bash
# A fit that goes on by itself when its cluster was lost: begun or gone on with until it is done, at most TRIES times.
#
#   fit-loop.sh DATA STORE FIT_OPTIONS…         such as: fit-loop.sh counts.zarr run.dnmf --rank 20 --scheduler FILE
#
# TRIES (20) and the seconds between them, PAUSE (5), are set in the environment. Not tried again are a fit that is done
# (0), options that cannot be (2), and one that was stopped: a signal to this script goes to the fit, which commits the
# pass in hand and ends (75; 130 after Ctrl-C). Every other end (1) is tried again, a store of other data too: look at
# what the fit says.
set -euo pipefail -m
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
trap 'jobs -p | xargs -r kill 2>/dev/null' EXIT # the pause
for _ in $(seq "${TRIES:-20}"); do
    code=0
    fit "$@" || code=$?
    case $code in 0 | 2) exit "$code" ;; esac
    [[ ! $stopped ]] || exit "$code"
    say "ended with $code; once more in ${PAUSE:-5} s"
    sleep "${PAUSE:-5}" &
    wait $! # a trap runs at once, as it would not during a plain sleep
done
exit "$code"
