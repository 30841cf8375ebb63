"""Where a pass over a source should run."""

import logging
import sys
from typing import Any

from dnmf.errors import BudgetError
from dnmf.options import format_bytes
from dnmf.passes.executor import Executor
from dnmf.passes.threads import InProcess
from dnmf.sources.source import Source

log = logging.getLogger("dnmf")
MOST_SENT_BYTES = 256 * 2**20


def choose_executor(client: Any, source: Source) -> Executor:
    """Return where a pass over `source` runs.

    A given client, or one of a given cluster or of the scheduler at a given address, is used. Without one the current
    client is used when there is one and the data does not lie in this process; else the threads of this process.

    Raises
    ------
    BudgetError
        The data lies in this process and is too large to be sent to a cluster in every pass.
    ClusterError
        The scheduler does not answer, or has no workers; the client is closed.
    InputError
        `client` is none of these, or is asynchronous.
    """
    if client is None and ("distributed" not in sys.modules or source.in_memory):
        return InProcess()
    from dnmf.connections.clients import client_for, current_client
    from dnmf.passes.workers import OnCluster

    if client is None:
        found = current_client()
        return OnCluster(found) if found is not None else InProcess()
    _refuse_to_send(source)
    found, owned = client_for(client)
    return OnCluster(found, owned=owned)


def _refuse_to_send(source: Source) -> None:
    size = source.bytes_in_memory()
    if size > MOST_SENT_BYTES:
        raise BudgetError(
            f"{source.address}: {format_bytes(size)} in this process would travel to the workers in every pass (at "
            f"most {format_bytes(MOST_SENT_BYTES)} may); write the matrix to Zarr and give its path, or leave the "
            "client out"
        )
