# shellcheck shell=bash
# What run.sh starts. Set in the environment, each goes before what is here; those of ../local/settings.sh do too.
: "${CERTIFICATES:=$HOME/.config/dnmf-tls}"   # a folder that certs.sh makes; for this user's eyes alone
: "${HOST:=127.0.0.1}"                        # with TLS another address of this machine may stand here
: "${WORKERS:=2}"
