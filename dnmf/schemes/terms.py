"""What a penalty comes to in numbers: what is added to the normal equations of a half step."""

from typing import NamedTuple

import numpy as np

from dnmf.constraints import Limits
from dnmf.passes.terms import Terms
from dnmf.penalty import Penalty
from dnmf.strengths import SIDES


class Pulls(NamedTuple):
    """How strongly H follows the graph, and its target; an infinite `target` is met exactly."""

    smooth: float = 0.0
    target: float = 0.0


def terms_of(penalty: Penalty, side: str, limits: Limits, *, peak: float = 0.0, unit: float = 0.0) -> Terms:
    """Return what `penalty` and `limits` do to the normal equations of one side.

    On the relative scale ``l1 · peak`` is subtracted and ``l2 / (1 − l2) · unit`` added: both have the
    units of what they are added to, so that the strengths have none.

    Parameters
    ----------
    penalty : Penalty
        What the caller asked for.
    side : {"W", "H"}
        Which factor is solved for.
    limits : Limits
        Of the factors.
    peak, unit : float
        The largest right-hand side of the step, and :func:`mean_of_living` of the Gram matrix of the other factor;
        asked for where the penalty is measured by the data.
    """
    at = SIDES.index(side)
    l1, l2, angular = penalty.l1[at], penalty.l2[at], penalty.angular[at]
    if penalty.measured_by_data:
        l1, l2, angular = (l1 * peak if l1 < 1 else np.inf), _share(l2, unit), _share(angular, unit)
    return Terms(l1, l2, angular, limits.upper[at], limits.is_free(side))


def pulls_of(penalty: Penalty, diagonal: np.ndarray, degree: float) -> Pulls:
    """Return how strongly H is pulled where the Gram matrix of W has this `diagonal`, the graph this mean degree."""
    if penalty.scale != "relative":
        return Pulls(penalty.smooth, penalty.target)
    mean = mean_of_living(diagonal)
    return Pulls(_share(penalty.smooth, mean) / (degree or 1.0), _share(penalty.target, mean))


def mean_of_living(diagonal: np.ndarray) -> float:
    """Return the mean of the diagonal of a Gram matrix (k,) over the components that live, 0 where none does."""
    alive = diagonal[diagonal > 0]
    return float(alive.mean()) if len(alive) else 0.0


def _share(strength: float, unit: float) -> float:
    """A strength in [0, 1] as what it stands for: 0 to infinity in units of what it is added to."""
    return strength / (1 - strength) * unit if strength < 1 else np.inf
