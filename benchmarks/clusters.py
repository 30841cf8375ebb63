"""What k-means and factorizations have in common, measured: errors, and whose clusters and centres are alike."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.problems import Problem, load_digits, problems
from benchmarks.suite import environment
from dnmf import Penalty, measures

SEEDS = 3
CENTRES, OTHER_CENTRES, SINGULAR = "k-means", "k-means, another seed", "singular vectors"
ONE_A_ROW = "`angular=(1, 0)`, begun at the centres"
FITS = {
    "NMF": Penalty(),
    **{f"`angular=({strength:g}, 0)`": Penalty(angular=(strength, 0.0)) for strength in (0.1, 0.3, 1.0)},
    **{f"`l1=({strength:g}, 0)`": Penalty(l1=(strength, 0.0)) for strength in (0.03, 0.1, 0.3)},
    **{f"`l1={strength:g}`": Penalty(l1=strength) for strength in (0.03, 0.1, 0.3)},
    **{f"`l2={strength:g}`": Penalty(l2=strength) for strength in (0.03, 0.3)},
}
MEASURES = ("error", "components", "similarity", "agreement")


def of_clusters() -> list[Problem]:
    """Return the matrices: a real one where it is at hand, and images, whose rows are the ones to cluster."""
    birds = [problem for problem in problems() if problem.name == "hawaiibirds"]
    return [*birds, Problem("digits", "images of handwritten digits", 10, load_digits)]


def clusters(asked: Sequence[Problem] | None = None, seeds: int = SEEDS) -> dict[str, Any]:
    """Return, for each matrix and model, medians over seeds of its error and of how it compares with k-means."""
    with threadpool_limits(1, user_api="blas"):
        found = {problem.name: _measured(problem, seeds) for problem in asked or of_clusters()}
    return {"problems": found, "environment": environment()}


def _measured(problem: Problem, seeds: int) -> dict[str, Any]:
    matrix = problem.load()
    A, k = np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), np.float64), problem.rank
    centres = [measures.kmeans_centres(matrix, k, seed) for seed in range(seeds + 1)]
    lines = {SINGULAR: {**dict.fromkeys(MEASURES), "error": error_of_singular(A, k)}}
    for name, penalty in FITS.items():
        fits = [dnmf.fit(matrix, k, seed=seed, penalty=penalty) for seed in range(seeds)]
        lines[name] = _medians([_beside(A, *pair) for pair in zip(fits, centres, strict=False)])
    begun = [dnmf.fit(matrix, k, H=own, penalty=Penalty(angular=(1.0, 0.0))) for own in centres[:-1]]
    lines[ONE_A_ROW] = _medians([_beside(A, *pair) for pair in zip(begun, centres, strict=False)])
    lines[CENTRES] = _medians([of_centres(A, own, own) for own in centres[:-1]])
    lines[OTHER_CENTRES] = _medians([of_centres(A, *pair) for pair in zip(centres[1:], centres, strict=False)])
    return {"rank": k, "lines": lines}


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(one[name] for one in found) for name in MEASURES}


def error_of_singular(A: np.ndarray, k: int) -> float:
    """Return the relative error of the best k components of any signs."""
    squares = np.linalg.svd(A, compute_uv=False) ** 2
    return float(np.sqrt(squares[k:].sum() / squares.sum()))


def nearest(A: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centre of each row (m,)."""
    return np.argmin((centres**2).sum(axis=1) - 2 * A @ centres.T, axis=1)


def of_centres(A: np.ndarray, own: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """Return the measures of k-means as a model, a one in each row of W, beside the clusters of other centres."""
    given = nearest(A, own)
    return {
        "error": float(np.linalg.norm(A - own[given]) / np.linalg.norm(A)),
        "components": 1.0,
        "similarity": matched(own, others),
        "agreement": agreement(given, nearest(A, others)),
    }


def _beside(A: np.ndarray, model: dnmf.Model, centres: np.ndarray) -> dict[str, float]:
    size = model.read_W() * model.d * np.linalg.norm(model.H, axis=1)  # of each component in a row
    return {
        "error": model.relative_error,
        "components": float((size > 0).sum(axis=1).mean()),
        "similarity": measures.similarity(model, centres),
        "agreement": agreement(size.argmax(axis=1), nearest(A, centres)),
    }


def matched(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean cosine of directions (k, n) to others, one to one, as that of a model to directions."""
    cosines = (one @ other.T) / np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Return the adjusted Rand index of two clusterings: 1 where they are the same, about 0 where by chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(one, other))


def table(record: dict[str, Any]) -> list[str]:
    """Return the lines of a Markdown table of what :func:`clusters` found."""
    names = list(record["problems"])
    heads = ["model"]
    for name in names:
        heads += [f"{name}: error", "components a row", "H like the centres", "clusters alike"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for model in record["problems"][names[0]]["lines"]:
        found = [record["problems"][name]["lines"][model] for name in names]
        cells = [_cell(one[measure], measure) for one in found for measure in MEASURES]
        lines.append(f"| {' | '.join([model, *cells])} |")
    return lines


def _cell(value: float | None, measure: str) -> str:
    digits = {"error": 4, "components": 1}.get(measure, 2)
    return "" if value is None else f"{value:.{digits}f}"


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    ranks = ", ".join(f"{name}: {one['rank']}" for name, one in record["problems"].items())
    lines = [
        "## k-means and factorizations",
        "",
        f"As many components as clusters ({ranks}). Components a row: entries of W that are not zero.",
        "H like the centres: the mean cosine of its rows to the k-means centres of the same seed, matched one to one.",
        "Clusters alike: the adjusted Rand index of the strongest component of each row and its nearest centre.",
        "Medians over seeds.",
        "",
        *table(record),
        "",
        environment_line,
        "",
    ]
    return "\n".join(lines)
