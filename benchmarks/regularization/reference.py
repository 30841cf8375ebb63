"""What RcppML (October 2021) and the published examples came to: starts, measures, paths, where they are at hand."""

import csv
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.problems import SHARED_DATA

GOLDEN = SHARED_DATA.parent / "golden"
SEEDS = (123, 456, 789)
STATE = "blog_5de160c"
FITS = {"loose": "blog", "tight": "tight"}  # stopped where a cosine changed by less than 1e-4, and 1e-6
COLUMNS = {
    "sparsity_W": "sparsity_w",
    "robustness": "robustness",
    "mse": "mse",
    "cosine": "mean_cosine",
    "cosine_off": "mean_cosine_offdiag",
    "kmeans": "kmeans50_sim",
    "singular": "svd1_sim",
    "d_sum": "d_sum",
}
ABSENT = "../shared/golden is not beside this checkout"


@dataclass(frozen=True)
class Reference:
    """One model of the reference.

    Attributes
    ----------
    fit, kind : str
        ``"loose"`` or ``"tight"``; ``"l1"`` or ``"l2"``.
    diagonal : bool
        Whether the factors were brought to sum one.
    strength : float
        Of the penalty, on both factors.
    seed : int
        Of the start.
    iterations : int
        It counts them from 0; this is how many it made.
    measures : dict of str to float
        By our names (:data:`COLUMNS`).
    nearly_zero : float
        The share of W below 1e-6.
    dead : int
        Components that are zero.
    """

    fit: str
    kind: str
    diagonal: bool
    strength: float
    seed: int
    iterations: int
    measures: dict[str, float]
    nearly_zero: float
    dead: int

    @property
    def key(self) -> tuple[str, str, bool, float, int]:
        """What tells the models apart."""
        return self.fit, self.kind, self.diagonal, self.strength, self.seed


def starts() -> dict[int, np.ndarray]:
    """Return the W (183, 10) each seed of the reference began with; empty where they are not at hand."""
    found = {}
    for seed in SEEDS:
        path = GOLDEN / "rcppml_fits" / f"winit_seed{seed}.csv.gz"
        if path.is_file():
            with gzip.open(path, "rt") as stream:
                found[seed] = np.loadtxt(stream, delimiter=",", ndmin=2)
    return found


def models() -> list[Reference]:
    """Return all models of the reference; none where they are not at hand."""
    return [_model(row) for row in _table("rcppml_regularisation.csv") if row["label"] == STATE]


def _model(row: dict[str, Any]) -> Reference:
    fit = next(ours for ours, theirs in FITS.items() if theirs == row["fit"])
    made = int(row["iter"]) + (row["tol"] != "NA")  # one that ran into its limit has counted them all
    return Reference(
        fit, row["penalty"].lower(), row["diag"] == "TRUE", float(row["alpha"]), int(row["seed"]), made,
        {ours: float(row[theirs]) for ours, theirs in COLUMNS.items()}, float(row["sparsity_w_1e6"]),
        int(row["dead_factors"]),
    )  # fmt: skip


def l1_path() -> dict[float, dict[str, float]]:
    """Return the reference path of the three Gaussians by strength; empty where it is not at hand."""
    rows = ({name: float(value) for name, value in row.items()} for row in _table("hrsi_l1l1_path.csv"))
    return {row["lam"]: row for row in rows}


def _table(name: str) -> list[dict[str, Any]]:
    path = GOLDEN / name
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
