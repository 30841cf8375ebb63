#!/usr/bin/env bash
# A fit by run.sh, of data in a bucket, has the bits of one in process.
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs docker openssl
docker info >/dev/null 2>&1 || skip "no docker daemon answers"
docker compose version >/dev/null 2>&1 || skip "there is no docker compose"
export CERTIFICATES="$folder/certificates"

make_data
"$common/../docker/run.sh" "$DATA" "$STORE" "${FIT[@]}"
same_bits
