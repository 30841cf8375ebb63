"""Fits under constraints of each kind."""

import numpy as np
import scipy.optimize
import scipy.sparse

import dnmf
from dnmf.constraints import Constraints
from dnmf.penalty import Penalty

RANK = 4
CHAIN = scipy.sparse.diags_array([np.ones(79), np.ones(79)], offsets=[-1, 1])
TRUE = np.random.default_rng(7)  # as the fixture `planted` draws them: what is given survives a penalty
GIVEN_W = (TRUE.random((600, 5)) * (TRUE.random((600, 5)) < 0.5))[:, :2]
ALL_OF_H = (TRUE.random((5, 80)) * (TRUE.random((5, 80)) < 0.5))[:RANK]
GIVEN_H = ALL_OF_H[:2]
TARGET = np.where(np.arange(RANK)[:, None] == 1, np.nan, np.random.default_rng(5).random((RANK, 80)))


def objective(**strengths):
    return Penalty(**strengths, scale="objective")


CASES = {
    "bounded": (objective(), Constraints(upper=(1.0, 0.3))),
    "bounded-W-penalized": (objective(l1=0.05, l2=0.05), Constraints(upper=(0.2, None))),
    "bounded-H-penalized": (objective(l1=0.05, l2=0.05), Constraints(upper=(None, 0.2))),
    "free-W": (Penalty(), Constraints(free="W")),
    "free-H": (Penalty(), Constraints(free="H")),
    "free-W-penalized": (objective(l1=(0, 0.05), l2=(0.1, 0)), Constraints(free="W")),
    "angular": (objective(angular=(0.3, 0.2)), None),
    "angular-and-others": (objective(angular=(0.3, 0.0), l1=(0, 0.1), l2=(0.05, 0.05)), None),
    "smooth": (objective(smooth=0.5, l2=(0.2, 0)), Constraints(graph=CHAIN)),
    "fixed-H": (Penalty(), Constraints(fixed_H=GIVEN_H)),
    "fixed-H-penalized": (objective(l1=0.05, l2=0.05), Constraints(fixed_H=GIVEN_H)),
    "fixed-H-angular": (objective(angular=(0.1, 0.2), l2=0.05), Constraints(fixed_H=GIVEN_H)),
    "fixed-W": (Penalty(), Constraints(fixed_W=GIVEN_W)),
    "fixed-W-penalized": (objective(l1=0.05, l2=0.05), Constraints(fixed_W=GIVEN_W)),
    "fixed-W-smooth-angular": (
        objective(l1=0.05, l2=0.05, smooth=0.5, angular=(0, 0.2)),
        Constraints(fixed_W=GIVEN_W, graph=CHAIN),
    ),
    "all-H-fixed": (objective(l1=1.0, l2=0.05), Constraints(fixed_H=ALL_OF_H)),
    "target": (objective(target=0.5, l1=(0.05, 0)), Constraints(target_H=TARGET)),
    "relative-angular": (Penalty(angular=0.3), None),
    "relative-smooth": (Penalty(smooth=0.3), Constraints(graph=CHAIN)),
    "relative-target": (Penalty(target=0.3), Constraints(target_H=TARGET)),
    "relative-fixed": (Penalty(l1=0.05), Constraints(fixed_H=GIVEN_H)),
    "relative-fixed-W": (Penalty(l1=0.05, l2=0.1), Constraints(fixed_W=GIVEN_W)),
    "relative-free-W": (Penalty(l2=0.3), Constraints(free="W")),
}


def data_of(name, planted, signed):
    return signed if "free" in name else planted


def fitted(A, name, **options):
    penalty, constraints = CASES[name]
    return dnmf.fit(A, RANK, penalty=penalty, constraints=constraints, **{"dtype": "float64", **options})


def factors_of(model):
    """Those of A ≈ WH; the scale of a component whose W was given is in H."""
    return model.read_W() * model.row_scale, model.h_scale[:, None] * model.H


def at_best_scale(W, H, penalty, constraints):
    """The same product, each of the given columns on the scale at which it is penalized least: by search."""
    W, H, held = W.copy(), H.copy(), constraints.limits.held[0]
    unused = (np.arange(len(H)) < held) & ~H.any(axis=1)
    W[:, unused] = 0

    def value(u):
        t = np.concatenate([np.exp(u), np.ones(len(H) - held)])
        return dense_penalty(W * t, H / t[:, None], penalty, constraints)

    exact = {"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000}
    best = scipy.optimize.minimize(value, np.zeros(held), method="Nelder-Mead", options=exact)
    t = np.concatenate([np.exp(best.x), np.ones(len(H) - held)])
    return W * t, H / t[:, None]


def dense_penalty(W, H, penalty, constraints):
    value = 0.0
    for X, at in ((W, 0), (H.T, 1)):
        value += penalty.l1[at] * np.abs(X).sum() + 0.5 * penalty.l2[at] * (X**2).sum()
        value += 0.5 * penalty.angular[at] * (X.sum(axis=1) ** 2).sum()
    if penalty.smooth:
        i, j = np.nonzero(np.triu(constraints.graph.toarray()))
        value += 0.5 * penalty.smooth * ((H[:, i] - H[:, j]) ** 2).sum()
    if penalty.target:
        value += 0.5 * penalty.target * np.nansum((H - constraints.target_H) ** 2)
    return value


def dense_objective(A, W, H, penalty, constraints):
    if penalty.active and constraints is not None and constraints.fixed_W is not None:
        W, H = at_best_scale(W, H, penalty, constraints)
    return 0.5 * ((A - W @ H) ** 2).sum() + dense_penalty(W, H, penalty, constraints)
