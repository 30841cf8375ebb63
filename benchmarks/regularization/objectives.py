"""Penalties as part of an objective: the path of a toy, deaths, ranks, scales, and what balancing is for."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dnmf
from benchmarks.regularization.grid import Case
from benchmarks.regularization.reference import l1_path
from benchmarks.toys import blocks, three_gaussians
from dnmf.penalty import PenaltyWarning

PATH = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.7, 0.75, 0.78, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 5.2,
        6.0, 20.0)  # fmt: skip
PRUNES = ("off", "rule", "refit")
DEATHS = {"off": (0.735, 1.675, 4.210), "refit": (0.5057, 1.2676, 3.1558)}  # of the reference; where the optimum has
BEFORE = {"off": (0.7, 1.6, 4.1), "rule": (0.7, 1.2, 3.1), "refit": (0.47, 1.23, 3.12)}  # a little below
STEP = 0.001
EXACT: dict[str, Any] = {"dtype": "float64", "tol": 0.0, "max_passes": 5000}
SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 0.99, 1.0, 1.02)
MOVES: dict[str, Callable[[float], dict[str, Any]]] = {
    "L1 on both": lambda c: {"l1": (0.3 * c, 0.3 / c)},
    "L2 on both": lambda c: {"l2": (0.3 * c, 0.3 / c)},
    "L1 on W, L2 on H": lambda c: {"l1": (0.3 * c, 0), "l2": (0, 0.3 / c**2)},
    "L1 and L2 on both": lambda c: {"l1": (0.3 * c, 0.3 / c), "l2": (0.1 * c**2, 0.1 / c**2)},
}


def l1(strength: float, **options: Any) -> dnmf.Penalty:
    """Return the penalty ``strength · (ΣW + ΣH)``."""
    return dnmf.Penalty(l1=float(strength), scale="objective", **options)


def factor_of(model: dnmf.Model) -> np.ndarray:
    """Return H on the scale of the objective."""
    return model.h_scale[:, None] * model.H


def warm_path(strengths: Sequence[float], prune: str, limits: dict[str, Any]) -> list[dnmf.Model]:
    """Return the models of the toy along rising strengths, each from the H of the one before."""
    A, H = three_gaussians()
    models = []
    for strength in strengths:
        models.append(dnmf.fit(A, 3, H=H, penalty=l1(strength), prune=prune, **limits))
        H = factor_of(models[-1])
    return models


def path(strengths: Sequence[float] = PATH) -> list[dict[str, Any]]:
    """Return the toy's path beside the reference: objective, components, zeros, without pruning and with it."""
    reference = l1_path()
    found = {prune: warm_path(strengths, prune, EXACT if prune == "off" else {**EXACT, "tol": 1e-12})
             for prune in PRUNES}  # fmt: skip
    rows = []
    for at, strength in enumerate(strengths):
        last = {prune: models[at].history[-1] for prune, models in found.items()}
        off = found["off"][at]
        row = {
            "strength": strength,
            **{f"objective_{prune}": last[prune].objective for prune in PRUNES},
            **{f"alive_{prune}": last[prune].alive for prune in PRUNES},
            "zeros": [float((off.read_W() == 0).mean()), float((off.H == 0).mean())],
        }
        theirs = reference.get(strength)
        if theirs:
            row |= {
                "objective_asked": theirs["obj"], "optimum_asked": theirs["obj_global"],
                "alive_asked": int(theirs["alive"]), "optimum_alive_asked": int(theirs["alive_global"]),
                "zeros_asked": [theirs["zeros_W"], theirs["zeros_H"]],
            }  # fmt: skip
        rows.append(row)
    return rows


def deaths(prune: str, step: float = STEP) -> list[float]:
    """Return the strengths at which the toy loses its components, one after the other, on a warm path of fine steps."""
    A, _ = three_gaussians()
    limits: dict[str, Any] = {**EXACT, "tol": 1e-13, "prune": prune}
    places, model = [], warm_path((0.1,), prune, EXACT)[0]
    for left, strength in zip((2, 1, 0), BEFORE[prune], strict=True):
        at = strength
        while model.history[-1].alive > left:
            model = dnmf.fit(A, 3, H=factor_of(model), penalty=l1(at), **limits)
            at = round(at + step, 9)
        places.append(round(at - step, 9))
    return places


def ridge_ranks() -> list[dict[str, Any]]:
    """Return how many singular values of blocks of sizes 9, 4 and 1, fitted with 5 components, each ridge leaves."""
    rows = []
    for strength in (0.0, 0.5, 2.0, 6.0, 10.0):
        penalty = dnmf.Penalty(l2=strength, scale="objective")
        model = dnmf.fit(blocks(), 5, penalty=penalty, dtype="float64", tol=1e-10, max_passes=500)
        values = np.linalg.svd((model.read_W() * model.d) @ model.H, compute_uv=False)[:3]
        asked = np.maximum(0.0, np.array([9.0, 4.0, 1.0]) - strength)
        rows.append({"strength": strength, "values": values.tolist(), "asked": asked.tolist()})
    return rows


def wrong_scales() -> list[dict[str, Any]]:
    """Return what becomes of a start that is too large or too small by a hundred, with and without balancing."""
    A, H = three_gaussians()
    rows = []
    for diagonal in (True, False):
        for factor in (1.0, 100.0, 0.01):
            penalty = l1(0.3, diagonal=diagonal)
            last = dnmf.fit(A, 3, H=factor * H, penalty=penalty, prune="off", **EXACT).history[-1]
            rows.append(
                {"factor": factor, "diagonal": diagonal, "objective": last.objective, "alive": last.alive,
                 "passes": last.number}
            )  # fmt: skip
    return rows


def swamps() -> list[dict[str, Any]]:
    """Return the passes of a model of one number whose factors start apart by a hundred, with and without balancing."""
    rows = []
    for name, strength in (("l1", 0.1), ("l2", 0.1), ("l2", 1.0)):
        row: dict[str, Any] = {"kind": name, "strength": strength}
        for diagonal in (True, False):
            penalty = dnmf.Penalty(**{name: strength}, scale="objective", diagonal=diagonal)
            model = dnmf.fit(
                np.array([[10.0]]), 1, H=np.array([[100.0]]), penalty=penalty, prune="off", extrapolate=False, **EXACT
            )
            row["with" if diagonal else "without"] = len(model.history)
        rows.append(row)
    return rows


def moved_weights() -> list[dict[str, Any]]:
    """Return by how much the objective changes when weight moves between the two sides (c = 1, 10, 1000)."""
    A, H = three_gaussians()
    rows = []
    for name, moved in MOVES.items():
        found = [
            dnmf.fit(A, 3, H=H, penalty=dnmf.Penalty(**moved(c), scale="objective"), dtype="float64", tol=1e-13,
                     max_passes=3000).history[-1].objective
            for c in (1, 10, 1000)
        ]  # fmt: skip
        rows.append({"kind": name, "objective": found[0], "apart": max(abs(x / found[0] - 1) for x in found)})
    return rows


def one_sided() -> list[dict[str, Any]]:
    """Return how a penalty on W alone is got round: the sum of W and the error after more and more passes."""
    A, H = three_gaussians()
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PenaltyWarning)
        for passes in (5, 50, 500):
            penalty = dnmf.Penalty(l1=(1.0, 0.0), scale="objective")
            model = dnmf.fit(A, 3, H=H, penalty=penalty, dtype="float64", tol=0.0, max_passes=passes, prune="off")
            last = model.history[-1]
            rows.append({"passes": last.number, "penalty": last.objective - last.loss, "loss": last.loss})
    return rows


def fractions(cases: Sequence[Case], shares: Sequence[float] = SHARES) -> list[dict[str, Any]]:
    """Return the components alive at shares of the strongest penalty, of one component and of those of the case."""
    rows = []
    for case in cases:
        for kind in ("l1", "l2"):
            for rank in (1, case.rank):
                penalties = (dnmf.Penalty(scale="fraction", **{kind: share}) for share in shares)
                alive = [
                    dnmf.fit(case.A, rank, penalty=penalty, dtype="float64", tol=1e-6, max_passes=300).history[-1].alive
                    for penalty in penalties
                ]
                rows.append({"data": case.name, "kind": kind, "rank": rank, "shares": list(shares), "alive": alive})
    return rows
