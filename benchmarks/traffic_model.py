"""A model of the bytes of a pass on the wire, in the middle of a fit whose H is short: what hosts get and give."""

from dataclasses import dataclass
from typing import Any

from benchmarks.scaling_model import additions


@dataclass(frozen=True)
class Messages:
    """What dask says of a task, in bytes; measured.

    Attributes
    ----------
    to_scheduler, from_scheduler : float
        In and out of the scheduler's host: the graph from the client, then who is to do what, and what is done.
    to_workers : float
        Into all workers together.
    """

    to_scheduler: float
    from_scheduler: float
    to_workers: float

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Messages":
        """The constants in a record."""
        return cls(**record)


@dataclass(frozen=True)
class Traffic:
    """Bytes of a pass.

    Attributes
    ----------
    to_workers : float
        Into all workers together.
    to_scheduler, from_scheduler : float
        Into the scheduler's host, and out of it; the client is on another.
    """

    to_workers: float
    to_scheduler: float
    from_scheduler: float


def traffic(rank: int, columns: int, visits: int, workers: int, messages: Messages) -> Traffic:
    """Return what a pass sends, at most.

    The sums of every visit but one go to another worker, and H to each. By way of the scheduler's host come H from the
    client, which goes on to a first worker, and the last sums, which go on to the client.

    Examples
    --------
    >>> silent = Messages(0, 0, 0)
    >>> traffic(10, 2000, visits=50, workers=3, messages=silent)
    Traffic(to_workers=8123120, to_scheduler=240880, from_scheduler=240880)
    """
    tasks = visits + additions(visits) + 1  # and H
    of_sums, of_h = 8 * rank * (columns + rank + 1), 4 * rank * columns
    return Traffic(
        (visits - 1) * of_sums + workers * of_h + messages.to_workers * tasks,
        of_h + of_sums + messages.to_scheduler * tasks,
        of_h + of_sums + messages.from_scheduler * tasks,
    )
