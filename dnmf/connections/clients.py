"""The client to work with: the one that was given, one of a given cluster or address, or the current one."""

import os
from typing import Any

import dask
from distributed import Client, default_client
from distributed.deploy.cluster import Cluster
from distributed.security import Security

from dnmf.connections.addresses import scheduler_address
from dnmf.connections.certificates import Certificates
from dnmf.connections.knock import refuse_silent
from dnmf.errors import ClusterError, InputError
from dnmf.refusals import told
from dnmf.sources.memory import type_name

CONNECT_TIMEOUT_S = 30
FIT = "give a dask.distributed Client, a cluster such as LocalCluster, or the address of a scheduler"


def client_for(given: Any) -> tuple[Client, bool]:
    """Return a client that is connected, and whether it was made here, for its maker to close.

    Parameters
    ----------
    given : distributed.Client, distributed cluster, str or path
        The path is that of a scheduler file.

    Raises
    ------
    ClusterError
        No scheduler answers, or the client or the cluster is closed.
    InputError
        It is something else, or belongs to an event loop and cannot be waited for.
    """
    if isinstance(given, (str, os.PathLike)):
        return client_at(os.fspath(given)), True
    if isinstance(given, Client):
        return usable(given), False
    if isinstance(given, Cluster):
        return _client_of(given), True
    found = f"the class {given.__name__}" if isinstance(given, type) else f"a {type_name(given)}"
    raise InputError(f"client={found}: {FIT}")


def usable(client: Client) -> Client:
    """Return `client` when it is connected and its results can be waited for.

    Raises
    ------
    ClusterError
        It is closed or has lost its scheduler.
    InputError
        It is asynchronous.
    """
    if client.asynchronous:
        raise InputError(
            "the client is asynchronous, and a fit waits for its passes: give its address, "
            "client=client.scheduler.address, and call from a thread (asyncio.to_thread)"
        )
    if client.status != "running":
        raise ClusterError(f"the client is {client.status}; connect to a scheduler that runs, the same or another")
    return client


def _client_of(cluster: Cluster) -> Client:
    if cluster.asynchronous:
        raise InputError("the cluster is asynchronous, and a fit waits for its passes: give its scheduler_address")
    if cluster.status.name != "running":
        raise ClusterError(f"the cluster {cluster.name} is {cluster.status.name}, not running; start a new one")
    try:
        return Client(cluster, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"the scheduler of cluster {cluster.name} does not answer ({told(error)})") from error


def client_at(address: str, certificates: Certificates | None = None) -> Client:
    """Return a client of the scheduler at `address`, which may be the path of a scheduler file.

    Certificates that are not given are those of dask's configuration, if it has any.

    Raises
    ------
    ClusterError
        No scheduler answers there, or it and this process do not trust each other.
    InputError
        A file of a certificate is of no use.
    """
    address = scheduler_address(address)
    security = certificates.security() if certificates else Security()
    if "://" not in address:
        scheme = "tls" if security.require_encryption else dask.config.get("distributed.comm.default-scheme", "tcp")
        address = f"{scheme}://{address}"
    refuse_silent(address, security, CONNECT_TIMEOUT_S)
    try:
        return Client(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False, security=security)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no scheduler answers at {address} ({told(error)}); start one with: dask scheduler"
        ) from error


def current_client() -> Client | None:
    """Return the client dask would use now, None where there is none.

    Raises
    ------
    InputError
        It is asynchronous.
    """
    try:
        return usable(default_client())
    except InputError:
        raise
    except ValueError:
        return None


def wait_for_a_worker(client: Client, seconds: float) -> None:
    """Return when the scheduler of a client has a worker.

    Raises
    ------
    ClusterError
        It has none after so many seconds.
    """
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError:
        address = client.scheduler.address if client.scheduler else ""
        raise ClusterError(
            f"cluster {address} has no worker after {seconds:g} s; start one with: dask worker ADDRESS, or wait longer "
            "(--workers-timeout; in Python client.wait_for_workers)"
        ) from None
