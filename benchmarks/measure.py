"""One peer on one problem, in a process of its own: ``python -m benchmarks.measure JOB.json``.

The process stays on one processor. The peer runs once on a piece of the matrix and once on all of it; the second
run shows its memory. Only then is anything timed.
"""

import gc
import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from benchmarks.objective import relative_error
from benchmarks.peers import Peer, Run, peers
from benchmarks.process import Taken, stay_on_one_processor, timed
from benchmarks.search import first_reaching

STEP_SECONDS = 0.7  # the iterations whose cost is measured last at least so long, or there are MOST_STEPS of them
MOST_STEPS = 64
DIFFERENCES = 3


@dataclass(frozen=True)
class Job:
    """What a measuring process is asked for.

    Attributes
    ----------
    folder : str
        Where the matrix lies (:func:`save_matrix`).
    peer : str
        Its name.
    rank : int
        Components.
    best : float
        The best error known.
    within : list of float
        By which shares an error may exceed it, coarsest first.
    seeds : int
        Most seeds; a peer has its own limit too.
    longest_s : float
        CPU seconds of the longest run that is tried.
    enough_s : float
        CPU seconds after which no further seed is begun (beyond the fewest of the peer).
    """

    folder: str
    peer: str
    rank: int
    best: float
    within: list[float]
    seeds: int
    longest_s: float
    enough_s: float


@dataclass(frozen=True)
class Measurement:
    """One run of a peer.

    Attributes
    ----------
    seed, asked, done : int
        Iterations that were asked for and that were made.
    error : float
        ``‖A − WH‖ / ‖A‖``, recomputed from the factors in float64.
    reads : float or None
        Of the data.
    bytes_read : int or None
        Where the peer counts them.
    cpu_s, wall_s : float
        From matrix to factors, start included.
    """

    seed: int
    asked: int
    done: int
    error: float
    reads: float | None
    bytes_read: int | None
    cpu_s: float
    wall_s: float


def save_matrix(matrix: Any, folder: Path) -> None:
    """Write an ndarray or a CSR array to a folder."""
    if not scipy.sparse.issparse(matrix):
        np.save(folder / "dense.npy", matrix)
        return
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(matrix, name))
    (folder / "shape.json").write_text(json.dumps(matrix.shape))


def load_matrix(folder: Path) -> Any:
    """Return the matrix that :func:`save_matrix` wrote."""
    if (folder / "dense.npy").exists():
        return np.load(folder / "dense.npy")
    parts = tuple(np.load(folder / f"{name}.npy") for name in ("data", "indices", "indptr"))
    return scipy.sparse.csr_array(parts, shape=tuple(json.loads((folder / "shape.json").read_text())))


class Bench:
    """A peer with a matrix before it.

    Parameters
    ----------
    peer : Peer
        What runs.
    matrix : ndarray or CSR array
        What it factorizes.
    job : Job
        How thoroughly.
    """

    def __init__(self, peer: Peer, matrix: Any, job: Job):
        self.peer, self.matrix, self.job = peer, matrix, job
        self.runs: dict[tuple[int, int], Measurement] = {}
        self.spent_s = 0.0

    def measure(self) -> dict[str, Any]:
        """Return memory, the cost of an iteration and every timed run, as JSON values."""
        shortest = self.peer.grid[0]
        self.peer.run(self.matrix[: max(200, 4 * self.job.rank)], self.job.rank, 0, shortest)
        gc.collect()
        _, first = self._cost(self.peer.run, 0, shortest)
        step = self._step()
        grid = self._affordable(step["cpu_s"])
        self._search(grid)
        runs = [asdict(run) for run in sorted(self.runs.values(), key=lambda run: (run.seed, run.asked))]
        return {"added_bytes": first.added_bytes, "step": step, "longest": grid[-1], "runs": runs}

    def _cost(self, run: Run, seed: int, iterations: int) -> tuple[Any, Taken]:
        found, taken = timed(partial(run, self.matrix, self.job.rank, seed, iterations))
        taken = Taken(*found.own) if found.own else taken
        self.spent_s += taken.cpu_s
        return found, taken

    def _step(self) -> dict[str, Any]:
        """What one iteration takes: the difference of two runs of different length, by the iterations between."""
        short = self.peer.grid[0]
        between, found = 2, [self._difference(short, short + 2)]
        while found[0].cpu_s * between < STEP_SECONDS and between < MOST_STEPS:
            between *= 2
            found = [self._difference(short, short + between)]
        while len(found) < DIFFERENCES and self.spent_s < self.job.enough_s:
            found.append(self._difference(short, short + between))
        return {
            "short": short, "long": short + between,
            "cpu_s": float(np.median([one.cpu_s for one in found])),
            "wall_s": float(np.median([one.wall_s for one in found])), "differences": len(found),
        }  # fmt: skip

    def _difference(self, short: int, long: int) -> Taken:
        (one, brief), (other, longer) = (self._cost(self.peer.plain, 0, length) for length in (short, long))
        between = max(1, other.iterations - one.iterations)
        return Taken((longer.cpu_s - brief.cpu_s) / between, (longer.wall_s - brief.wall_s) / between, None)

    def _affordable(self, step_s: float) -> list[int]:
        """The part of the grid whose runs are short enough, as far as can be foreseen; at least its first entry."""
        first = self._run(0, self.peer.grid[0])
        left_s = self.job.longest_s - first.cpu_s
        return [n for n in self.peer.grid if n == first.asked or (n - first.asked) * max(step_s, 0) <= left_s]

    def _search(self, grid: list[int]) -> None:
        guesses, self.spent_s = [0] * len(self.job.within), 0.0
        for seed in range(min(self.job.seeds, self.peer.seeds)):
            if seed >= self.peer.fewest_seeds and self.spent_s > self.job.enough_s:
                return
            for i, share in enumerate(self.job.within):
                found = first_reaching(partial(self._excess, seed, grid), grid, share, guesses[i])
                guesses[i] = len(grid) - 1 if found is None else found
                guesses[i + 1 :] = [max(guess, guesses[i]) for guess in guesses[i + 1 :]]

    def _excess(self, seed: int, grid: list[int], entry: int) -> float:
        return self._run(seed, grid[entry]).error / self.job.best - 1

    def _run(self, seed: int, iterations: int) -> Measurement:
        """A run from matrix to factors; each is made once."""
        if (seed, iterations) not in self.runs:
            found, taken = self._cost(self.peer.run, seed, iterations)
            error = relative_error(self.matrix, found.W, found.H)
            self.runs[seed, iterations] = Measurement(
                seed, iterations, found.iterations, error, found.reads, found.bytes_read, taken.cpu_s, taken.wall_s
            )
        return self.runs[seed, iterations]


def main(path: Path) -> None:
    """Measure what the job at `path` says and write the result beside it, as ``result.json``."""
    stay_on_one_processor()
    job = Job(**json.loads(path.read_text()))
    peer = next(peer for peer in peers() if peer.name == job.peer)
    result = Bench(peer, load_matrix(Path(job.folder)), job).measure()
    path.with_name("result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
