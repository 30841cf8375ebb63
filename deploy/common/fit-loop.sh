#!/usr/bin/env bash
# A fit that goes on by itself when its cluster was lost: begun or gone on with until it is done, at most TRIES times.
#
#   fit-loop.sh DATA STORE OPTIONS…             such as: fit-loop.sh counts.zarr run.dnmf --rank 20 --scheduler FILE
#
# Ended are a fit that is done (0), options that cannot be (2), and one that was stopped: by Ctrl-C (130) or by a
# signal to this script, which goes to the fit (75).
set -u
if (($# < 2)); then
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
data=$1 store=$2
shift 2
for _ in $(seq "${TRIES:-20}"); do
    dnmf fit "$data" --store "$store" "$@" --resume &
    fit=$!
    stopped=
    trap 'stopped=1; kill -TERM "$fit" 2>/dev/null' TERM INT
    wait "$fit"
    code=$?
    while kill -0 "$fit" 2>/dev/null; do wait "$fit"; code=$?; done
    case $code in 0 | 2 | 130) exit "$code" ;; esac
    [[ $stopped ]] && exit "$code"
    echo "fit-loop.sh: ended with $code; once more in ${PAUSE:-5} s" >&2
    sleep "${PAUSE:-5}"
done
exit "$code"
