#!/usr/bin/env bash
# Slurm on this machine, for trying what is for clusters: two nodes n1 and n2 of two processors each, a partition low
# whose jobs are requeued for those of the partition high, and no trace after it. Needs root and Debian's slurmctld,
# slurmd and munge. What it writes is in FOLDER, slurm.conf among it: SLURM_CONF=FOLDER/slurm.conf sbatch …
#
#   slurm-here.sh up FOLDER
#   slurm-here.sh down FOLDER
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/usage.sh"
(($# == 2)) || usage
what=$1 folder=$2
export SLURM_CONF="$folder/slurm.conf"

up() {
    local port=$((20000 + $(cksum <<<"$folder" | cut -d' ' -f1) % 10000 * 3)) host
    host="$(hostname -s)"
    mkdir -p "$folder"/{state,n1,n2}
    chmod 755 "$folder" # munge asks for it
    dd if=/dev/urandom of="$folder/munge.key" bs=64 count=1 status=none
    chmod 400 "$folder/munge.key"
    sed "s#@FOLDER@#$folder#g; s#@HOST@#$host#g; s#@PORT0@#$port#; s#@PORT1@#$((port + 1))#; s#@PORT2@#$((port + 2))#" \
        >"$SLURM_CONF" <<'CONF'
ClusterName=here
SlurmctldHost=@HOST@(127.0.0.1)
SlurmctldPort=@PORT0@
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=@FOLDER@/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=5
StateSaveLocation=@FOLDER@/state
SlurmdSpoolDir=@FOLDER@/%n
SlurmctldPidFile=@FOLDER@/slurmctld.pid
SlurmdPidFile=@FOLDER@/slurmd-%n.pid
SlurmctldLogFile=@FOLDER@/slurmctld.log
SlurmdLogFile=@FOLDER@/slurmd-%n.log
NodeName=n1 NodeHostname=@HOST@ NodeAddr=127.0.0.1 Port=@PORT1@ CPUs=2 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeHostname=@HOST@ NodeAddr=127.0.0.1 Port=@PORT2@ CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --seed-file="$folder/munge.seed" --log-file="$folder/munged.log" 2>/dev/null
    slurmctld
    for node in n1 n2; do slurmd -N "$node"; done
    for _ in $(seq 300); do
        [[ $(sinfo -h -N -o %T 2>/dev/null | sort -u) = idle ]] && return
        sleep 0.2
    done
    tail -n 20 "$folder"/*.log >&2
    return 1
}

down() {
    scancel --user=root 2>/dev/null || true
    for _ in $(seq 50); do
        squeue -h 2>/dev/null | grep -q . || break
        sleep 0.2
    done
    for daemon in slurmd-n1 slurmd-n2 slurmctld munged; do
        [[ -s $folder/$daemon.pid ]] || continue
        pid="$(cat "$folder/$daemon.pid")"
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do # until it has ended
            grep -qs "^State:[[:space:]]*[^Z]" "/proc/$pid/status" || break
            sleep 0.1
        done
    done
}

case $what in
    up) up ;;
    down) down ;;
    *) usage ;;
esac
