#!/usr/bin/env bash
# Run a fit as a DaskJob, under TLS, and follow it.
#
#   run.sh DATA STORE FIT_OPTIONS…              such as: run.sh s3://bucket/counts.zarr /runs/fit.dnmf --rank 20
#
# DATA is an address, or a path on the volume, which pods see under /runs; STORE is a path there. IMAGE (dnmf:latest,
# see ../docker/Dockerfile), WORKERS (4) and NAMESPACE (dnmf) say what is run where. Credentials of a bucket are taken
# from the AWS_… and AZURE_… variables of this shell to a Secret; for gs:// the service account of the pods has to do.
# Run again with the same words it goes on from the last committed pass. The operator (values.yaml) has to be there, and
# the volume (kubectl apply -n dnmf -f volume.yaml).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/usage.sh"
(($# >= 2)) || usage
. "$here/../common/goes-on.sh"
goes_on_by "$0" "$@"
kube() { kubectl --namespace "${NAMESPACE:-dnmf}" "$@"; }
name=dnmf-fit
umask 077
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

"$here/../tls/certs.sh" "$scratch/dask" --at /etc/dnmf --days 90 # anew for each run: nothing of it stays here
kube delete daskjob "$name" --ignore-not-found --wait
kube create secret generic dnmf-dask --from-file="$scratch/dask" --dry-run=client -o yaml | kube apply -f -
if env | grep -E '^(AWS|AZURE)_' >"$scratch/object-store"; then
    kube create secret generic dnmf-object-store --from-env-file="$scratch/object-store" --dry-run=client -o yaml |
        kube apply -f -
fi

python "$here/filled_in.py" "$here/job.yaml" "${IMAGE:-dnmf:latest}" "${WORKERS:-4}" "$@" | kube create -f -
kube wait --for=create --timeout=5m "pod/$name-runner" # made by the operator; needs kubectl 1.31
kube wait --for=condition=Ready --timeout=10m "pod/$name-runner" || true
kube logs --follow "pod/$name-runner"
[[ $(kube get pod "$name-runner" -o 'jsonpath={.status.phase}') = Succeeded ]]
