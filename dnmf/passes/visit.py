"""What one task does: visit its panels, solve the rows of W, fold the sums, let go of everything else."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dnmf.errors import InputError
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.products import cross_csr, fold_csr
from dnmf.kernels.scan import scan_csr, scan_values
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.problem import MOST_SWEEPS, SQUARES, Problem, Work
from dnmf.passes.rows_out import RowsOut, normalize_columns, open_rows_out
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.plan import BLOCK_BYTES, Group
from dnmf.sources.source import CsrRows, Rows, Source

ROWS_IN_STEP = 64  # a block of many dense rows has a multiple of these
MOST_BLOCK_ROWS = 2048
ROWS_IN_SUM = 128  # dense rows whose products are added in the dtype of the computation before float64 takes over
WIDENED = {"?": np.uint8, "e": np.float32}  # bool and float16, which the kernel does not know
CSR_PROBLEMS = {1: "a {} index outside the matrix", 2: "a {} more than once", 3: "offsets that fall"}


def visit_group(source: Source, group: Group, work: Work, given: np.ndarray | None = None,
                target: str | None = None) -> Statistics:  # fmt: skip
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
    given : ndarray (rows of the group, k), optional
        Rows of W to use as they are, instead of solving for them.
    target : str, optional
        Where the rows of W (of the first model) go: a path of a Zarr array, or ``""`` for the statistics' `kept`.

    Raises
    ------
    InputError
        A row cannot be read or, when the pass checks, holds a NaN, an infinity or a negative value.
    """
    source = source.for_rows(group.start, group.stop)  # what it keeps from panel to panel goes with this task
    out = open_rows_out(target, group.start, group.stop)
    total = Statistics([ModelSums.zeros(rank, source.shape[1]) for rank in work.ranks])
    total.residual = 0.0 if work.residual and not source.sparse else None
    with one_blas_thread():
        for (start, stop), rows, waited_s in _read_ahead(source, group.panels):
            began = time.perf_counter()
            if work.check:
                total.squares += check_rows(source, start, rows, work.dtype)
            for low, block in _blocks(rows, source.shape[1], work.dtype):
                at = start + low
                if given is not None:
                    _fold(block, _given_rows(given, at - group.start, block, work.dtype), total.models[0])
                else:
                    _visit_block(block, work, total, out, at)
            total.rows += stop - start
            total.bytes_read += source.touched_bytes(start, stop, rows)
            total.read_s += waited_s
            total.compute_s += time.perf_counter() - began
    if out is not None:
        total.kept = out.finish()
    return total


def _given_rows(given: np.ndarray, first: int, block: Rows, dtype: str) -> np.ndarray:
    count = len(block) if isinstance(block, np.ndarray) else block.n_rows
    return np.ascontiguousarray(given[first : first + count], dtype=dtype)


def _read_ahead(source: Source, panels: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], Rows, float]]:
    """Yield each panel with its rows and the seconds spent waiting, while the next one is being read."""
    if len(panels) == 1 or source.in_memory:
        for panel in panels:
            began = time.perf_counter()
            rows = source.read(*panel)
            yield panel, rows, time.perf_counter() - began
        return
    with ThreadPoolExecutor(1, thread_name_prefix="dnmf-read") as reader:
        coming = reader.submit(source.read, *panels[0])
        for number, panel in enumerate(panels):
            began = time.perf_counter()
            rows = coming.result()
            if number + 1 < len(panels):
                coming = reader.submit(source.read, *panels[number + 1])
            yield panel, rows, time.perf_counter() - began
            del rows


def _blocks(rows: Rows, n_columns: int, dtype: str) -> Iterator[tuple[int, Rows]]:
    """Yield cache-sized blocks of a panel in the dtype of the computation, with their first row in it."""
    wanted = np.dtype(dtype)
    if isinstance(rows, np.ndarray):
        step = min(max(1, BLOCK_BYTES // (n_columns * wanted.itemsize)), MOST_BLOCK_ROWS)
        step -= step % ROWS_IN_STEP if step > ROWS_IN_STEP else 0
        for low in range(0, len(rows), step):
            yield low, np.ascontiguousarray(rows[low : low + step], dtype=wanted)
        return
    indices = rows.indices if rows.indices.dtype in (np.int32, np.int64) else rows.indices.astype(np.int64)
    low, most = 0, BLOCK_BYTES // wanted.itemsize
    while low < rows.n_rows:
        fitting = int(np.searchsorted(rows.indptr, rows.indptr[low] + most, side="right")) - 1
        high = min(max(low + 1, fitting), low + MOST_BLOCK_ROWS, rows.n_rows)
        offsets = rows.indptr[low : high + 1].astype(np.int64)
        first, last = int(offsets[0]), int(offsets[-1])
        yield low, CsrRows(rows.data[first:last].astype(wanted, copy=False), indices[first:last], offsets - first)
        low = high


def _visit_block(block: Rows, work: Work, total: Statistics, out: RowsOut | None, at: int) -> None:
    for number, problem in enumerate(work.problems):
        W = solve_block(block, problem)
        _fold(block, W, total.models[number])
        if total.residual is not None and number == 0:
            total.residual += _residual(np.asarray(block), W, problem)
        if out is not None and number == 0:
            out.write(at, W if work.scale is None else normalize_columns(W, work.scale))


def solve_block(block: Rows, problem: Problem) -> np.ndarray:
    """Return the rows of W (rows, k) for the rows of A in `block`, both in the dtype of the problem.

    Raises
    ------
    InputError
        A product is too large for the dtype.
    """
    if isinstance(block, np.ndarray):
        B = block @ problem.HT
    else:
        B = np.empty((block.n_rows, problem.rank), problem.HT.dtype)
        cross_csr(block.data, block.indices, block.indptr, problem.HT, B)
    if problem.l1:
        B -= B.dtype.type(problem.l1)
    B *= problem.unit
    start = np.maximum(B @ problem.inverse, 0)
    W, violation, _ = solve_rows(problem.Q, B, start, problem.tolerance, MOST_SWEEPS)
    if not np.isfinite(violation):
        raise InputError(f"values too large for {B.dtype}: a product overflows; use dtype='float64' or rescale them")
    W *= problem.unit
    return W


def _fold(block: Rows, W: np.ndarray, sums: ModelSums) -> None:
    wide = W.astype(np.float64)
    sums.G += wide.T @ wide
    sums.s += wide.sum(axis=0)
    if isinstance(block, np.ndarray):
        for low in range(0, len(W), ROWS_IN_SUM):
            sums.P += block[low : low + ROWS_IN_SUM].T @ W[low : low + ROWS_IN_SUM]
    else:
        fold_csr(block.data, block.indices, block.indptr, W, sums.P)


def _residual(block: np.ndarray, W: np.ndarray, problem: Problem) -> float:
    """``‖A − WH‖²`` of a dense block, right to the rounding of the residual however small that is."""
    difference = W @ problem.HT.T
    difference -= block
    return float(scan_values(np.abs(difference).reshape(-1))[0])


def check_rows(source: Source, start: int, rows: Rows, dtype: str = "float64") -> float:
    """Return the sum of squares of rows whose values are finite and not negative; the first is row `start`.

    Raises
    ------
    InputError
        With the path, the row, the column and the count of what is wrong; or the values are too large for
        products in `dtype`.
    """
    values = rows if isinstance(rows, np.ndarray) else rows.data
    flat = np.ascontiguousarray(values).reshape(-1)
    squares, first_bad, bad = scan_values(flat.astype(WIDENED[flat.dtype.char]) if flat.dtype.char in WIDENED else flat)
    if first_bad >= 0:
        raise _bad_value(source, start, rows, int(first_bad), int(bad))
    if squares > SQUARES[dtype][1] or (squares == 0 and flat.any()):
        raise InputError(
            f"{source.address}: holds values up to {float(flat.max()):.3g}, whose products overflow or vanish in "
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
        squares = scan_values(flat.astype(dtype))[0]  # of the values the products are made of
    return float(squares)


def _bad_value(source: Source, start: int, rows: Rows, at: int, count: int) -> InputError:
    if isinstance(rows, np.ndarray):
        row, column = divmod(at, rows.shape[1])
        value = rows[row, column]
    else:
        row, column = int(np.searchsorted(rows.indptr, at, side="right")) - 1, int(rows.indices[at])
        value = rows.data[at]
    row += start
    place = f"row {column}, column {row}" if source.transposed else f"row {row}, column {column}"
    what = "a NaN" if np.isnan(value) else "an infinity" if np.isinf(value) else f"the negative value {value}"
    more = f" ({count} such values in this panel)" if count > 1 else ""
    return InputError(
        f"{source.address}: {what} at {place}{more}; non-negative factorization needs finite values that are not "
        "negative"
    )
