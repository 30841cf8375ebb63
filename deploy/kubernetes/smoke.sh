#!/usr/bin/env bash
# A fit by run.sh has the bits of one in process: on a cluster that kubectl reaches, with the operator, and a volume
# dnmf-runs whose folder is SHARED here.
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs kubectl openssl
kubectl --request-timeout=5s get crd daskjobs.kubernetes.dask.org >/dev/null 2>&1 || skip "no cluster with dask's operator answers"
[[ ${SHARED-} ]] || skip "SHARED does not name the folder of the volume dnmf-runs"

make_data
cp -r "$DATA" "$SHARED/smoke.zarr"
MEMORY_LIMIT=7GiB # of a worker in job.yaml
"$common/../kubernetes/run.sh" /runs/smoke.zarr /runs/smoke.dnmf "${FIT[@]}"
same_bits "$SHARED/smoke.dnmf"
