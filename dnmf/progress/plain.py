"""Lines of text with the time, one after the other: logs, pipes and files."""

from collections.abc import Callable
from datetime import datetime
from typing import TextIO


def local_time() -> datetime:
    """Return the time of this place."""
    return datetime.now().astimezone()


class PlainLines:
    """Prints lines, each behind the time of day.

    Attributes
    ----------
    live : bool
        Whether what is being done can be seen; else lines have to say it now and then.
    alone : bool
        Whether nothing else will say how it ended.

    Parameters
    ----------
    stream : text stream
        Where to.
    now : callable
        The time.
    """

    live = alone = False

    def __init__(self, stream: TextIO, now: Callable[[], datetime] = local_time):
        self._stream, self._now = stream, now

    def print(self, line: str) -> None:
        """Add a line that stays."""
        print(f"{self._now():%Y-%m-%d %H:%M:%S}  {line}", file=self._stream, flush=True)

    def doing(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        """Say what has no result yet: what it is, how much of it is done, and the seconds that are left."""

    def close(self) -> None:
        """Take back what does not stay."""
