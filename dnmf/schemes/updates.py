"""How H is found from the sums of a pass: updates by name, each of which says what it takes."""

from collections.abc import Iterable

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.own_gram import solve_own_rows
from dnmf.options import FitOptions
from dnmf.passes.methods import METHODS, OwnProblem
from dnmf.schemes.column_blocks import SharedProblem
from dnmf.schemes.columns import Aim, solve_columns
from dnmf.schemes.pivoting import BlockPivoting
from dnmf.schemes.scheme import SolvedColumns
from dnmf.schemes.swept import Swept
from dnmf.schemes.update import WANTS, Update


class CoordinateDescent(Update):
    """Exact: cyclic coordinate descent to a tolerance, an active set for columns of a shared Gram matrix above it."""

    name = "cd"
    takes = frozenset(WANTS)

    def shared(self, problem: SharedProblem, aim: Aim) -> SolvedColumns:
        """Return the minimizers."""
        return solve_columns(problem, aim)

    def own(self, problem: OwnProblem, tolerance: float, sweeps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimizers, in the dtype of the right-hand sides."""
        Q, B, start, lower, upper, G0 = problem
        return solve_own_rows(Q, B, start, lower, upper, tolerance, sweeps, G0)[:2]


COORDINATE_DESCENT = CoordinateDescent()
UPDATES: dict[str, Update] = {
    update.name: update for update in (COORDINATE_DESCENT, BlockPivoting(), *(Swept(method()) for method in METHODS))
}


def update_named(name: str, wants: Iterable[str] = (), among: dict[str, Update] = UPDATES) -> Update:
    """Return the update of this name, which takes all that is wanted.

    Raises
    ------
    InputError
        There is none of this name, or it cannot be asked for something that is wanted; the message names those that
        can.
    """
    if name not in among:
        raise InputError(f"solver={name!r}: use one of {', '.join(among)}")
    wanted = frozenset(wants)
    if missing := sorted(wanted - among[name].takes):
        able = [repr(other.name) for other in among.values() if wanted <= other.takes]
        remedy = f"use solver={' or '.join(able)}" if able else "no solver takes all of this together"
        raise InputError(f"solver={name!r} does not take {' and '.join(WANTS[what] for what in missing)}; {remedy}")
    return among[name]


def refuse_sweeps(options: FitOptions, update: Update) -> None:
    """Refuse sweeps of an update that makes none, or but one, and rows of sweeps of one that is exact.

    Raises
    ------
    InputError
        So it is; the message names those that can.
    """
    others = " or ".join(repr(other.name) for other in UPDATES.values() if other.repeats)
    if options.sweeps > 1 and not update.repeats:
        said = "is exact, whatever that takes" if update.exact else "is one solve"
        raise InputError(f"sweeps={options.sweeps}: solver={update.name!r} {said}; leave sweeps out or use {others}")
    if options.sweeps > 1 and update.positive and options.loss != FitOptions.loss:
        raise InputError(
            f"sweeps={options.sweeps}: under loss={options.loss!r} a second sweep of solver={update.name!r} takes a "
            "read of its own; leave sweeps out"
        )
    if not options.exact_rows and update.exact:
        others = " or ".join(repr(other.name) for other in UPDATES.values() if not other.exact)
        raise InputError(
            f"exact_rows=False: solver={update.name!r} is exact, for rows as well; leave exact_rows out or use {others}"
        )
