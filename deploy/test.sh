#!/usr/bin/env bash
# Try every place that can be tried here, or those that are named, and print a table of what was found; some minutes. Exit
# code 1: one failed.
#
#   test.sh [PLACE…]
set -uo pipefail
deploy="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$deploy/common/usage.sh"
(($#)) || set -- local tls several-hosts slurm slurm-jobqueue docker kubernetes
for place in "$@"; do [[ -x $deploy/$place/smoke.sh ]] || usage; done
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
rows=() failed=0
for place in "$@"; do
    echo "=== $place"
    began=$SECONDS
    "$deploy/$place/smoke.sh" --all 2>&1 | tee "$log"
    case ${PIPESTATUS[0]} in
        0 | 77) result="$(tail -n 1 "$log")" ;; # 77: it cannot be tried here
        *) result="FAILED" && failed=1 ;;
    esac
    rows+=("$(printf '| %s | %s | %s s |' "$place" "$result" $((SECONDS - began)))")
done
echo
echo "$(date +%F), $(dnmf --version), dask $(python -c 'import dask; print(dask.__version__)'), $(uname -sr)"
printf '%s\n' '| place | result | took |' '|---|---|---|' "${rows[@]}"
exit $failed
