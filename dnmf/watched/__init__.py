"""Fits on a cluster, watched in a browser: what a fit tells its scheduler, and the page and the JSON that show it.

Little is imported here: a scheduler hears and answers without numba, scipy or zarr, and draws only when somebody looks.
"""

from typing import Any


async def dask_setup(scheduler: Any) -> None:
    """Let a scheduler show its fits from the beginning: ``dask scheduler --preload dnmf.watched``."""
    from dnmf.watched.plugin import Watch

    watch = Watch()
    await watch.start(scheduler)
    scheduler.add_plugin(watch, name=watch.name)
