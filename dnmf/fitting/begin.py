"""Where a fit begins: whichever start it was asked for."""

import numpy as np

from dnmf.constraints import Guides
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
        return start_at_random(engine, options, guides)
    if engine.plan.projected_rows:
        return start_from_surrogate(engine, options, guides)
    return start_from_sample(engine, options, guides)


def fit_from(begun: Begun, options: FitOptions, guides: Guides) -> Fit:
    """Return a fit before its first pass, its options in the units that its start has found."""
    return Fit(first_state(begun, options, guides), in_units(options, begun.units))
