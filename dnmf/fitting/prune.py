"""Which components are worse than nothing and what happens to them, and what happens where none is left."""

from dataclasses import replace

import numpy as np

from dnmf.fitting.state import State
from dnmf.fitting.stop import LIMITS
from dnmf.options import FitOptions
from dnmf.schemes.scheme import Scheme


def begin_again(state: State, scheme: Scheme) -> State:
    """Return the state that goes on with the strongest component alone, where all have died though that one would live.

    Components that share what one could explain may die of a penalty that this one survives: each stays where it is.
    It is a trial: where it comes to nothing better than nothing, the fit ends with that.

    Parameters
    ----------
    state : State
        After a pass.
    scheme : Scheme
        What is minimized.
    """
    place = scheme.given_components  # behind those that are given
    if state.strongest is None or state.again or state.spare is not None or place == len(state.H):
        return state
    if state.history[-1].alive:
        return state
    H = state.plain.copy()
    H[place] = state.strongest[0]
    H = scheme.raised(H)
    return replace(
        state, H=H, plain=H, best=H, extrapolated=False, objective=float("inf"), spare=state.plain,
        spare_objective=state.objective, least_worth=float("inf"), again=state.history[-1].number,
    )  # fmt: skip


def consider_pruning(state: State, scheme: Scheme, options: FitOptions) -> State:
    """Return the state that goes on without its weakest component, where the fit would end and that may be better.

    A component that is worse than nothing is dropped under ``prune="rule"``, under ``"refit"`` the weakest one in any
    case. The fit then goes on; as soon as the objective is below that from before, the drop is kept. Where it ends
    without that, :attr:`State.factor` is the H from before.

    Parameters
    ----------
    state : State
        After a pass; only one whose next pass is the last is touched.
    scheme : Scheme
        What is minimized.
    options : FitOptions
        Of the fit.
    """
    ends = state.reason and state.reason not in LIMITS
    if not ends or state.spare is not None or not (options.prunes and scheme.prunes):
        return state
    if not (state.least_worth < 0 or (options.prune == "refit" and state.least_worth < np.inf)):
        return state
    without = state.plain.copy()
    without[state.weakest] = 0
    return replace(
        state, H=without, plain=without, best=without, extrapolated=False, objective=float("inf"), reason="",
        spare=state.plain, spare_objective=state.objective, least_worth=float("inf"),
    )  # fmt: skip
