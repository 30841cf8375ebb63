"""``python -m benchmarks.streaming``: what one would stream a store with instead, and how far it comes.

Each program runs in a process of its own, on one processor, over the same store. dnmf makes a fit at its defaults, as
of data beyond its memory; the others read blocks of rows in order, again from the beginning after the last one, until
they have taken as many CPU seconds. The errors of all are computed in the same way from their H.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import zarr

from benchmarks.large_stores import store_matrix
from benchmarks.out_of_core import replace_part
from benchmarks.peers import not_installed
from benchmarks.problems import Problem, planted_dense, poisson_sparse
from benchmarks.process import ONE_THREAD, stay_on_one_processor
from benchmarks.streaming_page import HEADING, section
from benchmarks.suite import ROOT, environment

TIMES = (1, 2)  # the CPU seconds of dnmf
READ_ROWS = 16_000  # at a time, or a little more so that batches are whole
MEMORY_LIMIT = "1GiB"  # of dnmf, as in the table above
SKLEARN_ROWS = 1024  # of a batch, its default
RANK = 20
FEW = np.random.default_rng(0).random((300, 40), dtype=np.float32)
SETTINGS = {"batch_rows": SKLEARN_ROWS, "read_rows": READ_ROWS, "times": TIMES, "memory_limit": MEMORY_LIMIT}
FORGET = 0.7  # its default, of what came before; of a whole read in `fit`, of a batch in `partial_fit`


class Learner(NamedTuple):
    """A program at work: it is handed rows, and says what H is now."""

    learn: Callable[[Any], object]
    profiles: Callable[[], np.ndarray]


class Mark(NamedTuple):
    """How far a program was when it had taken the CPU seconds that it was granted.

    Attributes
    ----------
    cpu_s, reading_s : float
        What it had taken, and how much of that to read and decode.
    reads : float
        Of the rows.
    H : ndarray
        (k, n).
    """

    cpu_s: float
    reading_s: float
    reads: float
    H: np.ndarray


@dataclass(frozen=True)
class Program:
    """What one streams with.

    Attributes
    ----------
    make : callable
        Returns a learner, given the rank and the shape of the data.
    batch_rows : int
        How many rows it is handed at a time.
    missing : callable
        Why it cannot be run here; empty where it can.
    """

    make: Callable[[int, tuple[int, int]], Learner]
    batch_rows: int
    missing: Callable[[], str] = str


def minibatch(rank: int, shape: tuple[int, int], *, forget_of_a_read: bool = False) -> Learner:
    """Return scikit-learn's MiniBatchNMF; it forgets as by default, or over a whole read as its `fit` does."""
    from sklearn.decomposition import MiniBatchNMF

    forget = FORGET ** (SKLEARN_ROWS / shape[0]) if forget_of_a_read else FORGET
    model = MiniBatchNMF(rank, forget_factor=forget, random_state=0)
    return Learner(model.partial_fit, lambda: model.components_)


def gensim_nmf(rank: int, shape: tuple[int, int]) -> Learner:
    """Return gensim's Nmf, which takes documents as columns; it is not asked to print what it found meanwhile."""
    from gensim.models.nmf import Nmf

    words = {number: str(number) for number in range(shape[1])}
    model = Nmf(num_topics=rank, id2word=words, eval_every=0, random_state=0)
    return Learner(lambda rows: model.update(scipy.sparse.csr_matrix(rows).T), lambda: model._W.T)


PROGRAMS = {
    "scikit-learn MiniBatchNMF.partial_fit": Program(minibatch, SKLEARN_ROWS),
    "the same, forgetting as its fit does": Program(partial(minibatch, forget_of_a_read=True), SKLEARN_ROWS),
    "gensim Nmf.update": Program(gensim_nmf, READ_ROWS, partial(not_installed, "gensim")),
}


def problems(quick: bool = False) -> list[Problem]:
    """Return what is streamed; `quick`: small ones."""
    dense, sparse = ((2_000, 60), (2_000, 200)) if quick else ((100_000, 1_000), (200_000, 5_000))
    return [
        Problem("dense", "product + noise", RANK, partial(planted_dense, *dense)),
        Problem("csr", "Poisson counts", RANK, partial(poisson_sparse, *sparse)),
    ]


class Batches:
    """The rows of a store in order, as Zarr hands them out, endlessly; how many were read and what that took.

    Parameters
    ----------
    path : Path
        A dense array or a CSR group ``X``, as anndata lays them out.
    batch_rows : int
        Of each, but for the last one of a read.
    """

    def __init__(self, path: Path, batch_rows: int) -> None:
        self.X = zarr.open_group(path, mode="r")["X"]
        self.sparse = isinstance(self.X, zarr.Group)
        self.shape = tuple(self.X.attrs["shape"] if self.sparse else self.X.shape)
        self.batch_rows = batch_rows
        self.rows_read, self.reading_s = 0, 0.0
        self._offsets = self.X["indptr"][:] if self.sparse else None

    def __iter__(self) -> Iterator[Any]:
        at_once = -(-READ_ROWS // self.batch_rows) * self.batch_rows
        while True:
            for low in range(0, self.shape[0], at_once):
                before = time.process_time()
                rows = self._read(low, min(low + at_once, self.shape[0]))
                self.reading_s += time.process_time() - before
                for first in range(0, rows.shape[0], self.batch_rows):
                    batch = rows[first : first + self.batch_rows]
                    self.rows_read += batch.shape[0]
                    yield batch

    def _read(self, low: int, high: int) -> Any:
        if not self.sparse:
            return self.X[low:high]
        first, last = self._offsets[low], self._offsets[high]
        offsets = (self._offsets[low : high + 1] - first).astype(np.int32)
        parts = (self.X["data"][first:last], self.X["indices"][first:last], offsets)
        return scipy.sparse.csr_matrix(parts, shape=(high - low, self.shape[1]))


def stream(
    program: Program, path: Path, rank: int, granted: Sequence[float], clock: Callable[[], float] = time.process_time
) -> list[Mark]:
    """Return how far a program is after each of the CPU seconds in `granted`, ascending, opening included."""
    program.make(RANK, FEW.shape).learn(FEW)  # imported and called once before anything is timed
    began, marks = clock(), []
    batches = Batches(path, program.batch_rows)
    learner = program.make(rank, batches.shape)
    for batch in batches:
        learner.learn(batch)
        taken = clock() - began
        while len(marks) < len(granted) and taken >= granted[len(marks)]:
            reads = batches.rows_read / batches.shape[0]
            marks.append(Mark(taken, batches.reading_s, reads, np.array(learner.profiles())))
        if len(marks) == len(granted):
            break
    return marks


def fit_dnmf(path: Path, rank: int) -> tuple[list[Mark], list[dict[str, float]]]:
    """Return what a fit at defaults comes to whose passes read the store each time, W included, and its passes."""
    import dnmf
    from dnmf.fitting.events import PassDone

    for rows in (FEW, scipy.sparse.csr_array(FEW)):
        dnmf.fit(rows, rank, max_passes=3)  # compiled before anything is timed
    seconds, before = [], time.process_time()

    def note(event: object) -> None:
        if isinstance(event, PassDone):
            seconds.append(time.process_time() - before)

    model = dnmf.fit(path, rank, keep="stream", memory_limit=MEMORY_LIMIT, callbacks=(note,))
    mark = Mark(time.process_time() - before, 0.0, model.reads, model.H)
    passes = [
        {"cpu_s": cpu_s, "reads": one.reads, "error": one.relative_error}
        for cpu_s, one in zip(seconds, model.history, strict=True)
    ]
    return [mark], passes


def error_of(H: np.ndarray, path: Path) -> float:
    """Return ``min ‖A − W H‖ / ‖A‖`` over W ≥ 0, in float64, whatever the rows of H are scaled to."""
    import dnmf

    alive = H[H.any(axis=1)].astype(np.float64)
    held = dnmf.Constraints(fixed_H=alive)
    return dnmf.fit(path, len(alive), constraints=held, dtype="float64", tol=0.0, max_passes=1).relative_error


def alone(name: str, path: Path, rank: int, granted: Sequence[float]) -> dict[str, Any]:
    """Return what a program did in this process, with the error after each of the CPU seconds granted."""
    stay_on_one_processor()
    warnings.simplefilter("ignore")
    marks, passes = (stream(PROGRAMS[name], path, rank, granted), []) if name in PROGRAMS else fit_dnmf(path, rank)
    found = [
        {"cpu_s": mark.cpu_s, "reading_s": mark.reading_s, "reads": mark.reads, "error": error_of(mark.H, path)}
        for mark in marks
    ]
    return {"marks": found, "passes": passes}


def in_its_process(name: str, path: Path, rank: int, granted: Sequence[float]) -> dict[str, Any]:
    """Return what :func:`alone` does in a new process of one thread."""
    command = [sys.executable, "-m", "benchmarks.streaming", "--alone", name, "--store", str(path)]
    command += ["--rank", str(rank), "--granted", *map(str, granted)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, check=True, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    return json.loads(done.stdout)


def measure(problem: Problem, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Write the store of a matrix and return what each program came to, granted the CPU seconds of dnmf."""
    matrix, path = problem.load(), folder / "store.zarr"
    store_matrix(path, matrix)
    shape = list(matrix.shape)
    del matrix
    fitted = in_its_process("dnmf", path, problem.rank, ())
    granted, found = [times * fitted["marks"][0]["cpu_s"] for times in TIMES], {"dnmf": fitted}
    for name, program in PROGRAMS.items():
        found[name] = program.missing() or in_its_process(name, path, problem.rank, granted)
        say(f"{problem.name}, {name}: {found[name]}")
    return {"what": problem.what, "shape": shape, "rank": problem.rank, "programs": found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    chosen = _parser().parse_args(arguments)
    if chosen.alone:
        print(json.dumps(alone(chosen.alone, chosen.store, chosen.rank, chosen.granted)))
        return
    record: dict[str, Any] = {"environment": environment(), "settings": SETTINGS, "stores": {}}
    for problem in problems(chosen.quick):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            record["stores"][problem.name] = measure(problem, Path(folder))
    (chosen.out / "streaming.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    replace_part(chosen.out / "OUT_OF_CORE.md", section(record), HEADING)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small stores: to see that it works")
    parser.add_argument("--folder", type=Path, help="where the stores are written (the system's temporary folder)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    parser.add_argument("--alone", help="only this program in this process, printed as JSON")
    parser.add_argument("--store", type=Path, help="for --alone")
    parser.add_argument("--rank", type=int, help="for --alone")
    parser.add_argument("--granted", type=float, nargs="*", default=(), help="CPU seconds, for --alone")
    return parser


if __name__ == "__main__":
    main()
