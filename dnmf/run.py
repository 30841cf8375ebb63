"""A fit from beginning to end: open, plan, start, pass after pass, commit, finish; and its resumption."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.errors import BudgetError, CheckpointError, InputError
from dnmf.fitting.events import Callback, Finished, PassDone, Planned, Started, emit
from dnmf.fitting.finish import Factors, last_pass, remove_other_arrays
from dnmf.fitting.loop import Engine, run_until_last
from dnmf.fitting.start import start_at_random, start_from_H, start_from_sample, start_from_W
from dnmf.fitting.state import State
from dnmf.fitting.step import first_state
from dnmf.model import Model
from dnmf.options import FitOptions, Penalty, format_bytes, parse_bytes
from dnmf.passes.choose import choose_executor
from dnmf.passes.executor import Executor
from dnmf.plan import Plan, Shape, make_plan
from dnmf.record import RunRecord, differences, versions
from dnmf.sources import Source, open_source

log = logging.getLogger("dnmf")
MOST_GATHERED_BYTES = 256 * 2**20


def fit(
    source: Any,
    rank: int,
    *,
    W: Any = None,
    H: Any = None,
    init: str = "sample",
    solver: str = "cd",
    loss: str = "frobenius",
    penalty: Penalty | None = None,
    dtype: str = "float32",
    seed: int = 0,
    tol: float = 1e-4,
    max_passes: int = 50,
    extrapolate: bool = True,
    store: str | Path | None = None,
    client: Any = None,
    memory_limit: str | int | None = None,
    callbacks: Sequence[Callback] = (),
) -> Model:
    """Return the factorization ``A ≈ W · diag(d) · H`` of a non-negative matrix, with ``W, H ≥ 0``.

    Minimizes ``½‖A − W diag(d) H‖²_F`` (plus penalties) by alternating exact non-negative least squares; every
    pass reads the data once. Columns of W and rows of H sum to one.

    Parameters
    ----------
    source : path, URL, array, AnnData, dask array, …
        The matrix (m, n); see :func:`dnmf.open_source`.
    rank : int
        Components k, at most ``min(m, n)``.
    W, H : array, optional
        A start: W (m, k) costs one read, H (k, n) none. H alone decides when both are given, because W is a
        function of H.
    init : {"sample", "random"}
        Where H starts when none is given.
    solver, loss : str
        ``"cd"`` and ``"frobenius"``.
    penalty : Penalty, optional
        L1 and L2 on the factors.
    dtype : {"float32", "float64"}
        Of the computation; sums are float64 in either.
    seed : int
        Decides everything that is drawn at random.
    tol : float
        Stop when a pass lowers the objective by less than this share of it.
    max_passes : int
        Most reads after the start, the last one, which writes W, included.
    extrapolate : bool
        Whether H is carried along its last change between passes (taken back when the objective rises).
    store : path, optional
        A directory ``NAME.dnmf``: every pass is committed there and W is written there by the workers. Without
        it W is kept in memory.
    client : distributed.Client or str, optional
        A dask client or the address of a scheduler. By default the current client, else threads in process.
    memory_limit : str or int, optional
        Of one worker, for example ``"2GB"``; by default what the worker says, or what is free in process.
    callbacks : sequence of callables
        Each is handed every event (:mod:`dnmf.fitting.events`).

    Raises
    ------
    InputError
        The data or an option cannot be used.
    BudgetError
        A worker's memory cannot hold what the work needs.
    CheckpointError
        The store holds a run already, or cannot be written.
    ClusterError
        The workers or the scheduler were lost for good.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> model = dnmf.fit(np.outer([1.0, 2, 3], [1.0, 0, 1]), rank=1)
    >>> model.H.round(3).tolist()
    [[0.5, 0.0, 0.5]]
    """
    opened = open_source(source)
    given = "given" if W is not None or H is not None else init
    options = FitOptions(rank, given, solver, loss, penalty or Penalty(), dtype, seed, tol, max_passes, extrapolate)
    W, H = _check_start(W, H, options, opened)
    with ExitStack() as stack:
        run = _prepare(opened, options, client, memory_limit, store, tuple(callbacks), None)
        if store is not None:
            run.open_store(stack, store)
        state = _start(run, W, H)
        return _go_on(run, state)


def resume(store: str | Path, *, source: Any = None, client: Any = None, memory_limit: str | int | None = None,
           max_passes: int | None = None, tol: float | None = None, force: bool = False,
           callbacks: Sequence[Callback] = ()) -> Model:  # fmt: skip
    """Go on with a fit from its last committed pass and return the model; a finished one is just loaded.

    The result equals that of an uninterrupted fit bit for bit.

    Parameters
    ----------
    store : path
        What ``fit`` was given.
    source : optional
        The data, where it is not found under the path it was fitted from (or was an array in memory).
    client, memory_limit, callbacks
        As in :func:`fit`; they may differ from those of the fit.
    max_passes, tol : optional
        New limits: they decide when to stop, not what a pass does.
    force : bool
        Go on although the data has changed since the fit began.

    Raises
    ------
    CheckpointError
        There is nothing to resume, or the data has changed; the message lists the differences.
    """
    store = Path(store)
    with ExitStack() as stack:
        lock = stack.enter_context(checkpoint.Store(_existing(store)))
        generation = checkpoint.read_latest(store)
        record = RunRecord.from_json(generation.record)
        limits = {"max_passes": max_passes, "tol": tol}
        changed = {name: value for name, value in limits.items() if value is not None}
        if record.status == "done" and not changed:
            return Model.restore(generation, store)
        if record.status == "done":
            raise CheckpointError(f"{store}: this fit is finished; start another one from its H with fit(…, H=model.H)")
        options = FitOptions(**{**record.options.__dict__, **changed})
        opened = open_source(record.address if source is None else source, missing_chunks=record.missing_chunks)
        _refuse_changed(record, opened, force)
        run = _prepare(opened, options, client, memory_limit, store, tuple(callbacks), record.plan)
        run.store, run.fingerprint = lock, record.fingerprint
        state = State.restore(record.state, generation.arrays)
        emit(run.callbacks, Started(options.init, state.bytes_read / run.engine.source_bytes, state.passes))
        return _go_on(run, state)


def load(path: str | Path) -> Model:
    """Return the model of a finished fit, or of :meth:`Model.save`.

    Raises
    ------
    CheckpointError
        There is none, or the fit is not finished.
    """
    path = _existing(Path(path))
    generation = checkpoint.read_latest(path)
    if generation.record.get("status") != "done":
        passes = generation.record.get("state", {}).get("passes", 0)
        raise CheckpointError(
            f"{path}: this fit is not finished ({passes} passes are committed); go on with: dnmf resume {path}"
        )
    return Model.restore(generation, path)


@dataclass
class _Run:
    """What a fit carries besides its state."""

    engine: Engine
    options: FitOptions
    callbacks: tuple[Callback, ...]
    missing_chunks: str
    store: checkpoint.Store | None = None
    fingerprint: dict[str, Any] | None = None

    def open_store(self, stack: ExitStack, path: str | Path) -> None:
        store = checkpoint.Store(path)
        stack.enter_context(store)
        if checkpoint.exists(path):
            _refuse_used_store(Path(path), self.options)
        self.store, self.fingerprint = store, self.engine.source.fingerprint()

    def commit(self, state: State) -> None:
        if self.store is None:
            return
        source = self.engine.source
        record = RunRecord(
            "running", self.options, source.address, self.missing_chunks, self.fingerprint or {}, source.transposed,
            self.engine.plan.cuts_json(), versions(), state.scalars(),
        )  # fmt: skip
        self.store.commit(state.passes, record.to_json(), state.arrays())

    def after_pass(self, state: State) -> None:
        self.commit(state)
        emit(self.callbacks, PassDone(state.history[-1], self.store is not None))


def _existing(store: Path) -> Path:
    if not checkpoint.exists(store):
        raise CheckpointError(f"{store}: no pass was committed here; begin with dnmf fit")
    return store


def _check_start(W: Any, H: Any, options: FitOptions, source: Source) -> tuple[Any, Any]:
    """Return the given start in the engine's orientation, checked."""
    m, n = source.shape[::-1] if source.transposed else source.shape
    if options.rank > min(m, n):
        raise InputError(f"{source.address}: rank={options.rank} is more than min(rows, columns) = {min(m, n)}")
    for name, values, shape in (("W", W, (m, options.rank)), ("H", H, (options.rank, n))):
        if values is None:
            continue
        array = np.asarray(values)
        if array.shape != shape:
            raise InputError(f"{name} has shape {array.shape}, expected {shape}")
        if not np.isfinite(array).all() or (array < 0).any():
            raise InputError(f"{name} holds a NaN, an infinity or a negative value")
    if source.transposed:
        return (None if H is None else np.asarray(H).T), (None if W is None else np.asarray(W).T)
    return W, H


def _prepare(
    source: Source,
    options: FitOptions,
    client: Any,
    memory_limit: Any,
    store: Any,
    callbacks: tuple[Callback, ...],
    cuts: dict[str, Any] | None,
) -> _Run:
    executor = choose_executor(client, source)
    inner = (
        options if not source.transposed else FitOptions(**{**options.__dict__, "penalty": options.penalty.swapped()})
    )
    plan = _plan(source, inner, executor, parse_bytes(memory_limit), store is not None, cuts)
    executor.preflight(source)
    layout = source.layout()
    machine = executor.machine(parse_bytes(memory_limit))
    emit(callbacks, Planned(executor.name, source.address, source.shape, layout.total_bytes, len(plan.groups),
                            plan.n_panels, plan.need.total, machine.memory_bytes))  # fmt: skip
    missing = getattr(source, "missing_chunks", "error")
    return _Run(Engine(executor, source, plan, max(1, layout.total_bytes)), inner, callbacks, missing)


def _plan(
    source: Source,
    options: FitOptions,
    executor: Executor,
    memory: int | None,
    stored: bool,
    cuts: dict[str, Any] | None,
) -> Plan:
    itemsize = np.dtype(options.dtype).itemsize
    size_of_W = source.shape[0] * options.rank * itemsize
    if not stored and executor.name != "in process" and size_of_W > MOST_GATHERED_BYTES:
        raise BudgetError(
            f"W would take {format_bytes(size_of_W)} in this process; give store='NAME.dnmf' and the workers write it there"
        )
    shape = Shape(source.shape[1], options.rank, itemsize, kept_rows=0 if stored else source.shape[0])
    return make_plan(source.layout(), shape, executor.machine(memory), cuts)


def _start(run: _Run, W: Any, H: Any) -> State:
    options, source = run.options, run.engine.source
    bytes_read, squares = 0, -1.0
    if H is not None:
        first = start_from_H(H, options)
    elif W is not None:
        first, statistics = start_from_W(run.engine, W, options)
        bytes_read, squares = statistics.bytes_read, statistics.squares
    elif options.init == "random":
        first = start_at_random(source.shape[1], options)
    else:
        first, bytes_read = start_from_sample(source, options)
    state = first_state(first, options, bytes_read, squares)
    run.commit(state)
    emit(run.callbacks, Started(options.init, bytes_read / run.engine.source_bytes))
    return state


def _go_on(run: _Run, state: State) -> Model:
    state = run_until_last(run.engine, state, run.options, run.after_pass)
    place = None if run.store is None else run.store.path
    state, factors = last_pass(run.engine, state, run.options, place)
    model = _model(run, state, factors)
    if run.store is not None:
        name = factors.W
        run.store.commit(state.passes, model.record(name), model.arrays())
        remove_other_arrays(run.store.path, name)
        model = Model.restore(checkpoint.read_latest(run.store.path), run.store.path)
    emit(run.callbacks, PassDone(state.history[-1], run.store is not None))
    emit(run.callbacks, Finished(model.stop_reason, state.passes, model.reads, model.relative_error))
    return model


def _model(run: _Run, state: State, factors: Factors) -> Model:
    source = run.engine.source
    return Model(
        factors.W, factors.d, factors.H, factors.h_scale, run.options, state.history, state.reason,
        source.row_names(), source.column_names(), None if run.store is None else run.store.path,
    )  # fmt: skip


def _refuse_used_store(store: Path, options: FitOptions) -> None:
    record = checkpoint.read_latest(store).record
    changed = FitOptions.from_json(record["options"]).differences(options)
    what = f" with other options ({'; '.join(changed)})" if changed else ""
    raise CheckpointError(
        f"{store}: holds a run already{what}. Go on with dnmf resume {store}, or choose another store"
    )


def _refuse_changed(record: RunRecord, source: Source, force: bool) -> None:
    found = differences(record.fingerprint, source.fingerprint())
    if found and not force:
        raise CheckpointError(
            f"{source.address}: the data is not what the fit began with ({'; '.join(found)}). Begin a new fit, or use "
            "force (--force) if you know it is the same"
        )
    for line in versions_changed(record.versions):
        log.warning("resuming with other versions than the fit began with: %s; the bits may differ", line)


def versions_changed(before: dict[str, str]) -> list[str]:
    """Return ``name: before → now`` for every version that is not what it was."""
    return differences(before, versions())
