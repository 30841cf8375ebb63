#!/usr/bin/env bash
# Fit here on workers that are Slurm jobs, as many as there is work for, under TLS; needs dask-jobqueue.
#
#   run.sh [--insecure] DATA STORE FIT_OPTIONS…  such as: run.sh /shared/counts.zarr /shared/run.dnmf --rank 20
#
# LEAST_JOBS (1) and MOST_JOBS (8) bound their number; QUEUE_S (a day) is how long the first may take to start. SETTINGS
# (~/.config/dnmf-jobqueue) is a folder that every node sees: jobqueue.yaml in it says what a job is. Run again with the
# same words it goes on; exit code 75 is stopped after a committed pass. With --insecure there is no TLS: whoever reaches
# the hosts can run code there.
set -euo pipefail -m
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/cluster.sh"
settings="${SETTINGS:-$HOME/.config/dnmf-jobqueue}"
mkdir -p "$settings"
if [[ ${INSECURE-} ]]; then cp "$here/../dask.yaml" "$settings"; else "$here/../tls/certs.sh" "$settings"; fi
if [[ ! -e $settings/jobqueue.yaml ]]; then # dask-jobqueue would write one of its own
    cp "$here/jobqueue.yaml" "$settings"
    say "look at $settings/jobqueue.yaml: it says what a job is"
fi
export DASK_CONFIG="$settings"

scratch="$(mktemp -d)"
LOGS="${LOGS:-$scratch}"
trap 'stop_started; rm -rf "$scratch"' EXIT
start cluster python "$here/cluster.py" "$scratch/scheduler.json" "${LEAST_JOBS:-1}" "${MOST_JOBS:-8}"
wait_for "$scratch/scheduler.json" cluster

fit "$@" --scheduler "$scratch/scheduler.json" --workers-timeout "${QUEUE_S:-86400}"
