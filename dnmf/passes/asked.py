"""What every worker of a cluster is asked to say or do, in its own process."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from dnmf.errors import ClusterError, DnmfError, UnknownLossError
from dnmf.memory import Machine
from dnmf.passes.allocator import MAPPED_BYTES, can_give_back, give_back_freed, kept_when_freed
from dnmf.passes.warm import Loadable, load_compiled_kernels, will_compile
from dnmf.places import Place, trouble_with
from dnmf.sources.kept import KEPT
from dnmf.sources.source import Source


async def aside(function: Callable[..., Any], *arguments: Any, dask_worker: Any = None) -> Any:
    """Return what a function returns, called on a thread of its own: meanwhile the worker goes on saying that it lives.

    Kernels are compiled on the first call, and what storage answers may take its time; a worker that says nothing for a
    minute is given up.
    """
    named = {"dask_worker": dask_worker} if "dask_worker" in inspect.signature(function).parameters else {}
    return await asyncio.to_thread(function, *arguments, **named)


def forget_rows(mark: str) -> None:
    """Let go of the rows that are kept under a mark, for good."""
    KEPT.forget(mark)


def drop_rows(mark: str) -> None:
    """Let go of the rows that are kept under a mark, and keep what comes from now on."""
    KEPT.drop(mark)


def compiles_first(kernels: Loadable) -> bool:
    """Return whether this worker has kernels to compile before it can say what it offers."""
    try:
        return will_compile(kernels)
    except UnknownLossError:  # which it will say
        return False


def worker_facts(kernels: Loadable, dask_worker: Any = None) -> dict[str, Any]:
    """What one worker says of itself, after everything a task needs has been imported."""
    import psutil

    from dnmf import __version__

    try:
        load_compiled_kernels(kernels)
    except UnknownLossError as error:
        return {"version": __version__, "unknown": str(error).partition(":")[0]}
    KEPT.forget_abandoned()
    give_back_freed()  # an earlier fit leaves some
    limit = dask_worker.memory_manager.memory_limit or psutil.virtual_memory().total
    freed = kept_when_freed() if can_give_back() else 0  # of another C library it was never measured
    return {
        "version": __version__,
        "threads": dask_worker.state.nthreads,
        "memory": int(limit),
        "base": psutil.Process().memory_info().rss,
        "freed": freed,
        "gives_back": freed > MAPPED_BYTES,
    }


def least_of(facts: dict[str, dict[str, Any]], memory_bytes: int | None) -> Machine:
    """Return what every worker offers, from what each says of itself, by its address.

    Parameters
    ----------
    facts : dict
        Of :func:`worker_facts`.
    memory_bytes : int or None
        A limit of their memory, where it is less.

    Raises
    ------
    ClusterError
        One has another version of dnmf, or does not know the loss.
    """
    from dnmf import __version__

    for address, fact in facts.items():
        if fact["version"] != __version__:
            raise ClusterError(
                f"worker {address} has dnmf {fact['version']}, this process {__version__}; install the same"
            )
        if "unknown" in fact:
            raise ClusterError(
                f"worker {address} does not know {fact['unknown']}; register it on the workers too: "
                "client.run(dnmf.losses.register, …), or client.upload_file(…) of the module that does"
            )
    values = list(facts.values())
    memory = min(fact["memory"] for fact in values)
    return Machine(
        threads=max(fact["threads"] for fact in values),
        memory_bytes=min(memory, memory_bytes) if memory_bytes else memory,
        base_bytes=max(fact["base"] for fact in values),
        freed_bytes=max(fact["freed"] for fact in values),
        gives_back=all(fact["gives_back"] for fact in values),
    )


def opening_trouble(source: Source) -> str:
    """Return why this worker cannot open the source, an empty text if it can."""
    try:
        source.read(0, 1)
    except (DnmfError, OSError) as error:
        return str(error)
    return ""


def store_trouble(place: Place) -> str:
    """Return why this worker cannot write into a store, an empty text if nothing is in the way."""
    try:
        return trouble_with(place)
    except (DnmfError, OSError) as error:
        return str(error)
