"""Rows of W for other data, and how well they fit: one pass with H kept."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from dnmf.callers import warn_caller
from dnmf.errors import InputError, UnsolvedWarning
from dnmf.fitting.events import Callback
from dnmf.fitting.meter import Meter
from dnmf.memory import NO_START, Shape
from dnmf.options import FitOptions, format_bytes
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.executor import Executor, run_pass
from dnmf.passes.rows_out import Columns, create_rows_array, remove_array
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms
from dnmf.passes.work import Work
from dnmf.places import Place
from dnmf.plain import dense
from dnmf.plan import Plan, make_plan
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.refused import facts_of_other_rows
from dnmf.schemes.rehearsal import Kernels
from dnmf.schemes.scheme import Scheme
from dnmf.sources.given import in_memory, matrix_of
from dnmf.sources.guard import guard_source, guarded
from dnmf.sources.labels import labels_given, names_along, refuse_labels_of_others
from dnmf.sources.memory import MemorySource
from dnmf.sources.names import MOST_NAMES, bytes_of_names
from dnmf.sources.rows import CsrRows, Weighted
from dnmf.sources.source import Source
from dnmf.sources.stored_factor import StoredFactor

MOST_TURNED_BYTES = 256 * 2**20


class Fixed(NamedTuple):
    """What rows are solved with.

    Attributes
    ----------
    factor : ndarray (k, n)
        The H of their problem, its components in the order in which the fit solved its own rows.
    terms : Terms
        What the penalty does to its normal equations.
    columns : Columns
        Which of a solution each column of W is, and what it is divided by.
    given : ndarray (rows, f) or None
        The first columns of W, where they are given.
    """

    factor: np.ndarray
    terms: Terms
    columns: Columns
    given: np.ndarray | None = None


def given_columns(
    source: Source, fixed_W: Any, scale: np.ndarray, dtype: str, *, signed: bool = False
) -> np.ndarray | None:
    """Return the first columns of W (rows, f) for other rows, where the fit was given those of its own, else None.

    Parameters
    ----------
    source : Source
        The rows.
    fixed_W : array (rows, f) or None
        In the units of what the fit was given.
    scale : ndarray (f,)
        What these were divided by.
    dtype : str
        Of the computation.
    signed : bool
        Whether they may be negative.

    Raises
    ------
    InputError
        They are not there, are not asked for, have another shape or the labels of other rows, or hold values that
        cannot be.
    """
    if not len(scale) and fixed_W is None:
        return None
    if not len(scale):
        raise InputError(
            f"{source.address}: the fit was given no columns of W, so other rows need none: leave fixed_W out"
        )
    wanted, labels = (source.shape[0], len(scale)), labels_given("fixed_W", fixed_W)
    fixed_W = dense(in_memory("fixed_W", matrix_of(fixed_W)), "fixed_W")
    fixed_W = fixed_W if np.ndim(fixed_W) != 1 else np.asarray(fixed_W)[:, None]
    if fixed_W is None or np.shape(fixed_W) != wanted:
        found = "there are none" if fixed_W is None else f"these have shape {np.shape(fixed_W)}"
        raise InputError(
            f"{source.address}: the fit was given the first {len(scale)} columns of W; for other rows give theirs, "
            f"fixed_W of shape {wanted} ({found})"
        )
    refuse_labels_of_others(labels, source.address, partial(names_along, source))
    values = np.asarray(fixed_W, np.float64)
    if not np.isfinite(values).all() or ((values < 0).any() and not signed):
        raise InputError(f"fixed_W holds a NaN, an infinity{'' if signed else ' or a negative value'}")
    return (values / scale).astype(dtype)


def solve_other_rows(
    source: Source, executor: Executor, options: FitOptions, *, fixed: Fixed, out: Place | None,
    memory_bytes: int | None, callbacks: Sequence[Callback] = (),
) -> Any:  # fmt: skip
    """Return the rows of W (rows, k) for every row of `source`: an ndarray, or those of the array at `out`.

    Parameters
    ----------
    source : Source
        With the columns of the fit.
    executor : Executor
        Where to run.
    options : FitOptions
        Of the fit: its dtype applies.
    fixed : Fixed
        Of the model.
    out : Place or None
        Of a Zarr array to be made; it holds the names of the rows, where `source` has them.
    memory_bytes : int or None
        A worker's limit, if not its own.
    callbacks : sequence of callables
        Each is handed every :class:`~dnmf.fitting.events.PassProgress`.

    Raises
    ------
    ChangedError
        The data changed while it was read; nothing is left at `out`.
    """
    scheme = scheme_of(options.exactly, facts_of_other_rows(options, source))
    n_rows, names = source.shape[0], None if out is None else carried_row_names(source)
    plan = _plan(
        source, executor, options, scheme, memory_bytes=memory_bytes, kept=out is None, name_bytes=bytes_of_names(names)
    )
    work = replace(_work(fixed, options, scheme), columns=fixed.columns)
    rows_back = Meter(callbacks).begin("transform", n_rows)
    try:
        if out is not None:
            create_rows_array(out, (n_rows, options.rank), plan.w_rows, options.dtype, names)
        with guarded(guard_source(source)), executor.giving_back(plan):
            statistics = run_pass(
                executor, source, plan, work, given=fixed.given, targets=(out or "",), rows_back=rows_back
            )
    except BaseException:
        if out is not None:  # rows that were not written would read as zeros
            remove_array(out)
        raise
    _warn_of_unsolved(statistics, source)
    if out is not None:
        return StoredFactor(out)
    kept = statistics.models[0].kept
    return np.concatenate([kept[at] for at in sorted(kept)])


def measure_other_rows(
    source: Source, executor: Executor, options: FitOptions, *, fixed: Fixed, weights: np.ndarray,
    memory_bytes: int | None,
) -> tuple[float, float]:  # fmt: skip
    """Return ``‖A − X diag(weights) H‖²`` and ``‖A‖²`` of the rows of `source`, X solved for and let go of.

    Of another loss: twice that of the model and of one that explains nothing.

    The residual of dense rows is right to its own rounding; that of sparse rows is a difference of sums in float64,
    right to about 1e-15 of ``‖A‖²``. Arguments as above.
    """
    scheme = scheme_of(options.exactly, facts_of_other_rows(options, source))
    plan = _plan(source, executor, options, scheme, memory_bytes=memory_bytes, kept=False)
    work = replace(_work(fixed, options, scheme), residual=True)
    with guarded(guard_source(source)), executor.giving_back(plan):
        statistics = run_pass(executor, source, plan, work, given=fixed.given)
    _warn_of_unsolved(statistics, source)
    H, order = fixed.factor.astype(options.dtype), np.argsort(fixed.columns.order)
    loss, whole = scheme.loss_of_rows(statistics, H, weights[order])
    return 2 * loss, 2 * whole


def _warn_of_unsolved(statistics: Statistics, source: Source) -> None:
    unsolved, unreached = statistics.models[0].unsolved, statistics.models[0].unreached
    if unreached:
        warn_caller(
            f"{source.address}: {unreached:,} of {statistics.rows:,} rows have values in columns where H is 0 in every "
            "component; no W predicts these, so that it is found from the others, and the loss is infinite",
            UnsolvedWarning,
        )
    if unsolved:
        warn_caller(
            f"{source.address}: {unsolved:,} of {statistics.rows:,} rows are not solved to their tolerance: components "
            "of the model are too much alike for its dtype, or fewer entries of them were observed than there are "
            "components",
            UnsolvedWarning,
        )


def carried_row_names(source: Source) -> np.ndarray | None:
    """Return the names of rows as a result carries them: not those of millions, which stay with the data."""
    return source.row_names() if source.shape[0] <= MOST_NAMES else None


def _plan(
    source: Source, executor: Executor, options: FitOptions, scheme: Scheme, *, memory_bytes: int | None, kept: bool,
    name_bytes: int = 0,
) -> Plan:  # fmt: skip
    n_rows, n_columns = source.shape
    itemsize, name_bytes = np.dtype(options.dtype).itemsize, 0 if executor.remote else name_bytes  # workers see none
    kept_rows = n_rows if kept else 0
    shape = Shape(
        n_columns, options.rank, itemsize, kept_rows=kept_rows, name_bytes=name_bytes, start=NO_START,
        curvature=scheme.curvature_size(options.rank),
    )  # fmt: skip
    machine = executor.machine(memory_bytes, Kernels.of(source, options))
    plan = make_plan(source.layout(), shape, machine)
    executor.preflight(source)
    return plan


def _work(fixed: Fixed, options: FitOptions, scheme: Scheme) -> Work:
    with one_blas_thread():
        held = 0 if fixed.given is None else fixed.given.shape[1]
        visitor = scheme.rows_of_model(fixed.factor.astype(options.dtype), fixed.terms, held)
    return Work((visitor,), options.dtype, check=True, demands=scheme.demands)


def by_rows(source: Source) -> Source:
    """Return `source` in a form whose rows are the user's rows; a small CSC store is turned in memory.

    Raises
    ------
    InputError
        A CSC store too large for that.
    ChangedError
        It changed while it was read.
    """
    if not source.transposed:
        return source
    with guarded(guard_source(source)):
        return _turned(source)


def _turned(source: Source) -> Source:
    size = source.layout().total_bytes
    if size > MOST_TURNED_BYTES:
        raise InputError(
            f"{source.address}: single rows of a CSC matrix of {format_bytes(size)} cannot be read; convert it to CSR "
            "once with dnmf convert"
        )
    panel: Any = source.read(0, source.shape[0])
    rows, names = panel.rows if source.weighted else panel, (source.column_names(), source.row_names())
    turned = _turned_csr(rows, rows.data, source.shape)
    if source.weighted:
        weights = _turned_csr(rows, panel.weights, source.shape).data
        return MemorySource.of_rows(Weighted(turned, weights), source.shape[0], source.address, like=source).with_names(
            *names
        )
    return MemorySource.of_rows(turned, source.shape[0], source.address, like=source).with_names(*names)


def _turned_csr(rows: CsrRows, values: np.ndarray, shape: tuple[int, int]) -> CsrRows:
    """Rows of the transpose, of values that are stored where those of `rows` are."""
    turned = scipy.sparse.csr_array((values, rows.indices, rows.indptr), shape=shape).T.tocsr()
    return CsrRows(turned.data, turned.indices, turned.indptr)
