"""How long a pass is waited for that does not get on: its workers are paused, gone, or die faster than it advances."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from dnmf.errors import ClusterError
from dnmf.options import format_bytes
from dnmf.passes.executor import Standing

MOST_LOST = 10  # workers, and so many for each that there was, without one task more that is done
MOST_LOST_OF_EACH = 5


class Patience:
    """Watches one pass.

    Parameters
    ----------
    name : str
        Of the cluster, for messages.
    stall_timeout_s : float
        For how long all workers may be paused or gone.
    standing : callable
        Told while they are (:class:`dnmf.passes.executor.Executor`).
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self, name: str, stall_timeout_s: float, standing: Standing, clock: Callable[[], float] = time.monotonic
    ):
        self._name, self._timeout_s, self._standing, self._clock = name, stall_timeout_s, standing, clock
        self._since: float | None = None
        self._done = self._here = self._most_here = 0
        self._lost_before: int | None = None

    def look(self, workers: Mapping[str, Mapping[str, Any]], lost: int, done: int | None) -> None:
        """Take note of how a pass stands.

        Parameters
        ----------
        workers : dict
            What the scheduler says of each worker there is now.
        lost : int
            How many have left unasked since the pass began.
        done : int or None
            How many of its tasks are known to be done, each counted once. None: nobody can know, and workers may die
            as often as dask lets them.

        Raises
        ------
        ClusterError
            There is no hope.
        """
        if done is not None:
            self._refuse_dying(len(workers), lost, done)
        if any(worker.get("status") == "running" for worker in workers.values()):
            self._since = None
            return
        now = self._clock()
        self._since = now if self._since is None else self._since
        if now - self._since > self._timeout_s:
            raise self._stalled(workers)
        self._standing(len(workers), now - self._since, self._timeout_s)

    def _refuse_dying(self, here: int, lost: int, done: int) -> None:
        """All may be lost at once, and come back: what counts is how many there were, not how many are left."""
        if self._lost_before is None or done > self._done:  # nobody knows how many there were before the first look
            self._done, self._lost_before, self._most_here = done, lost, self._here
        self._here, self._most_here = here, max(self._most_here, here)
        died = lost - self._lost_before
        if died > MOST_LOST + MOST_LOST_OF_EACH * max(1, self._most_here):
            raise ClusterError(
                f"{self._name}: {died} workers died and not one task more was done; they die faster than the pass "
                "gets on. Look at their logs and their memory, or choose workers that live longer, then resume from "
                "the last checkpoint"
            )

    def _stalled(self, workers: Mapping[str, Mapping[str, Any]]) -> ClusterError:
        found = ", ".join(
            f"{address}: {worker.get('status')}, {format_bytes(worker.get('metrics', {}).get('memory', 0))}"
            for address, worker in workers.items()
        )
        return ClusterError(
            f"{self._name}: no worker has been running for {self._timeout_s:g} s ({found or 'none is left'}). Give "
            "the workers more memory or start new ones, then resume from the last checkpoint"
        )
