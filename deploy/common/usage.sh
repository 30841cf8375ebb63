# shellcheck shell=bash
# Sourced by every script: its head says how it is called, where --help or too few words ask for it.

usage() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

if [[ ${1-} == --help ]]; then usage; fi
