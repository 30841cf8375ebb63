"""Where a fit begins: whichever start it was asked for."""

import numpy as np

from dnmf.constraints import Guides
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial
from dnmf.fitting.step import first_state
from dnmf.options import SVD_INITS, FitOptions
from dnmf.schemes.of_options import in_units, scheme_of
from dnmf.starts.nndsvd import start_from_svd
from dnmf.starts.normal import start_half_normal
from dnmf.starts.start import start_at_random, start_from_H, start_from_sample, start_from_W
from dnmf.starts.surrogate import start_from_surrogate


def begin(engine: Engine, options: FitOptions, W: np.ndarray | None, H: np.ndarray | None, guides: Guides) -> Initial:
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
    elif options.init == "normal":
        begun = start_half_normal(engine, options, guides)
    elif options.init in SVD_INITS:
        begun = start_from_svd(engine, options, guides)
    elif engine.plan.projected_rows:
        begun = start_from_surrogate(engine, options, guides)
    else:
        begun = start_from_sample(engine, options, guides)
    return begun._replace(H=scheme_of(options, engine.facts, guides).ordered(begun.H))


def fit_from(engine: Engine, begun: Initial, options: FitOptions, guides: Guides) -> Fit:
    """Return a fit before its first pass, its options in the units that its start has found."""
    options = in_units(options, begun.units)
    scheme = scheme_of(options, engine.facts, guides)
    return Fit(first_state(begun._replace(H=scheme.raised(begun.H)), options), options, scheme)
