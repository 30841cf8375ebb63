"""What a penalty comes to in numbers: what is added to the normal equations of a half step."""

import numpy as np

from dnmf.passes.problem import Terms
from dnmf.penalty import Penalty


def terms_of(penalty: Penalty, side: str, diagonal: np.ndarray, peak: float) -> Terms:
    """Return what `penalty` does to the normal equations of one side.

    On the relative scale ``l1 · peak`` is subtracted and ``l2 / (1 − l2) · mean(diagonal)`` added: both have the
    units of what they are added to, so that the strengths have none. The mean is over the components that live.

    Parameters
    ----------
    penalty : Penalty
        What the caller asked for.
    side : {"W", "H"}
        Which factor is solved for.
    diagonal : ndarray (k,)
        Of the Gram matrix of the other factor.
    peak : float
        The largest right-hand side of the step.
    """
    l1, l2 = penalty.on_W if side == "W" else penalty.on_H
    if penalty.scale != "relative":
        return Terms(l1, l2)
    alive = diagonal[diagonal > 0]
    mean = float(alive.mean()) if len(alive) else 0.0
    return Terms(l1 * peak if l1 < 1 else np.inf, l2 / (1 - l2) * mean if l2 < 1 else np.inf)


def terms_for_W(penalty: Penalty, H: np.ndarray, peak: float) -> Terms:
    """Return the terms of the pass that is made with `H` (k, n); `peak` is what the pass before noted."""
    wide = H.astype(np.float64, copy=False)
    return terms_of(penalty, "W", np.einsum("ij,ij->i", wide, wide), peak)
