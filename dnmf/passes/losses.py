"""What went wrong on the way of a pass and was made good: a record that adds."""

from typing import NamedTuple


class Losses(NamedTuple):
    """What a pass lost and did again; nothing of it is in its result.

    Attributes
    ----------
    workers : int
        Workers that left unasked: killed, out of memory, or cut off.
    hosts : tuple of str
        Hosts of theirs that have no worker any more.
    again : int
        Tasks that were given to other workers, or run again, because of that.
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
        counts = (
            (self.workers, "worker lost", "workers lost"),
            (self.again, "task run again", "tasks run again"),
            (0, "", ""),
            (self.retries, "read tried again", "reads tried again"),
        )
        found = [f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count]
        if self.hosts:
            found.insert(sum(bool(count) for count, _, _ in counts[:2]), f"no worker left on {', '.join(self.hosts)}")
        return ", ".join(found)


NOTHING = Losses()
