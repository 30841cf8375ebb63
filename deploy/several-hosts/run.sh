#!/usr/bin/env bash
# Start a scheduler and workers on several hosts by SSH, under TLS, fit there, stop them.
#
#   run.sh [--insecure] DATA STORE FIT_OPTIONS…  such as: run.sh /shared/counts.zarr /shared/run.dnmf --rank 20
#
# settings.sh names the file of hosts. Every host has this dnmf and this folder under the same path, and sees DATA and
# STORE. Run again with the same words it goes on. Exit codes are those of dnmf fit: 75 is stopped after a committed
# pass. With --insecure there is no TLS: whoever reaches the hosts can run code there.
set -euo pipefail -m
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common/cluster.sh"
. "$here/settings.sh"
mapfile -t hosts < <(grep -v '^[[:space:]]*\(#\|$\)' "$HOSTS")
if [[ ${INSECURE-} ]]; then
    export DASK_CONFIG="${DASK_CONFIG:-$here/../dask.yaml}" && scheme=tcp
else
    "$here/../tls/certs.sh" "$CERTIFICATES"
    export DASK_CONFIG="$CERTIFICATES" && scheme=tls
fi

scratch="$(mktemp -d)"
mkfifo "$scratch/line" # what runs on a host ends when this closes, even if this script is killed
exec {line}<>"$scratch/line"
leave() {
    exec {line}>&-
    for _ in $(seq 200); do # a host that is out of reach is not waited for
        jobs -r | grep -q . || break
        sleep 0.1
    done
    stop_started
    rm -rf "$scratch"
}
trap leave EXIT

there() { # HOST NAME COMMAND…
    local host=$1 name=$2
    shift 2
    local source="${ENVIRONMENT:+. ${ENVIRONMENT@Q};}"
    local kept="PATH=${PATH@Q} DASK_CONFIG=${DASK_CONFIG@Q} ${PYTHONPATH:+PYTHONPATH=${PYTHONPATH@Q}}"
    local script="exec 3<&0; export $kept; $source ${*@Q} & started=\$!;
        { cat >/dev/null; kill \$started; } <&3 & wait \$started"
    # shellcheck disable=SC2086
    $SSH "$host" "exec bash -c ${script@Q}" <"$scratch/line" >>"$LOGS/$name.log" 2>&1 {line}>&- &
    started+=($!)
}

listening() { if [[ $INTERFACE ]]; then echo "--interface $INTERFACE"; else echo "--host $1"; fi; }

# shellcheck disable=SC2046
there "${hosts[0]}" scheduler dask scheduler $(listening "${hosts[0]}") --port "$PORT" --dashboard-address 127.0.0.1:8787
for host in "${hosts[@]:1}"; do
    # shellcheck disable=SC2046
    there "$host" "$host" "$here/../common/worker-loop.sh" "$scheme://${hosts[0]}:$PORT" $(listening "$host") \
        --nthreads "$THREADS" --memory-limit "$MEMORY_LIMIT" --no-dashboard --local-directory "${TMPDIR:-/tmp}"
done

answers() { timeout 2 bash -c ": </dev/tcp/${hosts[0]}/$PORT" 2>/dev/null; }

there_still() { kill -0 "${started[$1]}" 2>/dev/null; }

for _ in $(seq "${PATIENCE:-300}"); do
    if ! there_still 0 || answers; then break; fi
    sleep 0.1
done
if ! there_still 0 || ! answers; then
    last_words "no scheduler on ${hosts[0]}, port $PORT" scheduler
    exit 1
fi
left=$((${#hosts[@]} - 1))
for number in "${!hosts[@]}"; do # a login that fails has by now
    there_still "$number" && continue
    last_words "no worker on ${hosts[number]}" "${hosts[number]}"
    left=$((left - 1))
done
if ((!left)); then exit 1; fi

code=0
fit "$@" --scheduler "$scheme://${hosts[0]}:$PORT" {line}>&- || code=$?
if [[ $code = 1 ]]; then say "what hosts said is in scheduler.log and HOST.log in $LOGS"; fi
exit "$code"
