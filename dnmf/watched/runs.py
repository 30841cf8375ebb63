"""What is known of the fits that a scheduler was told of: plain values, bounded in size, told apart by a mark."""

import math
import os
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from dnmf.watched.heard import heard

PLUGIN = "dnmf-watch"  # its name at a scheduler
TOPIC = "dnmf"  # of the scheduler, under which clients tell
MOST_RUNS = 20
MOST_PASSES = 600
READS_OF_ALL = ("pass", "last")
OVER = ("done", "failed", "left")


@dataclass
class Run:
    """One fit, or one study of many models, as far as it was told.

    Attributes
    ----------
    mark : str
        Tells it from others.
    number : int
        How many were there before it.
    client : str
        Whose client tells of it.
    facts : dict
        What is fitted and by whom: ``source``, ``store``, ``rank``, ``loss``, ``solver``, ``host``, ``pid``, …
    began, told : float
        When it was told of first and last, in seconds since 1970.
    status : str
        ``"starting"``, ``"running"``, ``"done"``, ``"failed"``, or ``"left"``: its process went without a word.
    plan, start, now, ended : dict or None
        How it is cut, where it began, how far the read in hand is, and how it ended.
    passes : list of dict
        Those that are over; of very many every other older one is left out.
    workers_gone, workers_came : int
        How many workers left the cluster for whatever reason, and how many joined it, since it began.
    """

    mark: str
    number: int
    client: str
    began: float
    told: float
    facts: dict[str, Any] = field(default_factory=dict)
    status: str = "starting"
    plan: dict[str, Any] | None = None
    start: dict[str, Any] | None = None
    now: dict[str, Any] | None = None
    ended: dict[str, Any] | None = None
    passes: list[dict[str, Any]] = field(default_factory=list)
    workers_gone: int = 0
    workers_came: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told of it."""
        return self.status in OVER

    @property
    def name(self) -> str:
        """What people call it: the last part of its store, or of its data."""
        return os.path.basename(str(self.facts.get("store") or self.facts.get("source") or "").rstrip("/")) or "a fit"

    def hear(self, told: Any) -> None:
        """Take note of one thing that was told; what is not known, or not as it should be, is passed over."""
        kind, rest = heard(as_json(told)) or ("", {})
        if kind == "facts":
            self.facts.update(rest)
        elif kind == "planned":
            self.plan = rest
        elif kind == "started":
            self.start, self.now, self.status = rest, None, "running"
        elif kind in ("progress", "standing"):
            self.now = rest
        elif kind == "pass":
            self._add(rest)
        elif kind == "finished":
            self.ended, self.status, self.now = rest, "done", None
        elif kind == "failed":
            self.ended, self.status, self.now = rest, "failed", None

    def _add(self, record: dict[str, Any]) -> None:
        before = self.passes[-1]["bytes_read"] if self.passes else self._of_all((self.start or {}).get("reads"))
        if record.get("bytes_read") is None:
            record["bytes_read"] = self._of_all(record.get("reads"))
        record["bytes_per_second"] = _speed(record["bytes_read"], before, record.get("seconds"))
        self.passes.append(record)
        self.status, self.now = "running", None
        if len(self.passes) > MOST_PASSES:
            del self.passes[1 : MOST_PASSES // 2 : 2]

    def _of_all(self, reads: float | None) -> float:
        """How many bytes so many reads of all of the data are."""
        return (reads or 0.0) * ((self.plan or {}).get("total_bytes") or 0)

    @property
    def last(self) -> dict[str, Any]:
        """The last pass that counts, or the last one where none does; empty before the first."""
        taken = (record for record in reversed(self.passes) if record.get("accepted", True))
        return next(taken, self.passes[-1] if self.passes else {})

    @property
    def reads(self) -> float | None:
        """Reads of the data so far, those of the start included."""
        found: float | None = self.passes[-1].get("reads") if self.passes else (self.start or {}).get("reads")
        return found

    @property
    def bytes_per_second(self) -> float | None:
        """Decoded bytes that are gone through in a second, in the pass in hand or else in the last one."""
        now = self.now or {}
        if now.get("what") in READS_OF_ALL and now.get("rows_done") and now.get("rows"):
            return _speed(self._of_all(now["rows_done"] / now["rows"]), 0.0, now.get("seconds"))
        return self.passes[-1]["bytes_per_second"] if self.passes else None

    def view(self) -> dict[str, Any]:
        """All that is known, as JSON values; what is infinite, or no number, is None."""
        last = self.last
        shown = {
            **self.facts, "run": self.mark, "name": self.name, "status": self.status, "client": self.client,
            "began": self.began, "told": self.told, "plan": self.plan, "start": self.start, "now": self.now,
            **{name: last.get(name) for name in ("relative_error", "gradient", "alive")},
            "reads": self.reads, "bytes_per_second": self.bytes_per_second,
            "workers_gone": self.workers_gone, "workers_came": self.workers_came,
            "ended": self.ended, "passes": self.passes,
        }  # fmt: skip
        values: dict[str, Any] = as_json(shown)
        return values


class Runs:
    """The fits a scheduler was told of, the newest last; those that ended longest ago give way to new ones."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._count = 0

    def __iter__(self) -> Any:
        return iter(list(self._runs.values()))

    def hear(self, message: Any, at: float) -> None:
        """Take note of what a client tells of one run; what is none of dnmf's messages is passed over."""
        if not isinstance(message, dict) or not isinstance(message.get("told"), (list, tuple)):
            return
        mark = str(message.get("run"))
        if mark not in self._runs:
            self._make_room()
            self._runs[mark] = Run(mark, self._count, str(message.get("client")), began=at, told=at)
            self._count += 1
        run = self._runs[mark]
        run.told = at
        for told in message["told"]:
            run.hear(told)

    def _make_room(self) -> None:
        if len(self._runs) >= MOST_RUNS:
            over = (run for run in self._runs.values() if run.is_over)
            gives_way = min(over, key=lambda run: run.told, default=next(iter(self._runs.values())))
            del self._runs[gives_way.mark]

    def worker_came(self) -> None:
        """Take note of a worker that joined."""
        for run in self._going():
            run.workers_came += 1

    def worker_gone(self) -> None:
        """Take note of a worker that is gone, for whatever reason."""
        for run in self._going():
            run.workers_gone += 1

    def client_left(self, client: str, at: float) -> None:
        """Take note of a client that is gone: what it had not told the end of has none."""
        for run in self._going():
            if run.client == client:
                run.status, run.now, run.told = "left", None, at

    def _going(self) -> list[Run]:
        return [run for run in self._runs.values() if not run.is_over]


def _speed(upto: float, since: float, seconds: float | None) -> float | None:
    return max(0.0, upto - since) / seconds if seconds else None


def as_json(value: Any) -> Any:
    """Return a value as JSON knows it: numbers that are infinite, or none, become None, other objects their text.

    Examples
    --------
    >>> as_json({"alive": np.int64(3), "error": np.float32(0.5), "gradient": np.inf, "accepted": np.bool_(True)})
    {'alive': 3, 'error': 0.5, 'gradient': None, 'accepted': True}
    """
    if isinstance(value, dict):
        return {str(name): as_json(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    return str(value)
