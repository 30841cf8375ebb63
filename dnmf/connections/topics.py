"""Topics of what a scheduler is told of: a client has room for one listener to each, which all in a process share."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

from distributed import Client

Listener = Callable[[Any], None]
ONE_AT_A_TIME = threading.Lock()  # else one that leaves could end what another one, of another thread, has just begun


class Topic:
    """A topic as it is heard through one client.

    Parameters
    ----------
    client : distributed.Client
        Not held: who holds it listens.
    name : str
        Of the topic.
    """

    def __init__(self, client: Client, name: str):
        self._client, self._name = ref(client), name
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Hand every message from now on to one more, in the thread of the client.

        Where a program listens to the topic itself through this client, it goes on alone, and nothing is heard here.
        """
        with ONE_AT_A_TIME:
            client = self._client()
            if client is not None and not self._listeners and self._heard_by(client) in (None, self._hear):
                client.subscribe_topic(self._name, self._hear)
            self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Hand it no more; a program that listens to the topic itself goes on."""
        with ONE_AT_A_TIME:
            if listener in self._listeners:
                self._listeners.remove(listener)
            client = self._client()
            if client is None or self._listeners or client.status != "running":
                return
            if self._heard_by(client) == self._hear:
                with contextlib.suppress(Exception):  # it may be closed by now, which is told where something is lost
                    client.unsubscribe_topic(self._name)

    def _heard_by(self, client: Client) -> Any:
        return getattr(client, "_event_handlers", {}).get(self._name)

    def _hear(self, event: Any) -> None:
        for listener in tuple(self._listeners):
            listener(event[1])


_OF_CLIENTS: WeakKeyDictionary[Client, dict[str, Topic]] = WeakKeyDictionary()


def topic_of(client: Client, name: str) -> Topic:
    """Return a topic as it is heard through a client."""
    with ONE_AT_A_TIME:
        return _OF_CLIENTS.setdefault(client, {}).setdefault(name, Topic(client, name))
