"""What one task does: visit its panels, solve the rows of W, fold the sums, let go of everything else."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.errors import InputError
from dnmf.kernels.scan import scan_csr, scan_values
from dnmf.missing import NOT_SUPPORTED
from dnmf.passes.allocator import GIVING_BACK
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.blocks import as_kernels_read, count_rows, cut_blocks
from dnmf.passes.rows_out import RowsOut, open_rows_out
from dnmf.passes.statistics import Statistics
from dnmf.passes.sums import RunningSums
from dnmf.passes.turns import TURNS
from dnmf.passes.visitors.visitor import Block
from dnmf.passes.work import SQUARES, Work
from dnmf.plan import Group
from dnmf.sources.source import Rows, Source

VALUES_AT_ONCE = 2**20
CSR_PROBLEMS = {1: "a {} index outside the matrix", 2: "a {} more than once", 3: "offsets that fall"}


@undisturbed
def visit_group(source: Source, group: Group, work: Work, given: np.ndarray | None = None,
                targets: Sequence[str] = ()) -> Statistics:  # fmt: skip
    """Return the statistics of the rows of `group`, each read once.

    The result depends on the arguments alone, to the last bit: BLAS runs on one thread, panels are folded in
    order, and a row's solution depends on no other row.

    Parameters
    ----------
    source : Source
        Holds at least the rows of the group.
    group : Group
        The panels to visit.
    work : Work
        What to do with their rows.
    given : ndarray (rows of the group, k or fewer), optional
        Of W, whole rows or their first columns, as the visitors of the work take them.
    targets : sequence of str
        Where the rows of W that each visitor writes out go: a path of a Zarr array, or ``""`` for `kept` of its sums.
        Empty: nowhere.

    Raises
    ------
    InputError
        A row cannot be read or, when the pass checks, holds a NaN, an infinity or a negative value.
    """
    with TURNS.turn(group.pace.at_once), GIVING_BACK.during(wanted=group.pace.gives_back):
        return _visit(source, group, work, given, targets)


def _visit(source: Source, group: Group, work: Work, given: np.ndarray | None, targets: Sequence[str]) -> Statistics:
    source = source.for_rows(group.start, group.stop)  # what it keeps from panel to panel goes with this task
    # The last pass is the one whose objective is reported: sparse products are then exact, dense ones bring a residual.
    dtype = "float64" if work.residual and source.sparse else work.dtype
    work = work.aligned()
    residual = work.residual and not source.sparse
    sums = [visitor.begin(source.shape[1], dtype, residual=residual) for visitor in work.visitors]
    opened = [open_rows_out(target, group.start, group.stop, work.columns) for target in targets]
    outs: Sequence[RowsOut | None] = opened or [None] * len(sums)
    total = Statistics([])
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # an overflow is found by the solver
        for (start, stop), rows, waited_s in read_ahead(source, group):
            began = time.perf_counter()
            if work.check:
                total.squares += check_rows(source, start, rows, work.dtype, signed=work.signed)
            _visit_rows(rows, work, sums, outs, at=start, known=None if given is None else given[start - group.start :])
            total.rows += stop - start
            total.bytes_read += source.touched_bytes(start, stop, rows)
            total.bytes_from_memory += source.bytes_from_memory(start, stop, rows)
            total.read_s += waited_s
            total.compute_s += time.perf_counter() - began
            del rows  # before others are read, where nothing is read ahead
    total.models = [some.finish() for some in sums]
    for model, out in zip(total.models, outs, strict=True):
        model.kept = {} if out is None else out.finish()
    return total


def read_ahead(source: Source, group: Group) -> Iterator[tuple[tuple[int, int], Rows, float]]:
    """Yield each panel of a group with its rows and the seconds spent waiting, while the next ones are being read."""
    if len(group.panels) == 1 or source.in_memory or not group.pace.ahead:
        for panel in group.panels:
            began = time.perf_counter()
            rows = source.read(*panel)
            yield panel, rows, time.perf_counter() - began
            del rows
        return
    with ThreadPoolExecutor(1, thread_name_prefix="dnmf-read") as reader:
        upcoming = iter(group.panels)
        coming = deque(reader.submit(source.read, *panel) for panel in islice(upcoming, group.pace.ahead))
        for panel in group.panels:
            began = time.perf_counter()
            rows = coming.popleft().result()
            coming.extend(reader.submit(source.read, *panel) for panel in islice(upcoming, 1))
            yield panel, rows, time.perf_counter() - began
            del rows


def _visit_rows(rows: Rows, work: Work, sums: list[RunningSums], outs: Sequence[RowsOut | None], *, at: int,
                known: np.ndarray | None) -> None:  # fmt: skip
    """Have the rows of a panel visited, the first of which is row `at`; what is `known` of W begins with that row."""
    for low, block in cut_blocks(rows):
        given = None if known is None else known[low : low + count_rows(block)].astype(work.dtype)
        for visitor, some, out in zip(work.visitors, sums, outs, strict=True):
            visitor.visit(Block(block, at + low, given), some, out)


def check_rows(source: Source, start: int, rows: Rows, dtype: str = "float64", *, signed: bool = False) -> float:
    """Return the sum of squares of rows whose values are finite and not negative; the first is row `start`.

    Values that may be `signed` are not asked to be non-negative.

    Raises
    ------
    InputError
        With the path, the row, the column and the count of what is wrong; or the values are too large for
        products in `dtype`.
    """
    values = rows if isinstance(rows, np.ndarray) else rows.data
    flat = np.ascontiguousarray(values).reshape(-1)
    squares, first_bad, bad = _scan(flat, signed=signed)
    if first_bad >= 0:
        raise _bad_value(source, start, rows, int(first_bad), int(bad))
    if squares > SQUARES[dtype][1] or (squares == 0 and flat.any()):
        largest = float(np.abs(flat).max())
        raise InputError(
            f"{source.address}: holds values up to {largest:.3g}, whose products overflow or vanish in "
            f"{dtype}; rescale the values{' or use dtype=float64' if dtype == 'float32' else ''}"
        )
    if not isinstance(rows, np.ndarray):
        bad_row, code = scan_csr(rows.indices, rows.indptr, source.shape[1])
        if code:
            line, other = ("column", "row") if source.transposed else ("row", "column")
            raise InputError(
                f"{source.address}: {line} {start + bad_row} holds {CSR_PROBLEMS[code].format(other)}; the store is "
                "damaged or was not written as a canonical sparse matrix (dnmf convert writes one)"
            )
    if flat.dtype.kind == "f" and flat.dtype.itemsize > np.dtype(dtype).itemsize:
        squares = _scan(flat, signed=signed, dtype=dtype)[0]  # of the values the products are made of
    return float(squares)


def _scan(flat: np.ndarray, *, signed: bool, dtype: str | None = None) -> tuple[float, int, int]:
    """What :func:`scan_values` returns of the sizes of values, in a dtype where one is given.

    Sizes and other dtypes are copies: they are made of some values after the other, not of a whole panel.
    """
    copied = signed or dtype is not None or flat.dtype == np.float16
    step = VALUES_AT_ONCE if copied else max(1, len(flat))
    squares, first_bad, bad = 0.0, -1, 0
    for low in range(0, len(flat), step):
        some = as_kernels_read(flat[low : low + step])
        some = np.abs(some) if signed else some
        of_some, first, count = scan_values(some if dtype is None else some.astype(dtype))
        squares, bad = squares + of_some, bad + int(count)
        if first_bad < 0 <= first:
            first_bad = low + int(first)
    return squares, first_bad, bad


def _bad_value(source: Source, start: int, rows: Rows, at: int, count: int) -> InputError:
    if isinstance(rows, np.ndarray):
        row, column = divmod(at, rows.shape[1])
        value = rows[row, column]
    else:
        row, column = int(np.searchsorted(rows.indptr, at, side="right")) - 1, int(rows.indices[at])
        value = rows.data[at]
    row += start
    place = f"row {column}, column {row}" if source.transposed else f"row {row}, column {column}"
    negative = np.isfinite(value)
    what = "a NaN" if np.isnan(value) else "an infinity" if np.isinf(value) else f"the negative value {value}"
    more = f" (at least {count:,} such values)" if count > 1 else ""
    wanted = f"finite values ({NOT_SUPPORTED})" if np.isnan(value) else "finite values"
    if negative:
        wanted = "values that are not negative, unless a factor may be: Constraints(free='W'), --free W"
    return InputError(f"{source.address}: {what} at {place}{more}; a factorization needs {wanted}")
