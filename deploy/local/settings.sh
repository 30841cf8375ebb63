# shellcheck shell=bash
# What run.sh starts. Set in the environment, each goes before what is here.
: "${WORKERS:=2}"                      # worker processes, each under a nanny
: "${THREADS:=1}"                      # of each worker; its memory is divided among them
: "${MEMORY_LIMIT:=1GiB}"              # of each worker
: "${HOST:=127.0.0.1}"                 # where scheduler and workers listen: this machine alone
: "${DASHBOARD:=127.0.0.1:8787}"       # dask's page of the scheduler; without bokeh it is not shown
