"""How far an H that was refined on a sample may be from the last pass: as far as what the sample promised came true."""

from dataclasses import replace

from dnmf.fitting.state import State

MOST = 1.0  # of the diagonal of the Gram matrix: beyond it the sample is too small to tell, and is no longer asked
GROWTH, SHRINK = 4.0, 3.0
POOR, GOOD = 0.25, 0.75  # of what was promised
MARGIN = 1.5  # times the damping that failed is the least one from then on


def kept_promise(state: State, objective: float) -> State:
    """Return the state whose refined H was accepted, with the damping that what came of it suggests."""
    promised, fell = state.objective - state.promised, state.objective - objective
    if fell < POOR * promised:
        damping = state.damping * GROWTH
    elif fell > GOOD * promised:
        damping = max(state.least_damping, state.damping / SHRINK)
    else:
        damping = state.damping
    return replace(state, damping=damping)


def broke_promise(state: State) -> State:
    """Return the state whose refined H made the objective rise: steps become shorter, and stay so."""
    return replace(state, damping=GROWTH * state.damping, least_damping=MARGIN * state.damping)
