"""What it costs that fits on a cluster are watched: CPU seconds of the scheduler and the client, in one process.

Other programs on the machine change wall seconds more than these, and the least of several is the least disturbed.
``python -m benchmarks --only watched`` writes them into the page of results, ``python -m benchmarks.watched`` prints.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.simulated_cluster import COLUMNS, RANK, SleepingSource, real_workers
from benchmarks.suite import environment
from dnmf.fitting.events import Event, PassDone, PassProgress, Planned
from dnmf.fitting.history import PassRecord
from dnmf.passes.executor import Done, Job, ignore
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.returns import MOST_WORDS
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import Group
from dnmf.watched.feed import EVERY_S, told_of
from dnmf.watched.plugin import Watch
from dnmf.watched.runs import PLUGIN, TOPIC

RUNS, PASSES, WORKERS = 3, 100, 32
MESSAGES, LOOKS, TIMES, SLEEP_S = 100, 30, 15, 0.002
REFRESHES_A_SECOND = 1
PLANNED = Planned("here", "a.zarr", (10**6, 3000), 10**10, 100, 900, 2**28, 2**31)


def watched(times: int = TIMES) -> dict[str, Any]:
    """Return what a message of a fit, a refresh of the page, and the word of a visit that is done cost.

    Parameters
    ----------
    times : int
        How often each is measured; the least counts.
    """
    with real_workers(2, 1) as client:
        client.register_plugin(Watch())
        message = min(_messages(client) for _ in range(times))
        silent, said = _visit(client, times)
    after_pass, after_progress = (min(_refresh(events) for _ in range(times)) for events in (_passes, _progress))
    return {
        "message_s": message, "after_pass_s": after_pass, "after_progress_s": after_progress, "silent_visit_s": silent,
        "told_visit_s": said, "environment": environment(),
    }  # fmt: skip


def _cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _passes() -> Iterator[Event]:
    """Passes without an end."""
    for number in count(1):
        known = {"number": number, "relative_error": 0.3 + 0.5 / number, "gradient": 1 / number, "alive": 20,
                 "reads": number + 0.5, "seconds": 10.0, "bytes_read": number * 10**10, "accepted": True}  # fmt: skip
        yield PassDone(
            PassRecord(**{**{field.name: 0 for field in fields(PassRecord) if field.default is MISSING}, **known}),
            committed=True,
        )


def _progress() -> Iterator[Event]:
    """How far a pass is, without an end."""
    return (PassProgress("pass", PASSES + 1, 10**4 * number, 10**6, float(number)) for number in count(1))


def _messages(client: Any) -> float:
    """CPU seconds of a message of a pass: sent by the client, heard by the scheduler."""

    async def send() -> None:
        for _, event in zip(range(MESSAGES), _passes(), strict=False):
            await client.log_event(TOPIC, {"run": "a", "client": client.id, "told": [told_of(event)]})

    return _cpu(lambda: client.sync(send)) / MESSAGES


def _refresh(events: Callable[[], Iterator[Event]]) -> float:
    """CPU seconds of a refresh of the page after an event: what changed is made, and put into the form that is sent."""
    from bokeh.document import Document
    from bokeh.protocol import Protocol

    from dnmf.watched.page import Page

    watch, changes, document = Watch(), list[Any](), Document()
    page = Page(SimpleNamespace(plugins={PLUGIN: watch}, workers={at: _worker(at) for at in range(WORKERS)}))
    document.add_root(page.root)
    document.callbacks.on_change(changes.append)
    passes = [told_of(event) for _, event in zip(range(PASSES), _passes(), strict=False)]
    for run in range(RUNS):
        facts = {"type": "facts", "source": f"{run}.zarr", "rank": 20}
        watch.runs.hear({"run": str(run), "told": [facts, told_of(PLANNED), *passes]}, 0.0)
    page.update()

    def look() -> None:
        for number, event in zip(range(LOOKS), events(), strict=False):
            watch.runs.hear({"run": "0", "told": [told_of(event)]}, float(number + 1))
            changes.clear()
            page.update()
            assert Protocol().create("PATCH-DOC", changes).content_json

    return _cpu(look) / LOOKS


def _worker(number: int) -> SimpleNamespace:
    """What a scheduler knows of a worker."""
    return SimpleNamespace(
        address=f"tcp://10.0.0.{number}:8000", name=number, nthreads=1, memory_limit=2**31,
        status=SimpleNamespace(name="running"), metrics={"memory": 2**27 + number},
    )  # fmt: skip


def _visit(client: Any, times: int) -> tuple[float, float]:
    """CPU seconds of a visit of an empty group: without a word of it, and with one when it is done."""
    executor, source = OnCluster(client), SleepingSource(MOST_WORDS, COLUMNS, SLEEP_S)
    jobs = [Job(source.for_rows(i, i + 1), Group(i, i + 1, ((i, i + 1),))) for i in range(MOST_WORDS)]
    work = Work((solve_for_rows(np.full((RANK, COLUMNS), 0.5, np.float32)),), "float32")

    def once(done: Done) -> float:
        return _cpu(lambda: executor.add_up(jobs, work, done=done)) / MOST_WORDS

    once(ignore)
    pairs = [(once(ignore), once([].append)) for _ in range(times)]
    return min(silent for silent, _ in pairs), min(said for _, said in pairs)


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    lines = [
        "## Fits that are watched",
        "",
        "CPU of the scheduler and the client together, in one process: a message in which a fit tells of a pass, of "
        f"which {1 / EVERY_S:g} a second are sent at most; a refresh of the open page, at most {REFRESHES_A_SECOND} a "
        f"second, with {RUNS} runs of {PASSES} passes and {WORKERS} workers on it; and a visit of a pass of "
        f"{MOST_WORDS}, with and without the word that it is done, which is said where anybody listens (a progress "
        f"bar, a store, or the page) by at most {MOST_WORDS} visits of a pass. The least of {TIMES} each.",
        "",
        "|  | CPU ms | at most, of a processor |",
        "|---|---|---|",
        *table(record),
    ]
    return "\n".join([*lines, "", environment_line, ""])


def table(record: dict[str, Any]) -> Sequence[str]:
    """Return the rows of the table."""
    message, said = record["message_s"], record["told_visit_s"] - record["silent_visit_s"]
    refreshes = [("a pass", record["after_pass_s"]), ("progress", record["after_progress_s"])]
    return [
        f"| a message of a fit | {1000 * message:.2f} | {100 * message / EVERY_S:.2f} % |",
        *(f"| a refresh of the page after {what} | {1000 * each:.2f} | {100 * each * REFRESHES_A_SECOND:.2f} % |"
          for what, each in refreshes),
        f"| a visit without a word | {1000 * record['silent_visit_s']:.2f} | |",
        f"| its word that it is done adds | {1000 * said:.2f} | |",
    ]  # fmt: skip


if __name__ == "__main__":
    print("\n".join(table(watched())))
