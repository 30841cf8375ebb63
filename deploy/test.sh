#!/usr/bin/env bash
# Try every place that can be tried here, and print a table of what was found; some minutes. Exit code 1: one failed.
#
#   test.sh [PLACE…]
set -uo pipefail
deploy="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
(($#)) || set -- local tls several-hosts slurm slurm-jobqueue docker kubernetes
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
rows=() failed=0
for place in "$@"; do
    echo "=== $place"
    began=$SECONDS
    "$deploy/$place/smoke.sh" --all 2>&1 | tee "$log"
    case ${PIPESTATUS[0]} in
        0) result="$(tail -n 1 "$log")" ;;
        77) result="$(tail -n 1 "$log")" ;;
        *) result="FAILED" && failed=1 ;;
    esac
    rows+=("$(printf '| %s | %s | %s s |' "$place" "$result" $((SECONDS - began)))")
done
echo
echo "$(date +%F), $(dnmf --version), dask $(python -c 'import dask; print(dask.__version__)'), $(uname -sr)"
printf '%s\n' '| place | result | took |' '|---|---|---|' "${rows[@]}"
exit $failed
