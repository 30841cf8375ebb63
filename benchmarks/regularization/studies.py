"""The matrices, and the studies of the absolute and the relative scale on them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy.sparse
from scipy.io import mmread

from benchmarks.problems import SHARED_DATA, planted_sparse
from benchmarks.regularization import reference
from benchmarks.regularization.grid import END, KINDS, STRENGTHS, Case, Row, as_table, rounded, study
from benchmarks.regularization.reference import Reference
from benchmarks.regularization.verdicts import Compared, chosen, compare

RANK = 10
CLUSTERINGS = 50
ABSENT = "the data is not beside this checkout"
FILES = {
    "hawaiibirds": "hawaiibirds_counts.mtx.gz",
    "pbmc3k": "pbmc3k_counts.mtx.gz",
    "movielens": "movielens_ratings.mtx.gz",
}
FEWER = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.9, 1.0)
SOONER = {"tol": 1e-7, "max_passes": 300}
OPEN = 0.5  # the L1 at which components become so alike that the rule says little of how they share their weight


def load(name: str) -> Case | None:
    """Return a matrix, features × samples in float64, with its starts; None where it is not at hand.

    hawaiibirds is dense, as RcppML saw it, and begins where that began, if its starts are at hand.
    """
    path = SHARED_DATA / FILES[name]
    if not path.is_file():
        return None
    matrix = scipy.sparse.csr_array(mmread(path)).astype(np.float64)
    if name == "hawaiibirds":
        return Case(name, matrix.toarray(), RANK, reference.starts() or dict.fromkeys(range(3)), CLUSTERINGS)
    return Case(name, matrix, RANK, dict.fromkeys(range(3)))


def planted() -> Case:
    """Return a small sparse product of counts, for a look at whether all this works."""
    return Case("planted", planted_sparse(300, 120, 4).astype(np.float64), 4, dict.fromkeys(range(2)), 1)


def absolute(case: Case | None) -> dict[str, Any]:
    """Return RcppML's rule on hawaiibirds beside RcppML: fits, comparisons, and what L1 = 0.5 leaves open."""
    models = reference.models()
    if case is None or not (models and reference.starts()):
        return {"skipped": ABSENT if case is None else reference.ABSENT}
    iterations = {model.key: model.iterations for model in models}

    def as_many(key: tuple) -> dict[str, Any] | None:
        return {"tol": 0.0, "max_passes": iterations[key]} if key in iterations else None

    strengths = sorted({model.strength for model in models})
    loose = study(case, "absolute", "loose", strengths, diagonals=(True, False), limits=as_many)
    tight = study(case, "absolute", "tight", strengths, limits=as_many)
    end = study(case, "absolute", "end", STRENGTHS)
    compared = [*compare([*loose, *tight], models), *compare(end, models, against="tight")]
    return {
        "fits": as_table([*loose, *tight, *end]),
        "compared": _as_table(compared),
        "left_open": left_open([*loose, *tight], models),
        "nearly_zero": max(model.nearly_zero - model.measures["sparsity_W"] for model in models),
        "clusterings": case.clusterings,
        "inertias": sorted(case.inertia(centres) for centres in case.clustered),
    }


def _as_table(compared: Sequence[Compared]) -> dict[str, Any]:
    names = list(Compared.__dataclass_fields__)
    return {"columns": names, "rows": [[rounded(asdict(one)[name]) for name in names] for one in compared]}


def left_open(rows: Sequence[Row], models: Sequence[Reference]) -> list[dict[str, Any]]:
    """Return what each fit at the L1 that leaves components alike came to, beside the reference's: [ours, theirs]."""
    theirs = {model.key: model for model in models}
    found = []
    for row in chosen(rows, kind="l1", diagonal=True, strength=OPEN):
        model = theirs[row.key]
        pairs = {name: [getattr(row, name), model.measures[name]] for name in ("mse", "cosine", "singular", "d_sum")}
        found.append({"fit": row.fit, "seed": row.seed, "alive": [row.alive, RANK - model.dead], **pairs})
    return found


def relative(case: Case | None, strengths: Sequence[float] = STRENGTHS, *, diagonals: Sequence[bool] = (True,),
             limits: dict[str, Any] = SOONER) -> dict[str, Any]:  # fmt: skip
    """Return the study of the relative scale on a matrix."""
    if case is None:
        return {"skipped": ABSENT}
    rows = study(case, "relative", "end", strengths, kinds=KINDS, diagonals=diagonals, limits=lambda _: limits)
    return {"shape": list(case.A.shape), "empty": case.empty, "fits": as_table(rows)}


def relative_studies(cases: dict[str, Case | None]) -> dict[str, Any]:
    """Return the studies of the relative scale on all matrices, with the diagonal and, on hawaiibirds, without."""
    return {
        "hawaiibirds": relative(cases["hawaiibirds"], diagonals=(True, False), limits=END),
        "pbmc3k": relative(cases["pbmc3k"], FEWER),
        "movielens": relative(cases["movielens"], FEWER, limits=END),
    }
