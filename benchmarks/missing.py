"""Missing entries: what held-out ratings are missed by, what holes in a planted matrix are, and what a pass costs.

Strengths of penalties are chosen on a tenth of the training entries, which the fits to choose by do not see; then each
is fitted once on all training entries and meets the test entries for the first time.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks import problems as matrices
from benchmarks.process import timed
from benchmarks.suite import environment

RATINGS, RANK, LOWEST, HIGHEST = "movielens", 10, 1.0, 5.0
SHARE = 0.1  # of entries that are held out
DAMPED = 5.0
CLOSELY = {"tol": 1e-5, "max_passes": 100}
BY_COUNTS, CONSTANT = (0.08, 0.1, 0.12, 0.15, 0.2), (2.0, 5.0, 10.0)
BIASES = tuple((l2, beside) for l2 in (0.1, 0.12, 0.15, 0.2) for beside in (0.1, 0.3, 1.0))
PLANTED, HOLES, NANS = (4000, 500, 5), 0.2, 0.05
SHORT, BETWEEN, PAIRS = 3, 30, 5  # passes of the shorter of two fits, by how many the other is longer, how many pairs


class Entries(NamedTuple):
    """Some ratings: whose, of what, and how many stars."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    def split(self, seed: int) -> tuple["Entries", "Entries"]:
        """Those that are kept, and those that are held out."""
        out = np.random.default_rng(seed).random(len(self.values)) < SHARE
        kept, held = (Entries(*(part[some] for part in self[:3]), self.shape) for some in (~out, out))
        return kept, held

    def matrix(self) -> Any:
        """The same as a sparse matrix."""
        return scipy.sparse.csr_array((self.values, (self.rows, self.columns)), shape=self.shape)


def missing(problems: Sequence[matrices.Problem]) -> dict[str, Any]:
    """Return the record of all of it; without ratings where these are not among the problems at hand."""
    ratings = [problem for problem in problems if problem.name == RATINGS]
    with threadpool_limits(1, user_api="blas"):
        found: dict[str, Any] = {"planted": _planted(), "passes": {"dense": _dense_passes()}}
        for problem in ratings:
            A = scipy.sparse.csr_array(problem.load())
            entries = A.tocoo()
            found["ratings"] = held_out_ratings(Entries(*entries.coords, entries.data, A.shape))
            found["passes"] |= _passes_of_ratings(A)
    return {**found, "environment": environment()}


def held_out_ratings(ratings: Entries) -> dict[str, Any]:
    """Return the root mean square error on held-out ratings of each way to predict, and the strengths it chose."""
    train, test = ratings.split(0)
    fitted, validation = train.split(1)
    ways: dict[str, tuple[Callable[..., Any], Iterable[Any]]] = {
        "constant ridge": (_with_constant_ridge, CONSTANT),
        "ridge by counts": (_by_counts, BY_COUNTS),
        "ridge by counts, biases": (_with_biases, BIASES),
    }
    found: dict[str, Any] = {
        "shape": list(ratings.shape), "ratings": len(ratings.values), "held_out": len(test.values),
        "means": {f"{damped:g}": _error(test, _means(train, test, damped)) for damped in (0.0, DAMPED)},
        "ways": {},
    }  # fmt: skip
    for name, (fit, strengths) in ways.items():
        tried = [(_rmse(fit(fitted, strength), validation), strength) for strength in strengths]
        at_validation, chosen = min(tried)
        model = fit(train, chosen)
        found["ways"][name] = {
            "chosen": chosen, "validation": at_validation, "rmse": _rmse(model, test), "passes": len(model.history)
        }  # fmt: skip
    return found


def _rmse(model: Any, held: Entries) -> float:
    return dnmf.measures.held_out(model, held[:3], clip=(LOWEST, HIGHEST)).rmse


def _error(test: Entries, predicted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((np.clip(predicted, LOWEST, HIGHEST) - test.values) ** 2)))


def _with_constant_ridge(train: Entries, l2: float) -> Any:
    return _fit_ratings(train, RANK, dnmf.Penalty(l2=l2, scale="objective"))


def _by_counts(train: Entries, l2: float) -> Any:
    return _fit_ratings(train, RANK, dnmf.Penalty(l2=l2, scale="counts"))


def _with_biases(train: Entries, strengths: tuple[float, float]) -> Any:
    l2, beside_given = strengths
    users, films = train.shape
    ones = dnmf.Constraints(fixed_W=np.ones(users), fixed_H=np.ones(films))
    penalty = dnmf.Penalty(l2=l2, scale="counts", beside_given=beside_given)
    return _fit_ratings(train, RANK + 2, penalty, constraints=ones)


def _fit_ratings(train: Entries, rank: int, penalty: Any, **more: Any) -> Any:
    return dnmf.fit(train.matrix(), rank, missing="unstored", penalty=penalty, **CLOSELY, **more)


def _means(train: Entries, test: Entries, damped: float) -> np.ndarray:
    """Return the mean, what each film is above it, and each user above that; drawn to 0 where ratings are few."""
    users, films = train.shape
    mean = train.values.mean(dtype=np.float64)

    def offsets(of: np.ndarray, left: np.ndarray, count: int) -> np.ndarray:
        return np.bincount(of, left, count) / np.maximum(np.bincount(of, minlength=count) + damped, 1)

    of_film = offsets(train.columns, train.values - mean, films)
    of_user = offsets(train.rows, train.values - mean - of_film[train.columns], users)
    return mean + of_user[test.rows] + of_film[test.columns]


def _planted() -> dict[str, Any]:
    m, n, k = PLANTED
    A, hidden = planted(m, n, k)
    model = dnmf.fit(np.where(hidden, np.nan, A), k, missing="nan", tol=1e-7, max_passes=100)
    off = dnmf.measures.held_out(model, A, mask=hidden).rmse / np.sqrt(np.mean(A[hidden] ** 2, dtype=np.float64))
    return {"shape": [m, n], "rank": k, "holes": HOLES, "error": float(off), "passes": len(model.history)}


def planted(m: int, n: int, k: int, share: float = HOLES) -> tuple[np.ndarray, np.ndarray]:
    """Return a product of half-empty factors, and which of its entries are hidden."""
    rng = np.random.default_rng(0)
    W, H = (rng.random(shape) * (rng.random(shape) < 0.6) for shape in ((m, k), (k, n)))
    return (W @ H).astype(np.float32), rng.random((m, n)) < share


def _dense_passes() -> dict[str, Any]:
    m, n, _ = PLANTED
    A, hidden = planted(m, n, RANK, NANS)
    A += np.float32(0.1) * np.random.default_rng(1).random(A.shape, dtype=np.float32)
    return _compared(partial(_fit, A), partial(_fit, np.where(hidden, np.float32(np.nan), A), missing="nan"))


def _passes_of_ratings(A: Any) -> dict[str, Any]:
    """Both with the same ridge, and what is chosen where entries are missing beside a fit without any penalty."""
    by_counts, constant = dnmf.Penalty(l2=0.15, scale="counts"), dnmf.Penalty(l2=3.0, scale="objective")
    observed = partial(_fit, A, missing="unstored")
    return {
        "ratings, one ridge": _compared(partial(_fit, A, penalty=constant), partial(observed, penalty=constant)),
        "ratings": _compared(partial(_fit, A), partial(observed, penalty=by_counts)),
    }


def _fit(A: Any, passes: int, **said: Any) -> None:
    dnmf.fit(A, RANK, max_passes=passes, tol=0.0, init="random", **said)


def _compared(whole: Callable[[int], None], observed: Callable[[int], None]) -> dict[str, Any]:
    """Return CPU seconds of a pass where all counts and where not, medians over pairs of fits that alternate."""
    for fit in (whole, observed):
        fit(SHORT)
    pairs = [[_pass(fit) for fit in (whole, observed)] for _ in range(PAIRS)]
    return {
        "whole_cpu_s": median(pair[0] for pair in pairs),
        "observed_cpu_s": median(pair[1] for pair in pairs),
        "times": median(pair[1] / pair[0] for pair in pairs),
    }


def _pass(fit: Callable[[int], None]) -> float:
    short, long = (timed(partial(fit, passes))[1].cpu_s for passes in (SHORT, SHORT + BETWEEN))
    return (long - short) / BETWEEN
