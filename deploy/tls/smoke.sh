#!/usr/bin/env bash
# A fit by run.sh has the bits of one in process; a client without a certificate, one that speaks no TLS and one with a
# certificate of another CA are each told so in a sentence.
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs openssl
place="$common/../tls"
export CERTIFICATES="$folder/certificates" DASHBOARD=127.0.0.1:0

stop_place() { if [[ ${scheduler-} ]]; then stop "$scheduler"; fi; }

stranger() { # ADDRESS DASK_CONFIG OPTION…: is refused
    local told="$folder/stranger.log"
    if DASK_CONFIG=$2 dnmf fit "$DATA" --store "$folder/stranger.dnmf" --scheduler "$1" "${@:3}" "${FIT[@]}" 2>"$told"; then
        echo "a stranger was let in" >&2
        exit 1
    fi
    if [[ $(grep -c . "$told") != 1 ]]; then
        cat "$told" >&2
        exit 1
    fi
    cat "$told"
}

make_data
"$place/run.sh" "$DATA" "$STORE" "${FIT[@]}"

DASK_CONFIG=$CERTIFICATES dask scheduler --host 127.0.0.1 --port 0 --no-dashboard \
    --scheduler-file "$folder/scheduler.json" 2>"$LOGS/scheduler.log" &
scheduler=$!
"$place/certs.sh" "$folder/others"
until [[ -s $folder/scheduler.json ]]; do sleep 0.1 && kill -0 "$scheduler"; done
address="$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$folder/scheduler.json")"
stranger "$address" "$folder/others"
stranger "$address" "$common/../dask.yaml"
stranger "tcp://${address#tls://}" "$common/../dask.yaml"
same_bits
