"""Workers that leave a scheduler unasked, as it says so: who they were, and what they had in hand."""

import contextlib
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from distributed import Client

TOPIC = "all"  # where a scheduler logs what happens to its workers
OURS = "dnmf-"


class Departure(NamedTuple):
    """A worker that left, and how many tasks of dnmf it leaves to others: in hand, or done and lost with it."""

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

    A client has room for one listener to what its scheduler says of workers: executors of one client share it. Where
    the room is taken by somebody else, nothing is heard.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler.
    """

    def __init__(self, client: Client):
        self._client, self._listeners = client, 0
        self._seen: list[Departure] = []  # filled by the thread of the client

    def begin(self) -> int:
        """Listen; return where those who leave from now on will stand."""
        if not self._listeners:
            with contextlib.suppress(ValueError):  # somebody else listens
                self._client.subscribe_topic(TOPIC, self._hear)
        self._listeners += 1
        return len(self._seen)

    def since(self, place: int) -> list[Departure]:
        """Return who has left since a place was told."""
        return self._seen[place:]

    def end(self) -> None:
        """Listen no more, if nobody else does."""
        self._listeners -= 1
        if not self._listeners and self._client.status == "running":
            with contextlib.suppress(Exception):  # it may be closed by now
                self._client.unsubscribe_topic(TOPIC)

    def _hear(self, event: Any) -> None:
        said = event[1]
        if isinstance(said, dict) and said.get("action") == "remove-worker" and not said.get("expected"):
            left = [*said.get("processing-tasks", ()), *said.get("lost-computed-tasks", ())]
            self._seen.append(Departure(str(said.get("worker")), sum(str(key).startswith(OURS) for key in left)))


_OF_CLIENTS: WeakKeyDictionary[Client, Departures] = WeakKeyDictionary()


def departures_of(client: Client) -> Departures:
    """Return what hears of the workers that leave the scheduler of a client."""
    return _OF_CLIENTS.setdefault(client, Departures(client))
