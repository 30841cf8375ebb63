"""The entries of a row of counts: their values, predictions and weights, and what a step along a line does to them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import inner
from dnmf.kernels.lane_math import divided, everywhere, logarithm, plus_wide, sum_of, times
from dnmf.kernels.lanes import (
    larger,
    load,
    load_as,
    minus,
    not_above,
    number,
    plus,
    plus_product,
    plus_times,
    store,
    zeros,
)
from dnmf.kernels.padding import LANES, aligned_zeros
from dnmf.kernels.tiles import stride_for

Array = NDArray[Any]

SHRINK = 1e-6  # no step takes a prediction below so much of itself


class Entries(NamedTuple):
    """What is known of the entries of a row: their rows of HT, values, predictions, those of a step, and weights."""

    across: Array
    a: Array
    y: Array
    step: Array
    r: Array
    c: Array


def new_entries(most: int, width: int, dtype: np.dtype) -> Entries:
    """Return room for a row of so many entries."""
    stride = stride_for(most)
    return Entries(*(aligned_zeros((rows * stride,), dtype) for rows in (width, 1, 1, 1, 1, 1)))


@inner
def lost(a: Any, y: Any) -> Any:
    """``a log(a / y) − a``, number by number."""
    return minus(times(a, logarithm(divided(a, y))), a)


@inner
def take_values(data: Array, first: int, entries: int, row: Entries, strip: Any) -> float:
    """Copy the values of a row, with zeros up to the stride, and return their sum."""
    group, a, total = LANES * len(strip), row.a, zeros(np.zeros(1), strip)
    whole = entries - entries % group
    for t in range(0, whole, group):
        store(a, t, load_as(a, data, first + t, strip))
    for t in range(whole, entries):
        a[t] = number(a, data, first + t)
    for t in range(entries, stride_for(entries)):
        a[t] = 0
    for t in range(0, entries, group):
        total = plus_wide(total, load(a, t, strip))
    return sum_of(total)


@inner
def weigh(row: Entries, entries: int, floor: float, strip: Any) -> None:
    """No prediction below the floor; the weights of what is."""
    group = LANES * len(strip)
    least, one = everywhere(floor, strip), everywhere(row.y.dtype.type(1), strip)
    for t in range(0, entries, group):
        y = larger(load(row.y, t, strip), least)
        inverse = divided(one, y)
        r = times(load(row.a, t, strip), inverse)
        store(row.y, t, y)
        store(row.r, t, r)
        store(row.c, t, times(r, inverse))


@inner
def along(row: Entries, entries: int, t: float, strip: Any) -> tuple[float, float, bool]:
    """``Σ a s / (y + t s)`` and ``Σ a s² / (y + t s)²``, and whether some prediction would all but vanish."""
    nothing, far, shrink = zeros(row.y, strip), row.y.dtype.type(t), row.y.dtype.type(SHRINK)
    first, second, blocked = nothing, nothing, np.int64(0)
    for at in range(0, entries, LANES * len(strip)):
        a, y, s = load(row.a, at, strip), load(row.y, at, strip), load(row.step, at, strip)
        least, there = plus_times(nothing, shrink, y), plus_times(y, far, s)
        blocked |= not_above(there, least) & ~not_above(a, nothing)
        ratio = divided(s, larger(there, least))
        product = times(a, ratio)
        first, second = plus(first, product), plus_product(second, product, ratio)
    return np.float64(sum_of(first)), np.float64(sum_of(second)), blocked != 0
