#!/usr/bin/env bash
# A dask worker that comes back.
#
#   worker-loop.sh DASK_WORKER_OPTIONS…         such as: worker-loop.sh tls://host1:8786 --interface eth0 --nthreads 1
#
# A nanny restarts a worker that dies. But a host without network for 30 s (distributed.comm.timeouts.tcp), or a
# scheduler that ends, makes worker and nanny leave for good: then this starts them again, until it gets SIGTERM. The
# pages of a worker, plain HTTP even under TLS, are for its own host, unless the options say otherwise.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/usage.sh"
(($#)) || usage
child=
trap '[[ $child ]] && kill "$child" 2>/dev/null && wait "$child"; exit 0' TERM INT HUP
while :; do
    dask worker --death-timeout 60 --dashboard-address 127.0.0.1:0 "$@" &
    child=$!
    wait "$child"
    sleep "${PAUSE:-2}" &
    child=$!
    wait "$child"
done
