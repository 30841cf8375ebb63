#!/usr/bin/env bash
# Build the image, start scheduler, workers and an S3 server with DATA in it, fit there, stop them.
#
#   run.sh DATA STORE FIT_OPTIONS…              such as: run.sh counts.zarr runs/run.dnmf --rank 20
#
# DATA is a Zarr store here, STORE a path in a folder here. Run again with the same words it goes on. Exit codes are
# those of dnmf fit: 75 is stopped after a committed pass. WORKERS (2) is their number.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/usage.sh"
(($# >= 2)) || usage
if [[ $1 == *://* || $2 == *://* ]]; then
    echo "docker/run.sh: DATA and STORE are paths here, not addresses: for buckets of yours see its README.md" >&2
    exit 2
fi
. "$here/../common/goes-on.sh"
goes_on_by "$0" "$@"
DATA="$(realpath "$1")"
store="$(realpath -m "$2")"
FOLDER="$(dirname "$store")"
mkdir -p "$FOLDER" # else the daemon makes it, root's
OWNER="$(id -u):$(id -g)"
CERTIFICATES="${CERTIFICATES:-$HOME/.config/dnmf-docker}"
export DATA FOLDER OWNER CERTIFICATES
"$here/../tls/certs.sh" "$CERTIFICATES" --at /etc/dnmf

docker build --file "$here/Dockerfile" --tag "${IMAGE:-dnmf}" "$here/../.."
compose() { docker compose --file "$here/compose.yaml" --project-name dnmf "$@"; }
trap 'compose down --volumes' EXIT
compose up --detach --scale worker="${WORKERS:-2}" s3 scheduler worker
compose run --rm fit "/runs/$(basename "$store")" "${@:3}"
