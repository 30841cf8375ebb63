"""Which components are worse than nothing and what happens to them, and what happens where none is left."""

from dataclasses import replace

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.balance import balance, sizes_of
from dnmf.fitting.state import State
from dnmf.options import FitOptions
from dnmf.passes.statistics import ModelSums
from dnmf.penalty import Penalty


def prunes(options: FitOptions) -> bool:
    """Whether components may be dropped: only an objective says what one is worth."""
    given = any(options.limits.held) or options.penalty.target  # who gives a component wants it
    return options.prune != "off" and options.penalty.in_objective and options.penalty.active and not given


def worth(sums: ModelSums, H: np.ndarray, penalty: Penalty, guides: Guides = NO_GUIDES) -> np.ndarray:
    """Return by how much the objective rises when a component (k,) is set to zero and the others stay.

    With size ``s = ‖w‖‖h‖`` and a, its projection on the residual without it, that is ``a s − ½ s² − penalty``, the
    penalty at its best scale. At a stationary point it is negative exactly where ``s/a < 2(1 − δ)/(2 − δ)``, with
    ``δ = 1 / Σ 1/p`` over the degrees p: 2/3 for L1 on both factors, 1/2 for L1 on one and L2 on the other, and never
    for L2 on both. Infinite for a component that is zero already.

    Parameters
    ----------
    sums : ModelSums
        Of a whole pass.
    H : ndarray (k, n)
        The factor the pass was made with.
    penalty : Penalty
        Of the objective.
    guides : Guides
        With the graph that H follows.
    """
    wide = H.astype(np.float64)
    overlaps = sums.G * (wide @ wide.T)
    sizes = sizes_of(penalty, sums, H, guides)
    t = balance(sizes)
    value = np.einsum("ij,ji->j", sums.P, wide) - overlaps.sum(axis=1) + 0.5 * np.diag(overlaps)
    return np.where(np.diag(overlaps) > 0, value - sizes.scaled(t, 1 / t).of_component, np.inf)


def begin_again(state: State, options: FitOptions) -> State:
    """Return the state that goes on with the strongest component alone, where all have died though that one would live.

    Components that share what one could explain may die of a penalty that this one survives: each stays where it is.

    Parameters
    ----------
    state : State
        After a pass.
    options : FitOptions
        Of the fit.
    """
    place = max(options.limits.held)  # behind those that are given
    if state.strongest is None or state.again or state.spare is not None or place == len(state.H):
        return state
    if state.history[-1].alive:
        return state
    H = state.plain.copy()
    H[place] = state.strongest[0]
    return replace(
        state, H=H, plain=H, best=H, extrapolated=False, least_worth=float("inf"), again=state.history[-1].number
    )


def consider_pruning(state: State, options: FitOptions) -> State:
    """Return the state that goes on without its weakest component, where the fit would end and that may be better.

    A component that is worse than nothing is dropped under ``prune="rule"``, under ``"refit"`` the weakest one in any
    case. The fit then goes on; as soon as the objective is below that from before, the drop is kept. Where it ends
    without that, :attr:`State.factor` is the H from before.

    Parameters
    ----------
    state : State
        After a pass; only one whose next pass is the last is touched.
    options : FitOptions
        Of the fit.
    """
    ends = state.reason and state.reason != "max_passes"
    if not ends or state.spare is not None or not prunes(options):
        return state
    if not (state.least_worth < 0 or (options.prune == "refit" and state.least_worth < np.inf)):
        return state
    without = state.plain.copy()
    without[state.weakest] = 0
    return replace(
        state, H=without, plain=without, best=without, extrapolated=False, objective=float("inf"), reason="",
        spare=state.plain, spare_objective=state.objective, least_worth=float("inf"),
    )  # fmt: skip
