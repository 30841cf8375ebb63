#!/usr/bin/env bash
# Hosts on this machine, for trying what is for several: network namespaces with an address and an sshd each, behind a
# bridge. Needs root, and ip, and sshd for the second. What is made is named after FOLDER, and in it.
#
#   hosts-here.sh up FOLDER N        hosts 1 … N; prints their addresses
#   hosts-here.sh in FOLDER I COMMAND…    run there
#   hosts-here.sh pull FOLDER I | plug FOLDER I    the cable
#   hosts-here.sh down FOLDER
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/usage.sh"
(($# >= 2)) || usage
what=$1 folder=$(realpath "$2")
number=$(($(cksum <<<"$folder" | cut -d' ' -f1) % 60000))
name="dn$number" net="10.$((64 + number / 256 % 64)).$((number % 256))"

up() {
    ip link add "$name" type bridge
    ip addr add "$net.1/24" dev "$name"
    ip link set "$name" up
    mkdir -p /run/sshd "$folder/ssh"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/ssh/host"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/ssh/key"
    cp "$folder/ssh/key.pub" "$folder/ssh/authorized"
    for i in $(seq "$1"); do
        ip netns add "$name-$i"
        ip link add "$name-$i" type veth peer name eth0 netns "$name-$i"
        ip link set "$name-$i" master "$name" up
        ip -n "$name-$i" addr add "$net.1$i/24" dev eth0
        ip -n "$name-$i" link set eth0 up
        ip -n "$name-$i" link set lo up
        ip netns exec "$name-$i" "$(command -v sshd)" -f /dev/null -p 22 -h "$folder/ssh/host" -E "$folder/ssh/$i.log" \
            -o PidFile="$folder/ssh/$i.pid" -o AuthorizedKeysFile="$folder/ssh/authorized" -o StrictModes=no -o UsePAM=no
        echo "$net.1$i"
    done
}

down() {
    for space in $(ip netns list | awk -v name="^$name-" '$1 ~ name {print $1}'); do
        ip netns pids "$space" | xargs -r kill 2>/dev/null || true
        sleep 0.5
        ip netns pids "$space" | xargs -r kill -9 2>/dev/null || true
        ip netns del "$space"
    done
    ip link del "$name" 2>/dev/null || true
}

case $what in
    up) up "$3" ;;
    in) exec ip netns exec "$name-$3" "${@:4}" ;;
    pull) ip link set "$name-$3" down ;;
    plug) ip link set "$name-$3" up ;;
    down) down ;;
    *) usage ;;
esac
