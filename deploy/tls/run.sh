#!/usr/bin/env bash
# Make certificates where there are none, start a scheduler and workers that speak TLS alone, fit there, stop them.
#
#   run.sh DATA STORE FIT_OPTIONS…              such as: run.sh counts.zarr run.dnmf --rank 20
#
# CERTIFICATES names the folder they are in, or are made in (default: ~/.config/dnmf-tls); settings.sh says the rest.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/usage.sh"
(($# >= 2)) || usage
. "$here/../common/goes-on.sh"
goes_on_by "$0" "$@"
. "$here/settings.sh"
"$here/certs.sh" "$CERTIFICATES"
export DASK_CONFIG="$CERTIFICATES"
exec "$here/../local/run.sh" "$@"
