# shellcheck shell=bash
# Sourced by smoke.sh of every place, which may be called with --all: a folder with small data, options for a fit of it,
# and the comparison at the end. SMOKE_FOLDER names another folder than a temporary one, such as one that several hosts see.

set -euo pipefail
common="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$common/usage.sh"
[[ ${1-} =~ ^(--all)?$ ]] || usage

skip() { # REASON: this place cannot be tried here
    echo "skipped: $*"
    exit 77
}

needs() { # PROGRAM…
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "there is no $program here"
    done
}

end_smoke() {
    local code=$?
    if declare -F stop_place >/dev/null; then stop_place; fi # what the place started
    if [[ $code != 0 && $code != 77 ]]; then
        tail -n 30 "$folder"/*.log "$folder"/logs/*.log >&2 2>/dev/null || true
    fi
    rm -rf "$folder"
}

make_data() { # [ROWS]
    python "$common/smoke.py" data "$DATA" "$@"
}

same_bits() { # [STORE…]: compare with a fit in process; print the last line
    (($#)) || set -- "$STORE"
    python "$common/smoke.py" same-bits "$DATA" "$MEMORY_LIMIT" "$@" -- "${FIT[@]}"
}

stop() { # PID…
    kill "$@" 2>/dev/null || true
    wait "$@" 2>/dev/null || true
}

needs dask dnmf
folder="$(mktemp -d "${SMOKE_FOLDER:-${TMPDIR:-/tmp}}/dnmf-smoke.XXXXXX")"
trap end_smoke EXIT
trap 'exit 143' TERM HUP
trap 'exit 130' INT
export MEMORY_LIMIT="${MEMORY_LIMIT:-1GiB}" LOGS="$folder/logs"
mkdir "$LOGS"
export DATA="$folder/data.zarr" STORE="$folder/run.dnmf"
FIT=(--rank 10 --seed 3 --init random --tol 0 --max-passes 12)
