"""``python -m benchmarks.kills``: kill -9 what takes part in a fit, again and again, and count wrong results.

Counts, dense and sparse, are fitted by least squares and by Kullback–Leibler, in process and on a cluster of a
scheduler and three workers. Drivers, workers and schedulers die at random moments; a fit whose driver or scheduler died
is gone on with by the same command. When the kills are done the fit ends, and is held against one nobody disturbed:

- *wrong*: H, d, W or an objective on the way differs by a bit, or a pass that was told of as committed was lost;
- *hung*: nothing ended it in ten minutes, or the same command ended in an error again and again;
- *left*: tasks that are still on the scheduler when it is over, where there is one.

What is done is kept in ``kills.json``: run again, it goes on with what is missing, and writes the table of
``docs/reliability.md``. ``--again`` begins anew.
"""

import argparse
import itertools
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import reliability_page
from benchmarks.fit_process import FitProcess, bits_of
from benchmarks.real_cluster import ROOT, RealCluster, kill
from benchmarks.suite import environment

RESULTS = Path(__file__).with_name("kills.json")
MEMORY = "1GiB"  # of a worker, and of the process: the plan and so the bits follow from it
PASSES = 60
GONE_ON = 3  # times, after an error that is not of a kill
LOSSES = ("frobenius", "kullback-leibler")
KILLS = {"driver": 16, "driver on a cluster": 6, "worker": 27, "scheduler": 6}
"""What dies, and how often for each kind of data and each loss: 220 kills in all."""


@dataclass(frozen=True)
class Case:
    """Data, a loss, what dies, and how often."""

    data: str
    loss: str
    victim: str
    kills: int

    @property
    def name(self) -> str:
        """Tells it from all others."""
        return f"{self.victim}, {self.data}, {self.loss}"


@dataclass
class Tally:
    """What came of a case."""

    data: str
    loss: str
    victim: str
    kills: int = 0
    fits: int = 0
    wrong: int = 0
    hung: int = 0
    left: int | None = None
    seconds: float = 0.0
    date: str = ""
    said: list[str] = field(default_factory=list)


def write_data(folder: Path, rows: int, columns: int) -> dict[str, Path]:
    """Write planted counts, dense and in CSR, and return where."""
    import scipy.sparse
    import zarr

    rng = np.random.default_rng(0)
    W, H = rng.gamma(0.5, size=(rows, 8)), rng.gamma(0.5, size=(8, columns))
    dense = rng.poisson(W @ H).astype(np.float32)
    zarr.create_array(folder / "dense.zarr", data=dense, chunks=(max(1, rows // 80), columns))
    sparse = scipy.sparse.csr_array(rng.poisson(0.05 * (W @ H)).astype(np.float32))
    group = zarr.open_group(folder / "sparse.zarr", mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [rows, columns]})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(sparse, name), chunks=(max(1, sparse.nnz // 80),))
    return {"dense": folder / "dense.zarr", "sparse": folder / "sparse.zarr"}


class Arena:
    """A folder, the data, and what undisturbed fits of it are."""

    def __init__(self, folder: Path, rows: int, columns: int, passes: int):
        self.folder, self.passes = folder, passes
        self.data = write_data(folder, rows, columns)
        self._numbers, self._expected = itertools.count(), {}

    def arguments(self, case: Case, store: Path, cluster: RealCluster | None) -> list[str]:
        """Return what to say to ``dnmf fit``."""
        where = ["--scheduler", str(cluster.file)] if cluster else ["--memory-limit", MEMORY]
        return [str(self.data[case.data]), "--rank", "8", "--loss", case.loss, "--store", str(store), "--tol", "0",
                "--max-passes", str(self.passes), "--keep", "stream", *where]  # fmt: skip

    def start(self, case: Case, store: Path, cluster: RealCluster | None) -> FitProcess:
        """Begin a fit, or go on with it."""
        given = cluster.environment if cluster else {**os.environ, "PYTHONPATH": str(ROOT)}
        return FitProcess(self.arguments(case, store, cluster), given, "benchmarks.small_tasks")

    def expected(self, case: Case) -> str:
        """Return the bits of a fit in process that nobody disturbs."""
        if (case.data, case.loss) not in self._expected:
            store = self.new_store()
            fit = self.start(case, store, None)
            if fit.end() != 0:
                raise RuntimeError(f"the undisturbed fit failed: {fit.errors}")
            self._expected[case.data, case.loss] = bits_of(store)
        return self._expected[case.data, case.loss]

    def new_store(self) -> Path:
        """Return a place where nothing is."""
        return self.folder / f"{next(self._numbers)}.dnmf"

    def new_cluster(self) -> RealCluster:
        """Start a scheduler and three workers."""
        return RealCluster(self.folder / f"cluster-{next(self._numbers)}", 3, MEMORY)


class Course:
    """One fit after the other until a case has its kills; each goes on until it is done."""

    def __init__(self, arena: Arena, case: Case, rng: random.Random):
        self.arena, self.case, self.rng = arena, case, rng
        self.expected = arena.expected(case)
        self.tally = Tally(case.data, case.loss, case.victim)
        self._told = 0

    def is_enough(self) -> bool:
        """Return whether all kills are done."""
        return self.tally.kills >= self.case.kills

    def fits(self) -> Iterator[Path]:
        """Yield new stores until there were enough kills."""
        while not self.is_enough():
            self.tally.fits += 1
            self._told = 0
            yield self.arena.new_store()

    def strike(self, *pids: int) -> None:
        """Kill processes, and count those that were there."""
        self.tally.kills += sum(kill(pid) for pid in pids)

    def pause_into(self, fit: FitProcess) -> None:
        """Wait for a random moment: before the first pass, or in one of the next few."""
        if self.rng.random() < 0.25:
            deadline = time.monotonic() + self.rng.uniform(0.2, 4.0)
        else:
            fit.wait_for_passes(self.rng.randint(1, 4))
            deadline = time.monotonic() + self.rng.uniform(0.0, 0.2)
        while time.monotonic() < deadline and not fit.is_over():
            time.sleep(0.005)

    def look(self, fit: FitProcess) -> None:
        """Count a pass that was told of as committed and came again."""
        numbers = [one["number"] for one in fit.passes()]
        if numbers and numbers[0] <= self._told:
            self.tally.wrong += 1
            self.tally.said.append(f"pass {numbers[0]} again, though {self._told} was told")
        self._told = max([self._told, *numbers])

    def finish(self, fit: FitProcess, store: Path, cluster: RealCluster | None) -> None:
        """Wait for the end, go on where it was an error, and compare."""
        code = self.end(fit)
        for _ in range(GONE_ON):
            if code in (0, None):
                break
            self.tally.said.append(fit.errors[-1] if fit.errors else f"exit {code}")
            fit = self.arena.start(self.case, store, cluster)
            code = self.end(fit)
        if code is not None and code != 0:
            self.tally.hung += 1
        elif code == 0 and (found := bits_of(store)) != self.expected:
            self.tally.wrong += 1
            self.tally.said.append(f"{found} in place of {self.expected}")

    def count_left(self, cluster: RealCluster) -> None:
        """Count the tasks that are still on a scheduler."""
        self.tally.left = (self.tally.left or 0) + cluster.count_tasks()

    def end(self, fit: FitProcess) -> int | None:
        """Return the exit code of a fit; one that hung is counted."""
        code = fit.end()
        self.look(fit)
        if code is None:
            self.tally.hung += 1
            self.tally.said.append("hung")
        return code


def kill_drivers(course: Course, cluster: RealCluster | None) -> None:
    """Kill the process of the fit, and go on with it."""
    for store in course.fits():
        fit = course.arena.start(course.case, store, cluster)
        while not course.is_enough() and not fit.is_over():
            course.pause_into(fit)
            if fit.is_over():
                break
            course.strike(fit.process.pid)
            course.end(fit)
            fit = course.arena.start(course.case, store, cluster)
        course.finish(fit, store, cluster)


def kill_workers(course: Course, cluster: RealCluster) -> None:
    """Kill a worker in every other pass, now and then all of them at once; the scheduler and the fit live on."""
    for store in course.fits():
        fit = course.arena.start(course.case, store, cluster)
        seen = 0
        while not course.is_enough() and fit.wait_for_passes(seen + course.rng.randint(1, 3)):
            time.sleep(course.rng.uniform(0.0, 0.2))
            seen = len(fit.passes())
            pids = cluster.worker_pids()
            if pids and not fit.is_over():
                course.strike(*(pids if course.rng.random() < 0.1 else [course.rng.choice(pids)]))
        course.finish(fit, store, cluster)


def kill_schedulers(course: Course) -> None:
    """Kill the scheduler, and go on with a new one."""
    for store in course.fits():
        is_done = False
        while not is_done:
            with course.arena.new_cluster() as cluster:
                fit = course.arena.start(course.case, store, cluster)
                if not course.is_enough():
                    course.pause_into(fit)
                if is_done := course.is_enough() or fit.is_over():
                    course.finish(fit, store, cluster)
                    course.count_left(cluster)
                else:
                    course.strike(cluster.scheduler.pid)
                    course.end(fit)


def run(arena: Arena, case: Case, seed: int) -> Tally:
    """Return what came of a case."""
    course = Course(arena, case, random.Random(f"{case.name} {seed}"))
    began = time.monotonic()
    if case.victim == "driver":
        kill_drivers(course, None)
    elif case.victim == "scheduler":
        kill_schedulers(course)
    else:
        work: Callable[[Course, RealCluster], None] = kill_workers if case.victim == "worker" else kill_drivers
        with arena.new_cluster() as cluster:
            work(course, cluster)
            course.count_left(cluster)
    course.tally.seconds, course.tally.date = round(time.monotonic() - began, 1), environment()["date"]
    return course.tally


def cases(kills: dict[str, int]) -> list[Case]:
    """Return every victim under every loss on both kinds of data."""
    return [
        Case(data, loss, victim, count)
        for (victim, count), loss, data in itertools.product(kills.items(), LOSSES, ("dense", "sparse"))
    ]


def main(arguments: list[str] | None = None) -> None:
    """Run the cases that are missing, print each, keep them, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.partition("\n")[0])
    parser.add_argument("--again", action="store_true", help="forget what was counted before")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    parser.add_argument(
        "--try", dest="only_try", action="store_true", help="two kills of each, small data; write nothing"
    )
    how = parser.parse_args(arguments)
    keep = not how.only_try
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if keep and RESULTS.is_file() and not how.again else {}
    done: dict[str, Any] = record.get("cases", {})
    with tempfile.TemporaryDirectory() as folder:
        arena = Arena(Path(folder), *((10_000, 200, PASSES) if keep else (4_000, 60, 6)))
        for case in cases(KILLS if keep else dict.fromkeys(KILLS, 2)):
            if case.name in done:
                continue
            tally = run(arena, case, how.seed)
            done[case.name] = asdict(tally)
            print(f"{case.name}: {tally.kills} kills, {tally.fits} fits, {tally.wrong} wrong, {tally.hung} hung, "
                  f"{tally.left or 0} tasks left, {tally.seconds:.0f} s {tally.said}", flush=True)  # fmt: skip
            if keep:
                RESULTS.write_text(json.dumps({"environment": environment(), "cases": done}, indent=1) + "\n")
    print(f"{total(done, 'kills')} kills, {total(done, 'wrong')} wrong results, {total(done, 'hung')} hung")
    if keep:
        reliability_page.write()
    if total(done, "wrong") or total(done, "hung"):
        raise SystemExit(1)


def total(done: dict[str, Any], name: str) -> int:
    """Return the sum of one count over all cases."""
    return sum(tally[name] for tally in done.values())


if __name__ == "__main__":
    main()
