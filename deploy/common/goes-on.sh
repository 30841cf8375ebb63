# shellcheck shell=bash
# Sourced by scripts that make a cluster for one fit: dnmf then says the script's own line as what goes on with the fit,
# not a scheduler that ends with the script.

goes_on_by() { # WORD…: the line, before which go the settings of the environment
    if [[ ${DNMF_GO_ON-} ]]; then return; fi # that of the script which calls this one
    local name words=()
    for name in CERTIFICATES DASHBOARD DASK_CONFIG DEPLOY ENVIRONMENT HOST HOSTS IMAGE INTERFACE LEAST_JOBS LOGS MEMORY_LIMIT \
        MOST_JOBS MOST_RESTARTS NAMESPACE PATIENCE PAUSE PORT QUEUE_S SETTINGS SSH THREADS TRIES WORKERS; do
        if [[ ${!name+set} ]]; then words+=("$name=${!name}"); fi
    done
    printf -v DNMF_GO_ON ' %q' "${words[@]}" "$@"
    export DNMF_GO_ON="${DNMF_GO_ON# }"
}
