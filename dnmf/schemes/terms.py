"""What a penalty comes to in numbers: what is added to the normal equations of a half step."""

from typing import NamedTuple

import numpy as np

from dnmf.constraints import Limits
from dnmf.passes.terms import Terms
from dnmf.penalty import Penalty


class Pulls(NamedTuple):
    """How strongly H follows the graph, and its target; an infinite `target` is met exactly."""

    smooth: float = 0.0
    target: float = 0.0


def terms_of(penalty: Penalty, side: str, diagonal: np.ndarray, peak: float, limits: Limits) -> Terms:
    """Return what `penalty` and `limits` do to the normal equations of one side.

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
    limits : Limits
        Of the factors.
    """
    at = "WH".index(side)
    l1, l2, angular = penalty.l1[at], penalty.l2[at], penalty.angular[at]
    if penalty.scale == "relative" and penalty.active:
        mean = _mean_of_living(diagonal)
        l1, l2, angular = (l1 * peak if l1 < 1 else np.inf), _share(l2, mean), _share(angular, mean)
    return Terms(l1, l2, angular, limits.upper[at], limits.is_free(side))


def pulls_of(penalty: Penalty, diagonal: np.ndarray, degree: float) -> Pulls:
    """Return how strongly H is pulled where the Gram matrix of W has this `diagonal`, the graph this mean degree."""
    if penalty.scale != "relative":
        return Pulls(penalty.smooth, penalty.target)
    mean = _mean_of_living(diagonal)
    return Pulls(_share(penalty.smooth, mean) / (degree or 1.0), _share(penalty.target, mean))


def _mean_of_living(diagonal: np.ndarray) -> float:
    alive = diagonal[diagonal > 0]
    return float(alive.mean()) if len(alive) else 0.0


def _share(strength: float, unit: float) -> float:
    """A strength in [0, 1] as what it stands for: 0 to infinity in units of what it is added to."""
    return strength / (1 - strength) * unit if strength < 1 else np.inf
