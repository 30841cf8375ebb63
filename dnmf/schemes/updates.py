"""How H is found from the sums of a pass: updates by name, each of which says what it takes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.own_gram import solve_own_rows
from dnmf.schemes.columns import Aim, SharedProblem, solve_columns
from dnmf.schemes.scheme import SolvedColumns

WANTS = {
    "own gram": "a Gram matrix for each column (counts, missing entries, weights)",
    "bounds": "upper bounds",
    "l1": "L1",
    "free": "a factor that may be negative",
}


class OwnProblem(NamedTuple):
    """Columns with a Gram matrix of their own: ``argmin ½ xᵀ(Q_j + G0)x − b_jᵀx`` between bounds.

    Attributes
    ----------
    Q : ndarray (n, k (k + 1) / 2)
        Packed (:func:`dnmf.kernels.packed.unpack`).
    B, start, lower, upper : ndarray (n, k)
        Right-hand sides, where to begin, and bounds; equal ones hold an entry.
    G0 : ndarray (k, k)
        What all columns have in common.
    """

    Q: np.ndarray
    B: np.ndarray
    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    G0: np.ndarray


class Update(ABC):
    """Finds columns of H from Gram matrices and right-hand sides; none raises the objective it is asked to lower.

    Attributes
    ----------
    name : str
        As ``solver=`` names it.
    takes : frozenset
        Of :data:`WANTS`, what it can be asked for.
    """

    name: str
    takes: frozenset[str]

    @abstractmethod
    def shared(self, problem: SharedProblem, aim: Aim) -> SolvedColumns:
        """Return columns that share a Gram matrix."""

    @abstractmethod
    def own(self, problem: OwnProblem, tolerance: float, sweeps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return columns (n, k) with Gram matrices of their own, and by how much each violates its conditions."""


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
UPDATES: dict[str, Update] = {update.name: update for update in (COORDINATE_DESCENT,)}


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
