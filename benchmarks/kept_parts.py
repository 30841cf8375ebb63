"""``python -m benchmarks.kept_parts``: measure whether it would pay to keep what is finished of a pass.

Passes of sleeping visits run on a cluster of processes, of which one worker is killed (SIGKILL) every few seconds; its
nanny starts another. Passes run in three ways, under the same kills:

- *as it is*: sums of visits stay on the workers, where they are added up; those that die with one are made again;
- *visits*: the sums of each visit come to the process of the fit at once, and what has come is never done again;
- *fours*: visits are added up in fours first, and the sums of these come.

Passes are begun for a while; one that ends only when there are no kills any more is not counted. Writes
``kept_parts.json`` and the tables of decision 51, of which another says what it is to bring all sums to one host.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import reliability_page
from benchmarks.real_cluster import START_S, RealCluster, kill
from benchmarks.simulated_cluster import COLUMNS, RANK, SleepingSource
from benchmarks.suite import environment
from dnmf.connections.departures import TOPIC
from dnmf.connections.topics import topic_of
from dnmf.passes.executor import Job
from dnmf.passes.graph import VISIT, pass_graph
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.work import Work
from dnmf.passes.workers import TASK_RETRIES, OnCluster
from dnmf.plan import Group

RESULTS = Path(__file__).with_name("kept_parts.json")
FOURS = "dnmf-add-0-"  # names of the first additions
WORKERS, VISITS, SLEEP_S = 4, 80, 0.2  # twenty fours
EVERY_S = (None, 6.0, 3.0, 1.5)
MEMORY = "1GiB"


class Spell(NamedTuple):
    """For how many seconds passes are begun, and workers killed; and the visits of a pass."""

    begin_s: float = 20.0
    kill_s: float = 40.0
    visits: int = VISITS


SHORT = Spell(3.0, 6.0, 16)


@dataclass
class Course:
    """What came of passes under kills.

    Attributes
    ----------
    way : {"as it is", "visits", "fours"}
        What comes to the process of the fit.
    every_s : float or None
        Between two kills; None where nobody is killed.
    passes : int
        Ended while there were kills.
    seconds : float
        Until the last of these ended, from the begin of the first.
    kills : int
        Workers that were killed, to the end of the pass that was not counted.
    again : int
        Tasks that workers left to others, as the records of the passes have it.
    in_hand, done : int
        Those of them that were visits: given to a worker but not done, and done.
    visits : int
        That were done, each as often as it was.
    needed : int
        That would have been done without kills.
    """

    way: str
    every_s: float | None
    passes: int = 0
    seconds: float = 0.0
    kills: int = 0
    again: int = 0
    in_hand: int = 0
    done: int = 0
    visits: int = 0
    needed: int = 0


class Killer:
    """Kills a worker every so many seconds, in a thread, for a while.

    Parameters
    ----------
    cluster : RealCluster
        Of the workers.
    every_s : float or None
        Between two kills; None: never.
    for_s : float
        How long.
    """

    def __init__(self, cluster: RealCluster, every_s: float | None, for_s: float):
        self.kills = 0
        self._cluster, self._every_s, self._rng = cluster, every_s, random.Random(0)
        self._until, self._over = time.monotonic() + for_s, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def is_over(self) -> bool:
        """Return whether nobody will be killed any more."""
        return time.monotonic() >= self._until

    def _run(self) -> None:
        while self._every_s and not self._over.wait(self._every_s) and not self.is_over():
            if pids := self._cluster.worker_pids():
                self.kills += kill(self._rng.choice(pids))

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def hearing(client: Any, course: Course) -> Iterator[None]:
    """Count the visits that workers leave to others."""
    topic = topic_of(client, TOPIC)

    def hear(said: Any) -> None:
        if isinstance(said, dict) and said.get("action") == "remove-worker" and not said.get("expected"):
            course.in_hand += _visits_among(said["processing-tasks"])
            course.done += _visits_among(said["lost-computed-tasks"])

    topic.listen(hear)
    try:
        yield
    finally:
        topic.leave(hear)


def _visits_among(keys: Any) -> int:
    return sum(str(key).startswith(VISIT) for key in keys)


def pass_as_it_is(executor: OnCluster, jobs: list[Job], work: Work) -> int:
    """Run a pass as fits do, and return the tasks that were run again."""
    return executor.add_up(jobs, work, done=[].append).lost.again


def pass_with_kept_parts(part: str, executor: OnCluster, jobs: list[Job], work: Work) -> int:
    """Run the tasks of a pass below and of some name, and let each of these go as soon as its sums are here."""
    from distributed import as_completed

    graph = pass_graph(jobs, work).graph
    parts = [key for key in graph.to_dict() if key.startswith(part)]
    futures = executor.client.get(graph.cull(parts), parts, sync=False, retries=TASK_RETRIES)
    with executor.client.as_current():
        for future, _ in as_completed(futures, with_results=True):
            future.release()
    return 0  # nothing counts them on this way


WAYS: dict[str, Callable[[OnCluster, list[Job], Work], int]] = {
    "as it is": pass_as_it_is, "visits": partial(pass_with_kept_parts, VISIT),
    "fours": partial(pass_with_kept_parts, FOURS),
}  # fmt: skip


def run(cluster: RealCluster, way: str, every_s: float | None, spell: Spell) -> Course:
    """Return what came of passes under kills.

    Parameters
    ----------
    cluster : RealCluster
        All of whose workers are there, or come soon.
    way : str
        Of :data:`WAYS`.
    every_s : float or None
        Between two kills.
    spell : Spell
        For how long.
    """
    from distributed import Client, get_task_stream

    source, course = SleepingSource(spell.visits, COLUMNS, SLEEP_S), Course(way, every_s)
    jobs = [Job(source.for_rows(i, i + 1), Group(i, i + 1, ((i, i + 1),))) for i in range(spell.visits)]
    work = Work((solve_for_rows(np.full((RANK, COLUMNS), 0.5, np.float32)),), "float32")
    with Client(scheduler_file=str(cluster.file), timeout=START_S, set_as_default=False) as client:
        client.wait_for_workers(WORKERS, timeout=START_S)
        executor = OnCluster(client)

        def one_pass() -> int:
            return WAYS[way](executor, jobs, work)

        one_pass()  # kernels are loaded
        with hearing(client, course), get_task_stream(client) as stream:
            with Killer(cluster, every_s, spell.kill_s) as killer:
                _repeat(one_pass, course, killer, spell)
            course.kills = killer.kills
        executor.close()
    course.visits = _visits_among(record["key"] for record in stream.data)
    return course


def _repeat(one_pass: Callable[[], int], course: Course, killer: Killer, spell: Spell) -> None:
    """Begin passes for a while."""
    began = time.monotonic()
    while time.monotonic() < began + spell.begin_s:
        course.again += one_pass()
        course.needed += spell.visits
        if not killer.is_over():
            course.passes, course.seconds = course.passes + 1, time.monotonic() - began


def told(one: Course) -> str:
    """Return a line for people."""
    a_pass = f"{one.seconds / one.passes:.1f} s a pass" if one.passes else "no pass"
    return (
        f"killed every {one.every_s} s, {one.way}: {one.passes} passes, {a_pass}, {one.kills} kills, {one.again} tasks "
        f"run again; {one.in_hand} visits in hand and {one.done} done were lost, {one.visits - one.needed} of "
        f"{one.needed} were done twice"
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the record and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kept_parts", description=__doc__.partition("\n")[0])
    parser.add_argument("--try", dest="only_try", action="store_true", help="a few seconds of each; write nothing")
    how = parser.parse_args(arguments)
    spell, courses = SHORT if how.only_try else Spell(), []
    with tempfile.TemporaryDirectory() as folder, RealCluster(Path(folder) / "cluster", WORKERS, MEMORY) as cluster:
        for every_s in EVERY_S:
            for way in WAYS:
                courses.append(run(cluster, way, every_s, spell))
                print(told(courses[-1]), flush=True)
    if not how.only_try:
        record = {"environment": environment(), "workers": WORKERS, "sleep_s": SLEEP_S, **spell._asdict(),
                  "courses": [asdict(one) for one in courses]}  # fmt: skip
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        reliability_page.write()


if __name__ == "__main__":
    from benchmarks.kept_parts import main as main_of_the_module  # whose classes workers can import

    main_of_the_module()
