"""Where a fit begins: whichever start it was asked for."""

import numpy as np

from dnmf.constraints import Guides, Limits
from dnmf.fitting.loop import Engine, Fit
from dnmf.fitting.start import in_units, start_at_random, start_from_H, start_from_sample, start_from_W
from dnmf.fitting.state import Begun
from dnmf.fitting.step import first_state
from dnmf.fitting.surrogate import start_from_surrogate
from dnmf.options import FitOptions


def begin(engine: Engine, options: FitOptions, W: np.ndarray | None, H: np.ndarray | None, guides: Guides) -> Begun:
    """Return the first H, and what was found on the way to it.

    Parameters
    ----------
    engine : Engine
        Over the source.
    options : FitOptions
        Of the fit, in the engine's orientation.
    W, H : ndarray, optional
        A start that was given, in the same orientation; H alone decides when both are.
    guides : Guides
        The arrays of the constraints.
    """
    if H is not None:
        return start_from_H(engine, H, options, guides)
    if W is not None:
        return start_from_W(engine, W, options, guides)
    if options.init == "random":
        begun = start_at_random(engine, options, guides)
    elif engine.plan.projected_rows:
        begun = start_from_surrogate(engine, options, guides)
    else:
        begun = start_from_sample(engine, options, guides)
    if guides.target is None:
        return begun
    return begun._replace(H=in_targets_order(begun.H, guides.target, options.limits))


def in_targets_order(H: np.ndarray, target: np.ndarray, limits: Limits) -> np.ndarray:
    """Return the rows of H (k, n) in the order in which they are most like those of a target: given ones stay first.

    A component that is pulled to what another one is already would become a copy of it.
    """
    from scipy.optimize import linear_sum_assignment  # takes longer to import than most starts take

    first = max(limits.held)
    pulled = first + np.flatnonzero(~np.isnan(target[first:]).any(axis=1))
    cosines = _unit_rows(target[pulled]) @ _unit_rows(H[first:]).T
    chosen = np.full(len(H), -1)
    rows, like = linear_sum_assignment(-cosines)
    chosen[:first], chosen[pulled[rows]] = np.arange(first), first + like
    chosen[chosen < 0] = np.setdiff1d(np.arange(len(H)), chosen)
    return H[chosen]


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    sizes = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return rows / np.where(sizes > 0, sizes, 1.0)


def fit_from(begun: Begun, options: FitOptions, guides: Guides) -> Fit:
    """Return a fit before its first pass, its options in the units that its start has found."""
    return Fit(first_state(begun, options, guides), in_units(options, begun.units))
