"""What every worker of a cluster is asked to say or do, in its own process."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from dnmf.errors import DnmfError, UnknownLossError
from dnmf.passes.allocator import MAPPED_BYTES, can_give_back, give_back_freed, kept_when_freed
from dnmf.passes.warm import Loadable, load_compiled_kernels
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
