# shellcheck shell=bash
# What run.sh starts, and where. Set in the environment, each goes before what is here.
: "${HOSTS:=$here/hosts.txt}"             # a file: one host a line; the first has the scheduler, the others a worker each
: "${THREADS:=1}"                         # of each worker; its memory is divided among them
: "${MEMORY_LIMIT:=1GiB}"                 # of each worker
: "${INTERFACE:=}"                        # such as eth0 or ib0; without it a host listens at its name in HOSTS
: "${PORT:=8786}"                         # of the scheduler
: "${SSH:=ssh -o BatchMode=yes}"          # how a host is reached
: "${ENVIRONMENT:=}"                      # a file that every host sources first: a virtual environment, AWS_… variables
: "${CERTIFICATES:=$HOME/.config/dnmf-tls}" # made by ../tls/certs.sh where it is not; every host has to see it
: "${LOGS:=$PWD}"                         # for scheduler.log and HOST.log
