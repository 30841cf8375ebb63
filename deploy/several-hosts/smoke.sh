#!/usr/bin/env bash
# Three hosts (network namespaces of this machine, an sshd in each): a fit by run.sh has the bits of one in process.
#
#   smoke.sh --all      so have one on a scheduler and workers that were started by hand, and one whose scheduler is killed
#                       while a cable is out for 45 s: worker-loop.sh and fit-loop.sh go on
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs ip sshd ssh openssl
[[ $(id -u) = 0 ]] || skip "hosts on one machine need root"
hosts="$common/hosts-here.sh" by_hand=() stores=("$STORE")

stop_place() {
    if ((${#by_hand[@]})); then stop "${by_hand[@]}"; fi
    "$hosts" down "$folder"
}

"$hosts" up "$folder" 3 >"$folder/hosts.txt" 2>"$LOGS/hosts.log" || skip "there are no network namespaces here"
export CERTIFICATES="$folder/certificates" HOSTS="$folder/hosts.txt"
export SSH="ssh -i $folder/ssh/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
make_data

"$common/../several-hosts/run.sh" "$DATA" "$STORE" "${FIT[@]}"

on() { # HOST COMMAND…
    "$hosts" in "$folder" "$@" >>"$LOGS/by-hand-$1.log" 2>&1 &
    by_hand+=($!)
}

start_by_hand() {
    on 1 dask scheduler --interface eth0 --port 8786 --no-dashboard
    for host in 2 3; do
        on "$host" "$common/worker-loop.sh" "$address" --interface eth0 --nthreads 1 --memory-limit "$MEMORY_LIMIT" \
            --no-dashboard --local-directory "$folder"
    done
}

times_there() { grep -c "Registered to" "$LOGS/by-hand-$1.log"; }

lose_and_come_back() { # the cable of host 3, and the scheduler, while a fit goes on
    local before going_on
    PAUSE=2 "$common/fit-loop.sh" "$DATA" "$folder/lost.dnmf" "${FIT[@]}" --scheduler "$address" 2>&1 |
        tee "$LOGS/lost.log" &
    going_on=$!
    until grep -q "  pass  *[0-9]" "$LOGS/lost.log"; do sleep 0.1 && kill -0 "$going_on"; done
    before=$(times_there 3)
    "$hosts" pull "$folder" 3
    kill -9 "${by_hand[0]}"
    on 1 dask scheduler --interface eth0 --port 8786 --no-dashboard
    sleep 45
    "$hosts" plug "$folder" 3
    wait "$going_on"
    for _ in $(seq 600); do
        (($(times_there 3) > before)) && return
        sleep 0.2
    done
    echo "the worker of host 3 did not come back" >&2
    exit 1
}

if [[ ${1-} == --all ]]; then
    export DASK_CONFIG="$CERTIFICATES"
    address="tls://$(head -n 1 "$HOSTS"):8786"
    echo "--- by hand"
    start_by_hand
    dnmf fit "$DATA" --store "$folder/by-hand.dnmf" "${FIT[@]}" --scheduler "$address" --resume
    echo "--- lost and come back"
    lose_and_come_back
    stores+=("$folder/by-hand.dnmf" "$folder/lost.dnmf")
fi
same_bits "${stores[@]}"
