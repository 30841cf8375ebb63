#!/usr/bin/env bash
# A fit submitted by one run.sh, preempted on the way, has the bits of one in process, and its driver does not stand
# idle: on a Slurm of this machine's own (../common/slurm-here.sh).
#
#   smoke.sh            preempted once
#   smoke.sh --all      preempted twice, stopped by the time limit and by hand; some minutes
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs slurmctld slurmd munged sbatch openssl
[[ $(id -u) = 0 ]] || skip "Slurm on one machine needs root"
export CERTIFICATES="$folder/certificates" INTERFACE=lo SLURM_CONF="$folder/slurm/slurm.conf"
log="$folder/job.log" idle_s="${IDLE_S:-10}"
touch "$log"

stop_place() {
    "$common/slurm-here.sh" down "$folder/slurm"
    cp "$folder"/.dask-*/*.log "$LOGS" 2>/dev/null || true
}

until_log() { # COUNT PATTERN: so many lines of the job's log say so
    local ended
    for _ in $(seq 1500); do
        (($(grep -c -- "$2" "$log") >= $1)) && return
        ended="$(scontrol show job "$job" -o | grep -c 'JobState=\(COMPLETED\|FAILED\)' || true)"
        [[ $ended = 0 ]] || break
        scontrol update "JobId=$job" StartTime=now 2>/dev/null || true # Slurm keeps a requeued job for two minutes
        sleep 0.2
    done
    (($(grep -c -- "$2" "$log") >= $1)) || { echo "the log does not say '$2' $1 times" >&2 && exit 1; }
}

preempt() { # N: the job, for the Nth time, after a pass of it
    until_log "$1" " start  \| resume  "
    until_log $(($(grep -c "  pass  *[0-9]" "$log" || true) + 1)) "  pass  *[0-9]"
    sbatch --parsable -p high -N 2 --exclusive --output=/dev/null --wrap 'sleep 2' >/dev/null
    until_log "$1" "the driver ended"
}

reach_time_limit() { # after N runs
    until_log "$1" " start  \| resume  "
    scontrol update "JobId=$job" TimeLimit=1 # whose last minute begins at once
    until_log 1 "of the time limit"
    until_log "$1" "queued again"
    until scontrol update "JobId=$job" TimeLimit=20; do sleep 1; done
}

submit() {
    "$common/../slurm/run.sh" --partition=low --time=00:20:00 --output="$log" --mem=1500M "$DATA" "$STORE" "${FIT[@]}"
}

stop_by_hand() { # after N runs
    until_log "$1" " start  \| resume  "
    scancel --batch --signal=INT "$job"
    until_log 1 "not queued again"
    job="$(submit)"
}

"$common/slurm-here.sh" up "$folder/slurm"
if [[ ${1-} == --all ]]; then rows=400000 FIT=("${FIT[@]/12/150}"); else rows=160000 FIT=("${FIT[@]/12/60}"); fi
make_data "$rows"
job="$(submit)"
preempt 1
if [[ ${1-} == --all ]]; then
    preempt 2
    reach_time_limit 3
    stop_by_hand 4
fi
until_log 1 "^done "
grep "job.sbatch: " "$log"
if grep -o "ended [0-9]* s after" "$log" | awk -v most="$idle_s" '$2 > most {late = 1} END {exit !late}'; then
    echo "the driver stood idle for more than $idle_s s" >&2
    exit 1
fi
same_bits
