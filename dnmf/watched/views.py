"""What a scheduler knows, for the page and as JSON values."""

from typing import Any

import dnmf
from dnmf.watched.runs import PLUGIN, Runs, as_json


def runs_of(scheduler: Any) -> Runs:
    """Return what was heard on a scheduler; nothing where the plugin was removed."""
    runs: Runs = getattr(scheduler.plugins.get(PLUGIN), "runs", None) or Runs()
    return runs


def view(scheduler: Any) -> dict[str, Any]:
    """Return all that a scheduler knows of its fits as JSON values.

    Returns
    -------
    dict
        ``dnmf``, the version; ``runs``, the views of :class:`~dnmf.watched.runs.Run`, the newest last; ``workers`` as
        :func:`workers_view` returns them.
    """
    runs = [run.view() for run in runs_of(scheduler)]
    return {"dnmf": dnmf.__version__, "runs": runs, "workers": workers_view(scheduler)}


def workers_view(scheduler: Any) -> list[dict[str, Any]]:
    """Return the workers there are: their addresses, names, status, and the memory they use and may use, in bytes."""
    return [
        as_json({
            "address": worker.address, "name": worker.name, "status": worker.status.name, "threads": worker.nthreads,
            "memory_bytes": worker.metrics.get("memory", 0), "limit_bytes": worker.memory_limit or None,
        })
        for worker in scheduler.workers.values()
    ]  # fmt: skip
