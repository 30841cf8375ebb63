"""Values are checked before they are trusted, once: what was observed of them, and their weights."""

from collections.abc import Sequence

import numpy as np

from dnmf.errors import InputError, NothingObservedError
from dnmf.kernels.scan import scan_csr, scan_values
from dnmf.missing import NOT_OBSERVED, NOT_STORED, place_of
from dnmf.passes.blocks import as_kernels_read
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import NOT_NEGATIVE, SQUARES, Demands
from dnmf.sources.rows import CsrRows, Panel, Rows, Weighted
from dnmf.sources.source import Source

VALUES_AT_ONCE = 2**20
UNOBSERVED = {
    "nan": "is NaN", "unstored": "is not stored", "mask": "is false in the mask", "weights": "has the weight 0",
    "row_weights": "is in a row of weight 0", "column_weights": "is in a column of weight 0",
}  # fmt: skip
INSTEAD = {
    "mask": "a mask is true where an entry was observed, turn round one that is true for what is missing",
    "weights": "give what was observed a weight above 0",
    "row_weights": "give rows that count a weight above 0",
    "column_weights": "give columns that count a weight above 0",
    "unstored": "sparse data stores what was observed, zeros too",
    "nan": "leave a number where an entry was observed",
}
CSR_PROBLEMS = {1: "a {} index outside the matrix", 2: "a {} more than once", 3: "offsets that fall"}


def check_rows(
    source: Source, start: int, rows: Panel, dtype: str = "float64", demands: Demands = NOT_NEGATIVE
) -> float:
    """Return the sum of squares of rows whose values are finite and not negative; the first is row `start`.

    Values that may be signed (`demands`) are not asked to be non-negative. A NaN is no value where the source has
    missing entries; weights, which are finite in `dtype` and not negative, multiply the squares.

    Raises
    ------
    InputError
        With the path, the row, the column and the count of what is wrong; or the values are too large for
        products in `dtype`.
    """
    if isinstance(rows, Weighted):
        return _check_weighted(source, start, rows, dtype, demands)
    holes = source.has_missing and not source.sparse
    flat = _flat(rows if isinstance(rows, np.ndarray) else rows.data)
    squares, first_bad, bad = _scan(flat, signed=demands.signed, holes=holes)
    if first_bad >= 0:
        raise _bad_value(source, start, rows, (int(first_bad), int(bad)), demands)
    if squares > SQUARES[dtype][1] or (squares == 0 and _any(flat, holes=holes)):
        raise _too_large(source, float(np.nanmax(np.abs(flat))), dtype)
    if isinstance(rows, CsrRows):
        _check_csr(source, start, rows)
    if flat.dtype.kind == "f" and flat.dtype.itemsize > np.dtype(dtype).itemsize:
        # of the values the products are made of; where all of them vanish, of what they were, which is too small too
        squares = _scan(flat, signed=demands.signed, dtype=dtype, holes=holes)[0] or squares
    return float(squares)


def refuse_zeros(source: Source, start: int, rows: Panel) -> None:
    """Refuse rows that are zero where they were observed: the loss is infinite for whatever is predicted there.

    Raises
    ------
    InputError
        With the path, the place and the count.
    """
    values = rows.rows if isinstance(rows, Weighted) else rows
    flat = _flat(values if isinstance(values, np.ndarray) else values.data)
    zeros = np.flatnonzero((flat == 0) & (_flat(rows.weights) > 0) if isinstance(rows, Weighted) else flat == 0)
    if len(zeros):
        place = f"{_place(source, start, values, int(zeros[0]))}{_more(len(zeros))}"
        way = NOT_STORED if source.sparse else NOT_OBSERVED.split(";")[0]
        raise InputError(
            f"{source.address}: a zero at {place}; this loss needs values above zero everywhere: leave zeros out of "
            f"account ({way}), or use loss='kullback-leibler'"
        )


def is_observed(rows: Panel) -> bool:
    """Return whether anything was observed of rows of data with missing entries or weights."""
    if isinstance(rows, Weighted):
        return bool((rows.weights > 0).any())
    if isinstance(rows, CsrRows):
        return len(rows.data) > 0
    if rows.dtype.kind != "f":
        return rows.size > 0
    step = max(1, VALUES_AT_ONCE // max(1, rows.shape[1]))
    return not all(np.isnan(rows[low : low + step]).all() for low in range(0, len(rows), step))


def nothing_observed(source: Source) -> NothingObservedError:
    """Return what is raised where nothing at all was observed: a perfect fit of it would say nothing."""
    said = source.said()
    said = {**said, said.get("missing", ""): True}
    found = [words for name, words in UNOBSERVED.items() if name in said]
    remedies = [words for name, words in INSTEAD.items() if name in said]
    return NothingObservedError(
        f"{source.address}: nothing was observed of it, every entry {' or '.join(found) or 'is missing'}; "
        f"{' and '.join(remedies) or 'say which entries were observed'}"
    )


def refuse_bad_weights(source: Source, start: int, panel: Weighted, dtype: str = "float64") -> None:
    """Refuse weights that are negative, or not finite in a dtype; the first row is row `start`.

    Raises
    ------
    InputError
        With the path, the place and the count.
    """
    flat = _flat(panel.weights)
    _, first_bad, bad = _scan(flat, dtype=dtype)
    if first_bad >= 0:
        where = f"{_place(source, start, panel.rows, first_bad)}{_more(bad)}"
        raise _bad_weight(flat[first_bad], where, source, dtype)


def refuse_unaware(source: Source, visitors: Sequence[Visitor]) -> None:
    """Refuse data with missing entries or weights where somebody visits it who would take it for whole.

    Raises
    ------
    InputError
        Somebody would.
    """
    if source.has_missing and not all(visitor.takes_missing for visitor in visitors):
        raise InputError(
            f"{source.address}: has missing entries or weights, of which this loss, start or measure takes no account; "
            "give the data without missing=, mask= and weights="
        )


def _check_weighted(source: Source, start: int, panel: Weighted, dtype: str, demands: Demands) -> float:
    rows, weights = panel
    flat, of_each = _flat(rows if isinstance(rows, np.ndarray) else rows.data), _flat(weights)
    _, first_bad, bad = _scan(flat, signed=demands.signed)
    if first_bad >= 0:
        raise _bad_value(source, start, rows, (int(first_bad), int(bad)), demands)
    refuse_bad_weights(source, start, panel, dtype)
    if isinstance(rows, CsrRows):
        _check_csr(source, start, rows)
    squares = total = 0.0
    for low in range(0, len(flat), VALUES_AT_ONCE):
        here = slice(low, low + VALUES_AT_ONCE)
        some, weighed = (each[here].astype(dtype, copy=False).astype(np.float64) for each in (flat, of_each))
        squares, total = squares + float(np.einsum("i,i,i->", weighed, some, some)), total + float(weighed.sum())
    if total > SQUARES[dtype][1]:
        raise _bad_weight(of_each.max(), f"{_place(source, start, rows, int(of_each.argmax()))}", source, dtype)
    if squares > SQUARES[dtype][1] or (squares == 0 and (flat * (of_each > 0)).any()):
        raise _too_large(source, float(np.abs(flat).max()), dtype, "values (and weights)")
    return squares


def _bad_weight(weight: float, where: str, source: Source, dtype: str) -> InputError:
    """What is wrong with a weight: by itself, as a product of others, or in the dtype of the computation."""
    found = f"{source.address}: the weight {weight} at {where}"
    if np.isposinf(weight):
        return InputError(
            f"{found}; weights are finite, and so has to be what those of an entry, its row and its column come to; "
            "divide them all by one number"
        )
    if weight > 0:
        return InputError(
            f"{found} is too large for {dtype}, whose products overflow; divide all weights by one number"
            f"{' or use dtype=float64' if dtype == 'float32' else ''}"
        )
    return InputError(f"{found}; weights are finite and not negative, 0 where an entry was not observed")


def _flat(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(-1)


def _any(flat: np.ndarray, *, holes: bool) -> bool:
    """Whether a value is not zero."""
    return bool((np.abs(flat) > 0).any() if holes else flat.any())


def _too_large(source: Source, largest: float, dtype: str, what: str = "values") -> InputError:
    return InputError(
        f"{source.address}: holds values up to {largest:.3g}, whose products overflow or vanish in "
        f"{dtype}; rescale the {what}{' or use dtype=float64' if dtype == 'float32' else ''}"
    )


def _check_csr(source: Source, start: int, rows: CsrRows) -> None:
    bad_row, code = scan_csr(rows.indices, rows.indptr, source.shape[1])
    if code:
        line, other = ("column", "row") if source.transposed else ("row", "column")
        row, _ = source.place_of_entry(start + bad_row, 0)
        raise InputError(
            f"{source.address}: {line} {row} holds {CSR_PROBLEMS[code].format(other)}; the store is "
            "damaged or was not written as a canonical sparse matrix (dnmf convert writes one)"
        )


def _scan(
    flat: np.ndarray, *, signed: bool = False, dtype: str | None = None, holes: bool = False
) -> tuple[float, int, int]:
    """What :func:`scan_values` returns of the sizes of values, in a dtype where one is given; a NaN may be a hole.

    Sizes, other dtypes and values without holes are copies: they are made of some values after the other, not of a
    whole panel.
    """
    holes = holes and flat.dtype.kind == "f"
    copied = signed or holes or dtype is not None or flat.dtype == np.float16
    step = VALUES_AT_ONCE if copied else max(1, len(flat))
    squares, first_bad, bad = 0.0, -1, 0
    for low in range(0, len(flat), step):
        some = as_kernels_read(flat[low : low + step])
        some = np.where(np.isnan(some), some.dtype.type(0), some) if holes else some
        some = np.abs(some) if signed else some
        with np.errstate(over="ignore"):  # it is what is looked for
            some = some if dtype is None else some.astype(dtype)
        of_some, first, count = scan_values(some)
        squares, bad = squares + of_some, bad + int(count)
        if first_bad < 0 <= first:
            first_bad = low + int(first)
    return squares, first_bad, bad


def _bad_value(source: Source, start: int, rows: Rows, bad: tuple[int, int], demands: Demands) -> InputError:
    """What is raised for a value, by its place and how many there are."""
    at, count = bad
    value, wanted = rows.reshape(-1)[at] if isinstance(rows, np.ndarray) else rows.data[at], "finite values"
    what = "a NaN" if np.isnan(value) else "an infinity" if np.isinf(value) else f"the negative value {value}"
    if np.isnan(value):
        wanted = demands.not_nan or f"finite values ({NOT_STORED if source.sparse else NOT_OBSERVED})"
    if np.isfinite(value):
        wanted = demands.not_negative
    place = f"{_place(source, start, rows, at)}{_more(count)}"
    return InputError(f"{source.address}: {what} at {place}; a factorization needs {wanted}")


def _place(source: Source, start: int, rows: Rows, at: int) -> str:
    """Where an entry is, in the user's rows and columns, and of more axes; `at` counts those of the panel."""
    if isinstance(rows, np.ndarray):
        row, column = divmod(at, rows.shape[1])
    else:
        row, column = int(np.searchsorted(rows.indptr, at, side="right")) - 1, int(rows.indices[at])
    row, column = source.place_of_entry(start + row, column)
    row, column = (column, row) if source.transposed else (row, column)
    words = place_of((row, column))
    return words if source.unfolding is None else f"{words} ({source.unfolding.place_in_words(row, column)})"


def _more(count: int) -> str:
    return f" (at least {count:,} such values)" if count > 1 else ""
