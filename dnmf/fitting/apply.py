"""Rows of W for other data, and how well they fit: one pass with H kept."""

from typing import Any

import numpy as np
import scipy.sparse

from dnmf.errors import InputError
from dnmf.fitting.update import measure
from dnmf.memory import Shape
from dnmf.options import FitOptions, Penalty, format_bytes
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.executor import Executor, run_pass
from dnmf.passes.problem import Problem, Work, make_problem
from dnmf.passes.rows_out import create_rows_array, remove_array
from dnmf.passes.warm import Kernels
from dnmf.plan import Plan, make_plan
from dnmf.sources.memory import MemorySource
from dnmf.sources.source import Source

MOST_TURNED_BYTES = 256 * 2**20


def solve_other_rows(
    source: Source, executor: Executor, options: FitOptions, *, factor: np.ndarray, scale: np.ndarray,
    out: str | None, memory_bytes: int | None,
) -> Any:  # fmt: skip
    """Return the rows of W (rows, k) for every row of `source`: an ndarray, or the Zarr array at `out`.

    Parameters
    ----------
    source : Source
        With the columns of the fit.
    factor : ndarray (k, n)
        The H that is solved with.
    scale : ndarray (k,)
        What the solution is divided by to become W.
    options : FitOptions
        Of the fit: its dtype and its penalty on W apply.
    executor : Executor
        Where to run.
    out : str or None
        Path of a Zarr array to be made.
    memory_bytes : int or None
        A worker's limit, if not its own.
    """
    import zarr

    n_rows, plan = source.shape[0], _plan(source, executor, options, memory_bytes, kept=out is None)
    work = Work((_problem(factor, options),), options.dtype, check=True, scale=scale)
    if out is not None:
        create_rows_array(out, (n_rows, options.rank), plan.w_rows, options.dtype)
    try:
        statistics = run_pass(executor, source, plan, work, target=out or "")
    except BaseException:
        if out is not None:  # rows that were not written would read as zeros
            remove_array(out)
        raise
    if out is not None:
        return zarr.open_array(out, mode="r")
    return np.concatenate([statistics.kept[at] for at in sorted(statistics.kept)])


def measure_other_rows(
    source: Source, executor: Executor, options: FitOptions, *, factor: np.ndarray, memory_bytes: int | None
) -> tuple[float, float]:
    """Return ``‖A − XH‖²`` and ``‖A‖²`` of the rows of `source`, X solved for and let go of; arguments as above.

    The residual of dense rows is right to its own rounding; that of sparse rows is a difference of sums in float64,
    right to about 1e-15 of ``‖A‖²``.
    """
    plan = _plan(source, executor, options, memory_bytes, kept=False)
    work = Work((_problem(factor, options),), options.dtype, check=True, residual=True)
    statistics = run_pass(executor, source, plan, work)
    found = measure(
        statistics.models[0], factor.astype(options.dtype), statistics.squares, Penalty(), statistics.residual
    )
    return 2 * found.loss, statistics.squares


def _plan(source: Source, executor: Executor, options: FitOptions, memory_bytes: int | None, *, kept: bool) -> Plan:
    n_rows, n_columns = source.shape
    shape = Shape(n_columns, options.rank, np.dtype(options.dtype).itemsize, kept_rows=n_rows if kept else 0)
    machine = executor.machine(memory_bytes, Kernels.of(source, options.rank, options.dtype))
    plan = make_plan(source.layout(), shape, machine)
    executor.preflight(source)
    return plan


def _problem(factor: np.ndarray, options: FitOptions) -> Problem:
    with one_blas_thread():
        return make_problem(factor.astype(options.dtype), *options.penalty.on_W)


def by_rows(source: Source) -> Source:
    """Return `source` in a form whose rows are the user's rows; a small CSC store is turned in memory.

    Raises
    ------
    InputError
        A CSC store too large for that.
    """
    if not source.transposed:
        return source
    size = source.layout().total_bytes
    if size > MOST_TURNED_BYTES:
        raise InputError(
            f"{source.address}: single rows of a CSC matrix of {format_bytes(size)} cannot be read; convert it to CSR "
            "once with dnmf convert"
        )
    rows = source.read(0, source.shape[0])
    matrix = scipy.sparse.csr_array(tuple(rows), shape=source.shape).T.tocsr()
    return MemorySource(matrix, source.column_names(), source.row_names(), source.address)
