#!/usr/bin/env bash
# Submit a fit as one Slurm job, under TLS; print its number.
#
#   run.sh [--insecure] [SBATCH_OPTIONS…] DATA STORE FIT_OPTIONS…
#   such as: run.sh --nodes=4 --cpus-per-task=8 --mem=32G --time=04:00:00 /shared/counts.zarr /shared/run.dnmf --rank 20
#
# SBATCH_OPTIONS, written --name=value, go before what job.sbatch asks for. Nodes see DATA and STORE, this folder and
# the Python of this shell under the same paths, and the folder this is called in where STORE is in a bucket. With
# --insecure there is no TLS: whoever reaches the nodes can run code.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/usage.sh"
. "$here/../common/goes-on.sh"
goes_on_by "$0" "$@"
asked=()
insecure=
while [[ ${1-} == --* ]]; do
    if [[ $1 == --insecure ]]; then insecure=1; else asked+=("$1"); fi
    shift
done
(($# >= 2)) || usage
data=$1 store=$2
if [[ -e $data ]]; then data="$(realpath "$data")"; fi # else an address
if [[ $store != *://* ]]; then store="$(realpath -m "$store")"; fi
if [[ $insecure ]]; then
    export DASK_CONFIG="${DASK_CONFIG:-$here/../dask.yaml}"
else
    export DASK_CONFIG="${CERTIFICATES:-$HOME/.config/dnmf-tls}"
    "$here/../tls/certs.sh" "$DASK_CONFIG"
fi
export DEPLOY="${DEPLOY:-$here/..}"
exec sbatch --parsable "${asked[@]}" "$here/job.sbatch" "$data" "$store" "${@:3}"
