"""What it costs that fits on a cluster are watched: CPU seconds of the scheduler and the client, in one process.

Other programs on the machine change wall seconds, not these. ``python -m benchmarks --only watched`` writes them into
the page of results, ``python -m benchmarks.watched`` prints them.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import fields
from statistics import median
from typing import Any

import numpy as np

from benchmarks.simulated_cluster import COLUMNS, RANK, SleepingSource, real_workers
from benchmarks.suite import environment
from dnmf.fitting.events import PassDone, PassProgress, Planned
from dnmf.fitting.history import PassRecord
from dnmf.passes.executor import Done, Job, ignore
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.returns import MOST_WORDS
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import Group
from dnmf.watched.feed import EVERY_S, Feed

RUNS, PASSES = 3, 100
VISITS, SLEEP_S, TIMES = MOST_WORDS, 0.002, 15
STRETCH_S, ROUNDS = 10.0, 5
LOOKER = """
import sys, time
from bokeh.client import pull_session
session = pull_session(url=sys.argv[1])
session.force_roundtrip()
print("sees it", flush=True)
while True:
    time.sleep(2)
    session.force_roundtrip()
"""


def watched(stretch_s: float = STRETCH_S, rounds: int = ROUNDS, times: int = TIMES) -> dict[str, Any]:
    """Return what a second costs with nothing to do, while a fit tells of itself, and while a browser looks at it.

    Parameters
    ----------
    stretch_s : float
        Of each of these.
    rounds : int
        How often they take turns; the medians count.
    times : int
        How often a pass is made whose tasks say that they are done, and one whose tasks do not.
    """
    with real_workers(2, 1) as client:
        feeds = _some_runs(client)
        found = [_one_round(client, feeds[0], stretch_s) for _ in range(rounds)]
        for feed in feeds:
            feed.close()
        silent, said = _visit(client, VISITS, times)
    idle, told, looked_at = (median(each) for each in zip(*found, strict=True))
    return {
        "idle_s": idle, "told_s": told, "looked_at_s": looked_at, "silent_visit_s": silent, "told_visit_s": said,
        "environment": environment(),
    }  # fmt: skip


def _one_round(client: Any, feed: Feed, stretch_s: float) -> tuple[float, float, float]:
    """CPU seconds of a second at rest, of one in which a fit tells of itself, and of one in which it is looked at."""
    idle = _second(lambda: time.sleep(stretch_s), stretch_s)
    told = _second(lambda: _tell(feed, stretch_s), stretch_s)
    with _looked_at(client):
        return idle, told, _second(lambda: _tell(feed, stretch_s), stretch_s)


def _second(work: Callable[[], Any], stretch_s: float) -> float:
    """CPU seconds of this process in a second of some work."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / stretch_s


def _some_runs(client: Any) -> list[Feed]:
    """Fits that have told of many passes."""
    feeds = [Feed(client, {"source": f"{number}.zarr", "rank": 20}) for number in range(RUNS)]
    for feed in feeds:
        feed(Planned("here", "a.zarr", (10**6, 3000), 10**10, 100, 900, 2**28, 2**31))
        for number in range(PASSES):
            feed(_pass(number + 1))
    time.sleep(3)  # until all is heard, and what that left behind is done
    return feeds


def _pass(number: int) -> PassDone:
    known = {"number": number, "relative_error": 0.3 + 0.5 / number, "gradient": 1 / number, "reads": number + 0.5,
             "seconds": 10.0, "bytes_read": number * 10**10, "accepted": True, "alive": 20}  # fmt: skip
    return PassDone(PassRecord(**{**{field.name: 0 for field in fields(PassRecord)}, **known}), committed=True)


def _tell(feed: Feed, stretch_s: float) -> None:
    """Tell of progress as often as it is told at all, and of a pass every second."""
    for number in range(int(stretch_s / EVERY_S)):
        feed(_pass(PASSES + number) if number % 4 == 0 else PassProgress("pass", 101, number, 10**6, float(number)))
        time.sleep(EVERY_S)


@contextmanager
def _looked_at(client: Any):
    """Keep the page open in another process, which is sent what a browser would be sent."""
    address = client.dashboard_link.removesuffix("status") + "nmf"
    looker = subprocess.Popen([sys.executable, "-c", LOOKER, address], stdout=subprocess.PIPE, text=True)
    try:
        if "sees it" not in looker.stdout.readline():
            raise RuntimeError(f"nothing shows {address}")
        time.sleep(2)
        yield
    finally:
        looker.kill()
        looker.wait()


def _visit(client: Any, visits: int, times: int) -> tuple[float, float]:
    """CPU seconds of a visit of an empty group: without a word of it, and with one when it is done."""
    executor = OnCluster(client)
    source = SleepingSource(visits, COLUMNS, SLEEP_S)
    jobs = [Job(source.for_rows(i, i + 1), Group(i, i + 1, ((i, i + 1),))) for i in range(visits)]
    work = Work((solve_for_rows(np.full((RANK, COLUMNS), 0.5, np.float32)),), "float32")

    def once(done: Done) -> float:
        began = time.process_time()
        executor.add_up(jobs, work, done=done)
        return (time.process_time() - began) / visits

    once(ignore)
    pairs = [(once(ignore), once([].append)) for _ in range(times)]
    return median(silent for silent, _ in pairs), median(said for _, said in pairs)


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    lines = [
        "## Fits that are watched",
        "",
        "CPU of the scheduler and the client together, one process, two workers: a second in which a fit tells of "
        f"itself as often as one does ({1 / EVERY_S:g} messages, one of them a pass), beside {RUNS} runs of {PASSES} "
        f"passes; and the same while its page is open ({ROUNDS} rounds of {STRETCH_S:g} s of each, medians). Then a "
        "visit of a pass, and its word that it is done, which is said where anybody listens: a progress bar, a store, "
        f"or the page. At most {MOST_WORDS} visits of a pass say it.",
        "",
        "|  | CPU ms |",
        "|---|---|",
        *table(record),
    ]
    return "\n".join([*lines, "", environment_line, ""])


def table(record: dict[str, Any]) -> Sequence[str]:
    """Return the rows of the table."""
    idle, silent = record["idle_s"], record["silent_visit_s"]
    told, looked_at = record["told_s"] - idle, record["looked_at_s"] - record["told_s"]
    said = record["told_visit_s"] - silent
    return [
        f"| a second of a cluster at rest | {1000 * idle:.1f} |",
        f"| a fit that tells of itself adds | {1000 * told:.1f} ({100 * told:.2f} % of a processor) |",
        f"| a page that is open adds | {1000 * looked_at:.1f} ({100 * looked_at:.2f} % of a processor) |",
        f"| a visit without a word | {1000 * silent:.3f} |",
        f"| its word that it is done adds | {1000 * said:.3f} |",
    ]


if __name__ == "__main__":
    print("\n".join(table(watched())))
