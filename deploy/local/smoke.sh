#!/usr/bin/env bash
# A fit by run.sh has the bits of one in process.
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"

make_data
DASHBOARD=127.0.0.1:0 "$common/../local/run.sh" "$DATA" "$STORE" "${FIT[@]}"
same_bits
