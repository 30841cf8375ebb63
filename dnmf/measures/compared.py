"""How alike the components of two holders are: a side of each, or of two CPs the vectors along all axes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.cp_model import CPModel
from dnmf.errors import InputError
from dnmf.measures.columns import BOTH, SIDES, Columns, checked_side, columns_of, cosines_between, factor_along
from dnmf.model import Model
from dnmf.sources.axes import have_same_rows, refuse_other_axes, refuse_other_axes_of_rows
from dnmf.sources.names import keep_the_order


@undisturbed
def compared(of_rows: Any, of_columns: Any, side: str) -> np.ndarray:
    """Return the cosine (k, k') of each component of one holder with each of the other (:func:`columns_of`).

    Raises
    ------
    InputError
        There is no such side; a holder has not both sides where they are asked for; or they do not go together.
    """
    found = np.ones(())
    for first, second in _sides_of(of_rows, of_columns, checked_side(side, (BOTH,))):
        found = found * cosines_between(first, second)
    return found


def _sides_of(one: Any, other: Any, side: str) -> Iterator[tuple[Columns, Columns]]:
    """What of two holders is to be compared: W, H or both, of two CPs the vectors along each axis."""
    for holder in (one, other):
        if side == BOTH and not isinstance(holder, (Model, tuple)):
            raise InputError("side='both' compares both factors: give a model or a pair (W, H), not one array")
    if side == BOTH and isinstance(one, CPModel) and isinstance(other, CPModel):
        for mine, theirs in _axes_of_both(one, other):
            first = factor_along(one, mine)
            yield first, first if other is one else factor_along(other, theirs)
        return
    for each in SIDES if side == BOTH else (side,):
        _refuse_other_axes(one, other, each)
        first = columns_of(one, each)
        yield first, first if other is one else columns_of(other, each)


def _axes_of_both(one: CPModel, other: CPModel) -> list[tuple[str, str]]:
    """The axes of two CPs in pairs: by name where both have names, else in their order."""
    found, known = one.unfolding, other.unfolding
    assert found is not None, "that of a CP is known"
    assert known is not None, "that of a CP is known"
    named = bool(found.dims and known.dims)
    pairs = list(zip(one.lengths, one.lengths if named else other.lengths, strict=False))
    alike = [one.lengths[mine] == other.lengths.get(theirs) for mine, theirs in pairs]
    if not all(alike) or len(one.lengths) != len(other.lengths) or not (named or found.factors == known.factors):
        raise InputError(f"a CP of {one.lengths} and one of {other.lengths} cannot be compared: their axes differ")
    return pairs


def _refuse_other_axes(one: Any, other: Any, side: str) -> None:
    """Refuse models of arrays of which a side is made of other axes, or of these in another order.

    Raises
    ------
    InputError
        It is.
    """
    if one is other or not (isinstance(one, Model) and isinstance(other, Model)):
        return
    found, known = one.unfolding, other.unfolding
    if found is None or known is None:
        return
    if not have_same_rows(found, known):
        raise InputError(
            f"the rows of the first model are those of {found.long_axis}, of the second those of {known.long_axis}; "
            "fit both along the same (row_axes=), or compare two CPs over all axes: side='both'"
        )
    chosen = [getattr(model.view, "rows" if side == "W" else "columns") for model in (one, other)]
    if any(each is not None for each in chosen):
        return  # their names are compared, where there are some
    if side == "W":
        refuse_other_axes_of_rows("the first model", found, known, of="the second")
    else:
        refuse_other_axes("the first model", found, known, of="the second", remedy=keep_the_order)
