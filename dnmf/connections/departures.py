"""Workers that leave a scheduler unasked, as it says so: who they were, and what they had in hand."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from distributed import Client

from dnmf.connections.topics import Topic, topic_of

TOPIC = "all"  # where a scheduler logs what happens to its workers
GIVEN = ("dnmf-work", "dnmf-ahead")  # what tasks are given, which nobody works for


class Departure(NamedTuple):
    """A worker that left, and how many tasks of a fit it leaves to others: in hand, or done and lost with it."""

    worker: str
    tasks: int

    @property
    def host(self) -> str:
        """Where it ran."""
        return host_of(self.worker)


def host_of(address: str) -> str:
    """Return the host of the address of a worker."""
    return urlsplit(address).hostname or address


class Departures:
    """Hears of workers that leave while somebody listens.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler.
    mark : str
        In the names of the tasks of the fit that asks: those of other fits on the scheduler are not counted.
    """

    def __init__(self, client: Client, mark: str):
        self._client, self._mark = client, f"-{mark}"
        self._topic: Topic | None = None
        self._left: list[Departure] = []  # filled by the thread of the client
        self._told = 0

    def begin(self) -> None:
        """Listen from now on, if that is not done already."""
        if self._topic is None:
            topic = topic_of(self._client, TOPIC)
            topic.listen(self._hear)
            self._topic = topic

    @property
    def untold(self) -> list[Departure]:
        """Who has left and was not told of."""
        return self._left[self._told :]

    def taken(self) -> list[Departure]:
        """Return who has left and was not told of; they are told of now."""
        found = self.untold
        self._told += len(found)
        return found

    def end(self) -> None:
        """Listen no more."""
        if self._topic is not None:
            self._topic.leave(self._hear)
            self._topic = None

    def _hear(self, said: Any) -> None:
        if isinstance(said, dict) and said.get("action") == "remove-worker" and not said.get("expected"):
            keys = map(str, [*said.get("processing-tasks", ()), *said.get("lost-computed-tasks", ())])
            tasks = sum(self._mark in key and not key.startswith(GIVEN) for key in keys)
            self._left.append(Departure(str(said.get("worker")), tasks))
