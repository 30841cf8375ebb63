# shellcheck shell=bash
# Set in the environment, it goes before what is here. What else is started says ../local/settings.sh; with TLS an address
# that others reach may be its HOST.
: "${CERTIFICATES:=$HOME/.config/dnmf-tls}"   # a folder that certs.sh makes; for this user's eyes alone
