"""What went wrong on the way of a pass and was made good: a record that adds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

MOST_NAMED = 10  # in a line: spot nodes leave by the hundred


class Losses(NamedTuple):
    """What a pass lost and did again; nothing of it is in its result.

    Attributes
    ----------
    workers : int
        Workers that left unasked: killed, out of memory, or cut off.
    hosts : tuple of str
        Hosts of theirs that have no worker any more.
    again : int
        Tasks that they had in hand, or whose results were lost with them: others ran these. What a lost sum was made of
        is made once more as well, and not counted.
    retries : int
        Reads that failed for a moment and were tried again.
    """

    workers: int = 0
    hosts: tuple[str, ...] = ()
    again: int = 0
    retries: int = 0

    def beside(self, other: "Losses") -> "Losses":
        """Both together."""
        hosts = dict.fromkeys((*self.hosts, *other.hosts))
        return Losses(
            self.workers + other.workers, tuple(hosts), self.again + other.again, self.retries + other.retries
        )

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> "Losses":
        """Those that ``_asdict`` described, through JSON."""
        return cls(**{**values, "hosts": tuple(values.get("hosts", ()))})

    @property
    def told(self) -> str:
        """All of it in words; empty where nothing was lost.

        Examples
        --------
        >>> Losses(2, ("10.0.0.3",), 34, 1).told
        '2 workers lost, 34 tasks run again, no worker left on 10.0.0.3, 1 read tried again'
        >>> Losses().told
        ''
        """
        found = (
            _counted(self.workers, "worker lost", "workers lost"),
            _counted(self.again, "task run again", "tasks run again"),
            f"no worker left on {some_of(self.hosts)}" if self.hosts else "",
            _counted(self.retries, "read tried again", "reads tried again"),
        )
        return ", ".join(filter(None, found))


def some_of(names: Sequence[str]) -> str:
    """Return names in words: the first ones, and how many more there are.

    Examples
    --------
    >>> some_of(["a", "b"])
    'a, b'
    """
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


NOTHING = Losses()
