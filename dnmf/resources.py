"""Where a fit runs and who listens, as the caller says it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dnmf.arrays import taken_as
from dnmf.errors import InputError
from dnmf.fitting.events import Callback


@dataclass(frozen=True)
class Resources:
    """Where a fit runs and who listens; nothing here changes its result.

    Attributes
    ----------
    client : distributed.Client, cluster, str, Connecting or None
        See :func:`dnmf.fit`.
    memory_bytes : int or None
        Limit of one worker.
    keep : {"auto", "memory", "stream"}
        Whether data is kept in memory between passes; see :func:`dnmf.fit`.
    callbacks : tuple
        Each is handed every event.
    """

    client: Any = None
    memory_bytes: int | None = None
    keep: str = "auto"
    callbacks: tuple[Callback, ...] = ()

    def connected(self) -> Any:
        """Return the client, connected now if it was not before."""
        return self.client.client if isinstance(self.client, Connecting) else self.client


class Connecting:
    """A client that is connected when a pass needs it: what is done already is returned without a scheduler.

    Parameters
    ----------
    connect : callable
        Returns the client.
    """

    def __init__(self, connect: Callable[[], Any]):
        self._connect = connect

    @cached_property
    def client(self) -> Any:
        """The client; it is connected once."""
        return self._connect()


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """Return callbacks as a tuple; one alone counts as a list of one.

    Raises
    ------
    InputError
        One cannot be called.
    """
    given = (callbacks,) if callable(callbacks) and not isinstance(callbacks, type) else callbacks
    with taken_as("a list of callbacks", "callbacks", given):
        found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else (given,)
    wrong = [each for each in found if not callable(each)]
    if wrong:
        raise InputError(f"callbacks: a {type(wrong[0]).__name__} cannot be called; give functions of one event")
    return found
