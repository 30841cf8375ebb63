"""Measures over the strengths of a regularization path: means and intervals over the seeds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.arguments import choice, is_finite, shown
from dnmf.arrays import taken_as
from dnmf.errors import InputError
from dnmf.paths import Path

MEASURES = {
    "objective": "objective (lower is better)",
    "relative_error": "relative error (lower is better)",
    "alive": "components alive",
    "sparsity_W": "sparsity of W (share of zeros)",
    "sparsity_H": "sparsity of H (share of zeros)",
    "robustness": "robustness (1: as without penalty)",
    "cosine": "mean cosine of components, own included",
    "cosine_off": "mean cosine of components (0: orthogonal)",
    "kmeans": "similarity to k-means centres",
    "singular": "similarity to first singular vector",
    "passes": "passes",
}
SHARES = ("sparsity_W", "sparsity_H")
COSINES = ("robustness", "cosine", "cosine_off", "kmeans", "singular")


@dataclass(frozen=True)
class Curve:
    """A measure over the strengths.

    Attributes
    ----------
    strengths : ndarray
        Rising.
    mean : ndarray
        Over the seeds.
    half_width : ndarray
        Of the interval; NaN for one seed.
    seeds : ndarray
        How many.
    possible : (float, float)
        What the measure cannot be below or above.
    """

    strengths: np.ndarray
    mean: np.ndarray
    half_width: np.ndarray
    seeds: np.ndarray
    possible: tuple[float, float] = (-math.inf, math.inf)

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """The interval, as far as it is possible."""
        low, high = (np.clip(self.mean + sign * self.half_width, *self.possible) for sign in (-1, 1))
        return low, high


def summarize(table: Any, measure: str, confidence: float = 0.95) -> Curve:
    """Return mean and interval (Student's t) of a measure at each strength; rows where it is NaN do not count.

    `table` is a path or a sequence of rows.

    Raises
    ------
    InputError
        The measure or the confidence is none, or a row lacks an attribute.
    """
    from scipy.special import stdtrit

    choice("measure", measure, tuple(MEASURES))
    if not is_finite(confidence) or not 0 < confidence < 1:
        raise InputError(f"confidence={shown(confidence)}: a number between 0 and 1, such as 0.95")
    rows = rows_of(table)
    try:
        found = np.array([(row.strength, getattr(row, measure)) for row in rows], float).reshape(-1, 2)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"the rows of a path need the attributes strength and {measure}: {error}") from error
    found = found[np.isfinite(found).all(axis=1)]
    strengths, at = np.unique(found[:, 0], return_inverse=True)
    seeds = np.bincount(at, minlength=len(strengths))
    mean = np.bincount(at, found[:, 1], len(strengths)) / np.maximum(seeds, 1)
    squares = np.bincount(at, (found[:, 1] - mean[at]) ** 2, len(strengths))
    free = np.maximum(seeds - 1, 1)
    half = stdtrit(free, 0.5 + confidence / 2) * np.sqrt(squares / free / np.maximum(seeds, 1))
    return Curve(strengths, mean, np.where(seeds > 1, half, np.nan), seeds, _possible(table, measure, found[:, 1]))


def _possible(table: Any, measure: str, values: np.ndarray) -> tuple[float, float]:
    """What a measure cannot be below or above; cosines can be negative where a factor can."""
    if measure in COSINES:
        return -1.0 if values.min(initial=0.0) < 0 else 0.0, 1.0
    if measure in SHARES:
        return 0.0, 1.0
    options = getattr(table, "options", None) if measure == "alive" else None
    return 0.0, float(options.fit.rank) if options is not None else math.inf


def tables_of(table: Any) -> dict[str, list[Any]]:
    """Return the rows of each of the tables that are given, by label; of a :class:`dnmf.Path` its rows.

    Raises
    ------
    InputError
        There is no row, or what was given has none.
    """
    return {label: rows_of(rows) for label, rows in labelled_tables(table).items()}


def labelled_tables(table: Any) -> dict[str, Any]:
    """Return the paths, or lists of rows, that are given, by label.

    Raises
    ------
    InputError
        As :func:`tables_of`.
    """
    given = table if isinstance(table, dict) else {"path": table}
    tables = {str(label): rows if isinstance(rows, Path) else rows_of(rows) for label, rows in given.items()}
    if not any(map(rows_of, tables.values())):
        raise InputError("this path has no rows: there is nothing to draw")
    return tables


def rows_of(table: Any) -> list[Any]:
    """Return the rows of a path, or those that are given.

    Raises
    ------
    InputError
        It is neither.
    """
    rows = table.rows if isinstance(table, Path) else table
    if not isinstance(rows, Iterable) or isinstance(rows, (str, bytes)):
        raise InputError(
            f"a {type(table).__name__} is no regularization path; give what dnmf.path returned, or its rows"
        )
    with taken_as("a list of rows", "a regularization path", rows):
        return list(rows)
