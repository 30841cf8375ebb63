#!/usr/bin/env bash
# Start a scheduler and workers on this machine, fit there, stop them.
#
#   run.sh [--insecure] DATA STORE FIT_OPTIONS…  such as: run.sh counts.zarr run.dnmf --rank 20
#
# Run again with the same words it goes on where it was stopped, or says that the fit is done. Exit codes are those of
# dnmf fit: 75 means stopped after a committed pass, run it again. settings.sh says what is started. With --insecure
# HOST may be an address that others reach, who can run code here then; with ../tls/run.sh they cannot.
set -euo pipefail -m
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/cluster.sh"
. "$here/settings.sh"
export DASK_CONFIG="${DASK_CONFIG:-$here/../dask.yaml}"
refuse_open_network "$HOST"

scratch="$(mktemp -d)"
LOGS="${LOGS:-$scratch}"
trap 'stop_started; rm -rf "$scratch"' EXIT

start scheduler dask scheduler --host "$HOST" --port 0 --dashboard-address "$DASHBOARD" \
    --scheduler-file "$scratch/scheduler.json"
start workers dask worker --scheduler-file "$scratch/scheduler.json" --host "$HOST" --no-dashboard --dashboard-address 127.0.0.1:0 \
    --nworkers "$WORKERS" --nthreads "$THREADS" --memory-limit "$MEMORY_LIMIT" --local-directory "$scratch"
wait_for "$scratch/scheduler.json" scheduler

fit "$@" --scheduler "$scratch/scheduler.json"
