#!/usr/bin/env bash
# A fit by run.sh has the bits of one in process; a client with a certificate of another CA is refused.
#
#   smoke.sh --all      so is one without a certificate, which takes it half a minute to believe
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs openssl
place="$common/../tls"
export CERTIFICATES="$folder/certificates" DASHBOARD=127.0.0.1:0

stop_place() { if [[ ${scheduler-} ]]; then stop "$scheduler"; fi; }

stranger() { # NAME DASK_CONFIG ADDRESS: is refused
    if DASK_CONFIG=$2 dnmf fit "$DATA" --store "$folder/stranger.dnmf" --scheduler "$3" "${FIT[@]}" 2>"$folder/$1.txt"; then
        echo "$1 was let in" >&2
        exit 1
    fi
    sed 's/^/refused: /' "$folder/$1.txt" | tail -n 1
}

make_data
"$place/run.sh" "$DATA" "$STORE" "${FIT[@]}"

DASK_CONFIG=$CERTIFICATES dask scheduler --host 127.0.0.1 --port 0 --no-dashboard \
    --scheduler-file "$folder/scheduler.json" 2>"$LOGS/scheduler.log" &
scheduler=$!
"$place/certs.sh" "$folder/others"
until [[ -s $folder/scheduler.json ]]; do sleep 0.1; done
address="$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$folder/scheduler.json")"
stranger foreign "$folder/others" "$address"
if [[ ${1-} == --all ]]; then stranger plain "$common/.." "tcp://${address#tls://}"; fi
same_bits
