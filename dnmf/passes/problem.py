"""The least squares problem that all rows of A share for a fixed H, and who solves it."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.padding import padded
from dnmf.passes.exact import Finish, FromData, least_eigenvalue, tolerance_at
from dnmf.passes.methods import Method, Shared
from dnmf.passes.over_columns import columns_times, gram_of
from dnmf.passes.row_solvers import FreeRows, NonNegativeRows, RowsOfOneEntry, RowSolver, TruncatedRows
from dnmf.passes.terms import NO_TERMS, Terms, add_to_diagonal, in_units_of, unit_diagonal
from dnmf.passes.visitors.solve import SolveBesideGiven, SolveRows

RIDGE_SHARE = {"float32": 1e-6, "float64": 1e-13}
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # KKT violation of a row, relative to its largest right-hand side


def solve_for_rows(
    H: np.ndarray, terms: Terms = NO_TERMS, tolerance: float | None = None, *, signed: bool = False, held: int = 0,
    peaks: bool = False, method: Method | None = None,
) -> SolveRows:  # fmt: skip
    """Return what solves for the rows of W for a fixed `H` (k, n), whose dtype is that of the computation.

    Row a of A has the solution ``argmin_{w ≥ 0} ½ wᵀ(HHᵀ + l2 I)w − (Ha − l1)ᵀw``.

    Parameters
    ----------
    H : ndarray (k, n)
        The factor.
    terms : Terms
        What the penalty and the bounds do to the normal equations of a row.
    tolerance : float, optional
        To which coordinate descent solves, and nothing else; without one rows are solved exactly.
    signed : bool
        Whether H may be negative.
    held : int
        How many of the first components have their columns of W given.
    peaks : bool
        Whether the largest right-hand sides are noted.
    method : Method, optional
        Whose sweeps rows are, from the non-negative part of what the inverse makes of them; without one they are
        solved. Rows that may be negative, or have one entry, are exact with any.

    Raises
    ------
    InputError
        `H` is not finite, or negative although it is not `signed`.
    """
    if not (
        H.min() >= (-np.inf if signed else 0) and max(H.max(), -H.min()) < np.inf
    ):  # neither holds where there is a NaN
        raise InputError(f"H holds a NaN, an infinity{'' if signed else ' or a negative value'}")
    none = terms.all_zero and not held
    Q, unit = unit_diagonal(np.zeros((len(H), len(H))) if none else terms.edit_gram(gram_of(H)))
    HT = columns_times(H, unit)
    shared, parts = _shared(HT, unit, terms, peaks=peaks), _Parts(HT, unit, terms, tolerance, method)
    if not held:
        return SolveRows(solver=_row_solver(parts, Q, 0), **shared)
    alive = 0.0 if terms.all_zero else 1.0  # of what is not given
    others = _row_solver(parts, alive * Q[held:, held:], held)
    return SolveBesideGiven(solver=others, Q=Q.astype(H.dtype), held=held, **shared)


class _Parts(NamedTuple):
    """What is known of all components, those that are given included."""

    HT: np.ndarray
    unit: np.ndarray
    terms: Terms
    tolerance: float | None
    method: Method | None


def _shared(HT: np.ndarray, unit: np.ndarray, terms: Terms, *, peaks: bool) -> dict[str, Any]:
    padded_unit = _padded_with_zeros(unit, (HT.shape[1],)).astype(HT.dtype)
    return {"HT": HT, "unit": padded_unit, "bound": terms.upper, "signed": terms.free, "peaks": peaks}


def _row_solver(parts: _Parts, Q: np.ndarray, held: int) -> RowSolver:
    """Who solves for the components that are not given."""
    terms, dtype, width = parts.terms, parts.HT.dtype, padded(len(Q))
    unit = parts.unit[held:] * (np.diag(Q) > 0)
    inverse = (
        np.linalg.pinv(Q, rcond=RIDGE_SHARE[str(dtype)], hermitian=True) if terms.free
        else np.linalg.inv(add_to_diagonal(Q.copy(), RIDGE_SHARE[str(dtype)] + (unit == 0)))
    )  # fmt: skip
    normal: dict[str, Any] = {
        "Q": Q.astype(dtype),
        "inverse": _padded_with_zeros(inverse, (width, width)).astype(dtype),
        "unit": _padded_with_zeros(unit, (width,)).astype(dtype),
        "l1": 0.0 if terms.all_zero else float(terms.l1),
    }
    if terms.free:
        return FreeRows(**normal)
    if terms.one_entry:
        return RowsOfOneEntry(**normal)
    upper = in_units_of(terms.upper, unit, dtype)
    if parts.method is not None:
        shared = Shared.of(parts.method, Q, upper, dtype, free=False)
        return TruncatedRows(**normal, method=parts.method, shared=shared)
    tolerance, finish = _how_near(parts, Q, inverse)
    return NonNegativeRows(**normal, tolerance=tolerance, upper=upper, finish=finish)


def _how_near(parts: _Parts, Q: np.ndarray, inverse: np.ndarray) -> tuple[float, Finish | None]:
    """Return the tolerance that a Gram matrix allows for, and a way to finish rows that are above it."""
    dtype, terms, held = str(parts.HT.dtype), parts.terms, len(parts.unit) - len(Q)
    usual = TOLERANCE[dtype]
    nothing_left = not len(Q)  # all components are given
    if nothing_left or parts.tolerance is not None:
        return usual if parts.tolerance is None else parts.tolerance, None
    known = 1 / float(np.linalg.norm(inverse)) - RIDGE_SHARE[dtype]  # not above the least eigenvalue, and cheap
    enough = tolerance_at(usual, known, dtype) == usual
    tolerance = usual if enough else tolerance_at(usual, least_eigenvalue(Q), dtype)
    data = None if tolerance > 0 else FromData.of(parts.HT, parts.unit, parts.terms[:3], held)
    return tolerance, Finish(Q, usual, in_units_of(terms.upper, parts.unit[held:], parts.HT.dtype), data)


def _padded_with_zeros(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape)
    whole[tuple(slice(0, size) for size in array.shape)] = array
    return whole
