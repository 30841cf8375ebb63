#!/usr/bin/env bash
# A private CA and one certificate for scheduler, workers and clients, and dask's settings that name them.
#
#   certs.sh FOLDER [--at PATH] [--days DAYS]
#
# FOLDER then holds ca.pem, cert.pem, key.pem, dask-tls.yaml, and a copy of deploy/dask.yaml: give it as DASK_CONFIG to
# the scheduler, to each worker and to dnmf. The paths in dask-tls.yaml are absolute, since dask looks for relative ones
# where each process happens to run: those of FOLDER, or of PATH where it is mounted or copied to. The key of the CA is
# thrown away, so that nobody can make another certificate. A folder whose certificate is good for another day is left
# as it is.
set -euo pipefail
deploy="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
. "$deploy/common/usage.sh"
[[ ${1-} && $1 != --* ]] || usage
folder=$1
shift
at='' days=30
while (($#)); do
    (($# >= 2)) || usage
    case $1 in
        --at) at=${2%/} ;;
        --days) days=$2 ;;
        *) echo "certs.sh: there is no option $1" >&2 && exit 2 ;;
    esac
    shift 2
done

if [[ -s $folder/dask-tls.yaml ]] && openssl x509 -checkend 86400 -noout -in "$folder/cert.pem" >/dev/null; then
    if [[ $at ]] && ! grep -qF "\"$at/ca.pem\"" "$folder/dask-tls.yaml"; then
        echo "certs.sh: $folder was made for another path than $at (see its dask-tls.yaml): give another folder" >&2
        exit 1
    fi
    exit
fi
umask 077
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
made="$(mktemp -d "$folder/.making.XXXXXX")"
trap 'rm -rf "$made"' EXIT

request() { # SUBJECT KEY OPTION…
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$2" "${@:3}" 2>/dev/null
}
request "dask private CA" "$made/ca-key.pem" -x509 -days "$days" -out "$made/ca.pem"
request dask "$made/key.pem" -out "$made/cert.csr"
openssl x509 -req -in "$made/cert.csr" -CA "$made/ca.pem" -CAkey "$made/ca-key.pem" -CAcreateserial -days "$days" \
    -out "$made/cert.pem" 2>/dev/null
mv "$made/ca.pem" "$made/cert.pem" "$made/key.pem" "$folder"
cp "$deploy/dask.yaml" "$folder"

at="${at:-$folder}"
pair="{cert: \"$at/cert.pem\", key: \"$at/key.pem\"}"
cat >"$folder/dask-tls.yaml" <<Y
distributed:
  comm:
    require-encryption: true
    default-scheme: tls
    tls:
      ca-file: "$at/ca.pem"
      scheduler: $pair
      worker: $pair
      client: $pair
Y
echo "certs.sh: $folder is good for $days days; export DASK_CONFIG=$at" >&2
