"""When a fit ends: the reason why its next pass is the last one."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from dnmf.fitting.history import PassRecord, last_gradient
from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.schemes.scheme import Scheme

GRADIENT_SHARE = 0.1  # of tol: a projected gradient below it ends the fit too
PLAIN_SHARE = 0.1  # of tol may a component turn in an update alone, which goes a short part of the way
PASSES = "max_passes"
SECONDS = "max_seconds"
LIMITS = (PASSES, SECONDS)  # that end a fit which has not settled
NO_LONGER_FALLS = "the objective no longer falls"


def with_reason(state: State, scheme: Scheme, options: FitOptions) -> str:
    """Return why the next pass is the last one; empty where it is not.

    A fit has settled when a pass neither lowers the objective nor turns any component by more than `tol`: the error
    alone is still long before the components are.
    """
    record, settled = state.history[-1], options.tol > 0
    if state.passes + 1 >= options.max_passes:
        return PASSES
    if record.number == state.again:
        return ""  # what this pass came to says nothing of the new beginning
    if not scheme.descends:
        hardly = "tol: H hardly changes" if settled else "H no longer changes"
        return hardly if record.change <= options.tol else ""
    if not record.accepted:
        stuck = not (record.extrapolated or record.refined) and np.array_equal(state.H, state.best)
        return NO_LONGER_FALLS if stuck else ""
    return _why_settled(state.history, options.tol)


def _why_settled(history: Sequence[PassRecord], tol: float) -> str:
    record = history[-1]
    if tol == 0 and 0 < record.gradient < last_gradient(history[:-1]):
        return ""  # rounding hides that the objective falls
    if record.decrease <= 0:
        return NO_LONGER_FALLS
    short = 1.0 if record.extrapolated or record.refined else PLAIN_SHARE
    if record.decrease <= tol and record.change <= short * tol:
        return "tol: the components no longer move"
    if record.gradient <= GRADIENT_SHARE * tol:
        return "tol: the projected gradient is small" if tol > 0 else NO_LONGER_FALLS
    return ""


class Deadline:
    """A number of seconds from now on within which the last pass is to be over, too.

    Parameters
    ----------
    seconds : float, optional
        How many; without, there is always time.
    clock : callable
        Seconds, rising.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._until = float("inf") if seconds is None else clock() + seconds

    def is_near(self, pass_seconds: float) -> bool:
        """Whether there is time for one more pass that takes so long, but not for two."""
        return self._clock() + 2 * pass_seconds > self._until
