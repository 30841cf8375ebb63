"""Counts under the Kullback–Leibler divergence: what it takes to come as far as scikit-learn's multiplicative updates.

Each program works in this process, BLAS on one thread; scikit-learn once, from its usual start, and dnmf with several
seeds, each fit with the fewest passes that come to a quality.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import scipy.sparse
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks import problems as matrices
from benchmarks.objective import divergence
from benchmarks.process import Taken, timed
from benchmarks.search import first_reaching
from benchmarks.suite import environment

LOSS = "kullback-leibler"
NAMES = ("pbmc3k", "Poisson sparse")
SHARE = 0.002  # above the best divergence known
SHORT, BETWEEN = 4, 12  # passes of the shorter of two fits, and by how many the other is longer


@dataclass(frozen=True)
class Effort:
    """How thoroughly it is measured.

    Attributes
    ----------
    iterations : int
        Of scikit-learn.
    seeds : tuple of int
        Of dnmf.
    longest : int
        Passes of the fits that say what the best divergence is, and most that are tried.
    differences : int
        Of how many pairs of fits the cost of a pass is the median.
    """

    iterations: int = 200
    seeds: tuple[int, ...] = (0, 1, 2)
    longest: int = 60
    differences: int = 3


def of_counts(some: Sequence[matrices.Problem]) -> list[matrices.Problem]:
    """Return those of the problems that are measured here."""
    return [problem for problem in some if problem.name in NAMES]


def counts(problems: Sequence[matrices.Problem], effort: Effort = Effort()) -> dict[str, Any]:
    """Return a record for each sparse matrix: scikit-learn's divergence and CPU, and what dnmf takes to it."""
    with threadpool_limits(1, user_api="blas"):
        found = {problem.name: _measured(problem, effort) for problem in problems}
    return {"problems": found, "iterations": effort.iterations, "environment": environment()}


def _measured(problem: matrices.Problem, effort: Effort) -> dict[str, Any]:
    A = scipy.sparse.csr_array(problem.load())
    for loss in (LOSS, "frobenius"):  # compiles
        dnmf.fit(A[:1000], problem.rank, loss=loss, max_passes=3)
    fits = [_Fits(A, problem.rank, seed) for seed in effort.seeds]
    best = min(each.run(effort.longest)[0] for each in fits)
    theirs, cpu_s = _scikit_learn(A, problem.rank, effort.iterations)
    best = min(best, theirs)
    return {
        "shape": list(A.shape), "nonzeros": int(A.nnz), "rank": problem.rank, "best": best,
        "scikit-learn": {"divergence": theirs, "cpu_s": cpu_s},
        "to scikit-learn": [each.shortest(theirs / best - 1, best, effort.longest) for each in fits],
        "to the best": [each.shortest(SHARE, best, effort.longest) for each in fits],
        "pass_cpu_s": {loss: _pass(A, problem.rank, loss, effort.differences) for loss in (LOSS, "frobenius")},
    }  # fmt: skip


class _Fits:
    """Fits of one seed, each made once."""

    def __init__(self, A: Any, rank: int, seed: int):
        self.A, self.rank, self.seed = A, rank, seed
        self.made: dict[int, tuple[float, float, float]] = {}

    def run(self, passes: int) -> tuple[float, float, float]:
        """Return divergence, reads and CPU seconds, those of start and last pass included."""
        if passes not in self.made:
            model, taken = _fit(self.A, self.rank, LOSS, passes, self.seed)
            self.made[passes] = (divergence(self.A, model.read_W() * model.d, model.H), model.reads, taken.cpu_s)
        return self.made[passes]

    def shortest(self, share: float, best: float, longest: int) -> dict[str, float] | None:
        """Return the fit of fewest passes that is within a share of the best divergence, None where there is none."""
        grid = range(1, longest + 1)
        at = first_reaching(lambda entry: self.run(grid[entry])[0] / best - 1, grid, max(share, 1e-7), 4)
        if at is None:
            return None
        _, reads, cpu_s = self.run(grid[at])
        return {"passes": grid[at], "reads": reads, "cpu_s": cpu_s}


def _fit(A: Any, rank: int, loss: str, passes: int, seed: int = 0) -> tuple[Any, Taken]:
    return timed(partial(dnmf.fit, A, rank, loss=loss, max_passes=passes, tol=0.0, seed=seed))


def _scikit_learn(A: Any, rank: int, iterations: int) -> tuple[float, float]:
    """The divergence that multiplicative updates come to, and their CPU seconds."""
    from sklearn.decomposition import NMF

    model = NMF(rank, solver="mu", beta_loss=LOSS, init="nndsvda", max_iter=iterations, tol=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged: that is what is asked for
        W, taken = timed(partial(model.fit_transform, A))
    return divergence(A, W, model.components_), taken.cpu_s


def _pass(A: Any, rank: int, loss: str, differences: int) -> float:
    """CPU seconds of a pass: the difference of two fits of different length, by the passes between."""
    lengths = (SHORT, SHORT + BETWEEN)
    pairs = [[_fit(A, rank, loss, length)[1].cpu_s for length in lengths] for _ in range(differences)]
    return median((long - short) / BETWEEN for short, long in pairs)
