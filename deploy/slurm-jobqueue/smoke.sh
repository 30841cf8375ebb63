#!/usr/bin/env bash
# A fit on at most two jobs, of which one is killed on the way, has the bits of one in process: on a Slurm of this
# machine's own (../common/slurm-here.sh).
. "$(dirname "${BASH_SOURCE[0]}")/../common/smoke.sh"
needs slurmctld slurmd munged sbatch openssl
[[ $(id -u) = 0 ]] || skip "Slurm on one machine needs root"
place="$common/../slurm-jobqueue"
python -c 'import importlib.util as i; raise SystemExit(not i.find_spec("dask_jobqueue"))' || skip "there is no dask-jobqueue"
export SETTINGS="$folder/settings" SLURM_CONF="$folder/slurm/slurm.conf" MOST_JOBS=2

stop_place() {
    if [[ ${killer-} ]]; then stop "$killer"; fi
    "$common/slurm-here.sh" down "$folder/slurm"
}

kill_a_job() { # after the first pass
    until grep -q "  pass  *[0-9]" "$LOGS/fit.log"; do sleep 0.2; done
    local job
    job="$(squeue -h -t R -o %i | head -n 1)"
    scancel --signal=KILL "$job"
    echo "killed job $job"
}

"$common/slurm-here.sh" up "$folder/slurm"
mkdir "$SETTINGS"
sed "s/2GiB/$MEMORY_LIMIT/; s#interface: null#interface: lo#; s#-directory: null#-directory: $LOGS#; s#queue: null#queue: low#" \
    "$place/jobqueue.yaml" >"$SETTINGS/jobqueue.yaml"
FIT=("${FIT[@]/12/40}")
make_data 160000
touch "$LOGS/fit.log"
kill_a_job &
killer=$!
"$place/run.sh" "$DATA" "$STORE" "${FIT[@]}" 2>&1 | tee "$LOGS/fit.log"
wait "$killer"
ls "$SETTINGS"
same_bits
