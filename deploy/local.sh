#!/usr/bin/env bash
# Start a dask scheduler and two workers on this machine under deploy/dask.yaml, use them, stop them.
#
#   deploy/local.sh                     factorize scikit-learn's digits twice, by address and by scheduler file
#   deploy/local.sh COMMAND [ARG...]    run a command with $SCHEDULER (address) and $SCHEDULER_FILE set
#
# WORKERS and MEMORY_LIMIT (of one worker) change what is started.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="$(mktemp -d)"
started=()

stop() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap stop EXIT

export DASK_CONFIG="$here"
export SCHEDULER_FILE="$folder/scheduler.json"

dask scheduler --host 127.0.0.1 --port 0 --no-dashboard --scheduler-file "$SCHEDULER_FILE" \
    >"$folder/scheduler.log" 2>&1 &
started+=($!)
for number in $(seq "${WORKERS:-2}"); do
    dask worker --scheduler-file "$SCHEDULER_FILE" --host 127.0.0.1 --nthreads 1 --no-dashboard \
        --memory-limit "${MEMORY_LIMIT:-1GiB}" --local-directory "$folder" >"$folder/worker-$number.log" 2>&1 &
    started+=($!)
done

for _ in $(seq 300); do
    [[ -s "$SCHEDULER_FILE" ]] && break
    sleep 0.1
done
if [[ ! -s "$SCHEDULER_FILE" ]]; then
    cat "$folder/scheduler.log" >&2
    exit 1
fi
SCHEDULER="$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$SCHEDULER_FILE")"
export SCHEDULER

if (($#)); then
    "$@"
    exit
fi

cd "$folder"
python -c 'import numpy, sklearn.datasets as d; numpy.save("digits.npy", d.load_digits().data.astype("uint8"))'
dnmf convert digits.npy digits.zarr --chunk-size 4KiB
dnmf fit digits.zarr --rank 10 --store by-address.dnmf --scheduler "$SCHEDULER"
dnmf fit digits.zarr --rank 10 --store by-file.dnmf --scheduler "$SCHEDULER_FILE"
python -c '
import dnmf
one, two = dnmf.load("by-address.dnmf"), dnmf.load("by-file.dnmf")
same = (one.H == two.H).all() and (one.read_W() == two.read_W()).all()
print("same bits by address and by file:", bool(same))
raise SystemExit(not same)'
