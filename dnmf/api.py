"""The functions people call: fit, resume, load."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numba  # noqa: F401  first: from deep within other imports, where Python's stack ends, it takes 0.1 s more

from dnmf import checkpoint
from dnmf.advice import WayOn
from dnmf.arithmetic import undisturbed
from dnmf.constraints import Constraints, checked_constraints
from dnmf.cp_model import restored
from dnmf.errors import UnfinishedError
from dnmf.fitting.events import Callback
from dnmf.going_on import goes_on, new_limits
from dnmf.locations import refuse_overwrite
from dnmf.model import Model
from dnmf.options import FitOptions, more_than, parse_bytes, start_asked_for
from dnmf.penalty import Penalty
from dnmf.places import place_of
from dnmf.record import STEP_FROM_MEDIANS, RunRecord, naming, refuse_study
from dnmf.resources import Resources, checked_callbacks
from dnmf.restarts import run_of
from dnmf.run import free_store, number_in, reopened
from dnmf.schemes.refused import refuse_idle, refuse_rank
from dnmf.sources import Source, open_source
from dnmf.workplace import Workplace

log = logging.getLogger("dnmf")


@undisturbed
def fit(  # noqa: PLR0913  the one door of the library names every option
    source: Any,
    rank: int,
    *,
    W: Any = None,
    H: Any = None,
    init: str = "auto",
    solver: str = "cd",
    sweeps: int = 1,
    exact_rows: bool = True,
    loss: str = "frobenius",
    penalty: Penalty | None = None,
    constraints: Constraints | None = None,
    dtype: str = "float32",
    seed: int = 0,
    restarts: int = 1,
    tol: float = 1e-4,
    max_passes: int = 100,
    max_seconds: float | None = None,
    extrapolate: bool = True,
    prune: str = "rule",
    missing: str = "refuse",
    mask: Any = None,
    weights: Any = None,
    row_weights: Any = None,
    column_weights: Any = None,
    implicit: float = 0.0,
    row_names: Any = None,
    column_names: Any = None,
    row_axes: Any = None,
    store: str | Path | None = None,
    overwrite: bool = False,
    resume: str = "never",
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    callbacks: Sequence[Callback] = (),
) -> Model:
    """Return the factorization ``A ≈ W · diag(d) · H`` of a non-negative matrix, with ``W, H ≥ 0``.

    Minimizes ``½‖A − W diag(d) H‖²_F``, or another `loss`, plus penalties. A pass reads the data once, solves for all
    rows of W and updates H. Columns of W and rows of H sum to one.

    Parameters
    ----------
    source : path, URL, array, AnnData, dask array, …
        The matrix (m, n); see :func:`dnmf.open_source`.
    rank : int
        Components k, at most ``min(m, n)``.
    W, H : array, optional
        A start: W (m, k) costs one read, H (k, n) none. H alone decides when both are given, because W is a
        function of H.
    init : {"auto", "sample", "surrogate", "random", "normal", "nndsvd", "nndsvda", "nndsvdar"}
        Where H starts, said only where no W and no H is given: from a factorization of a sample of the rows; from one
        of a surrogate, a small stand-in for all rows that takes one read more and is better where the sample has few
        rows; at random, ``"random"`` uniform and ``"normal"`` as scikit-learn's random start; or from singular vectors,
        which take two reads (one of data with few rows or columns, three of data with very many rows): NNDSVD, its
        zeros left, filled with the mean of the data (``"nndsvda"``) or with small random numbers (``"nndsvdar"``).
        ``"auto"``: from a surrogate where the memory of a worker holds a sample of fewer than 50 rows for each
        component, else from a sample. Every read is counted in ``model.reads``, those of the start included.
        docs/algorithms.md compares them.
    solver : {"cd", "bpp", "hals", "mu", "pg", "opl", "ipg", "admm", "als"}
        How H is found from the sums of a pass. Exactly: by coordinate descent, for a loss with a curvature of its own
        by a step of Newton's method; or by block principal pivoting. Nearer to that by some sweeps of a method of the
        textbooks: HALS, multiplicative updates, projected gradients, oblique projected Landweber, interior point
        gradients, ADMM; or truncated least squares, which may rise. See docs/algorithms.md.
    sweeps : int
        How many an update makes with a solver that is not exact.
    exact_rows : bool
        True: rows of W are solved exactly whatever the solver is, so that no pass but of ``"als"`` raises the
        objective. False: they are as many sweeps of it from ``max(0, Ha (HHᵀ)⁻¹)``, a function of H and the row.
    loss : {"frobenius", "kullback-leibler", "itakura-saito"} or str
        What is minimized: least squares; the divergence ``Σ a log(a / p) − a + p`` of counts from their predictions p;
        ``Σ a / p − log(a / p) − 1``, for dense data that is nowhere zero; or a loss of yours, by the name it was made
        known with (:func:`dnmf.losses.register`). See docs/losses.md.
    penalty : Penalty, optional
        L1, L2 and others on the factors; see docs/regularization.md.
    constraints : Constraints, optional
        Bounds, a factor that may be negative, parts that are given, a graph over the columns.
    dtype : {"float32", "float64"}
        Of the computation; sums are float64 in either.
    seed : int
        Decides everything that is drawn at random.
    restarts : int
        From how many starts, of `seed` and the seeds after it. All are fitted to their end in the same reads, and the
        one with the lowest objective makes the model: that of the best of so many fits. Memory has to hold them, and
        where it holds fewer they take turns.
    tol : float
        Stop when a pass lowers the objective by no more than this share of it, and turns no component by more than this
        (one less the cosine between its rows of H): the error is still long before the components are. At 0 it ends
        when neither the objective nor its gradient falls.
    max_passes : int
        Most reads after the start, the last one, which writes W, included.
    max_seconds : float, optional
        End in time for the last pass to be over after so many seconds of wall time, as far as the passes before tell.
        :func:`resume` goes on from there.
    extrapolate : bool
        Whether H is carried along its last change between passes (taken back when the objective rises).
    prune : {"rule", "refit", "off"}
        What happens to components under a penalty in the objective, once the fit would end. ``"rule"``: one without
        which the objective is lower is dropped, and the fit goes on. ``"refit"``: so is the weakest one, to see; it
        comes back where the objective does not fall below that from before. ``"off"``: they stay, and may be worse
        than nothing; so do they beside components that are given, and under a target.
    missing : {"refuse", "nan", "unstored"}
        Which entries were not observed, and are left out of account: none, so that a NaN is an error; those that are
        NaN in dense data; those that sparse data does not store. See docs/missing.md.
    mask, weights : like `source`, optional
        As large as the data: true where an entry was observed; how much each entry counts, 0 where it was not.
    row_weights, column_weights : array (m,) or (n,), optional
        What the weight of each entry is multiplied by: 2 is as good as the row twice. Not for sparse data whose zeros
        count.
    implicit : float
        Above 0: implicit feedback, α. Every entry says whether there is something, and what is there is trusted
        ``1 + α a`` times as much (Hu, Koren & Volinsky 2008).
    row_names, column_names : sequence or path, optional
        Names for the rows or columns, in place of those the data has: labels, or a text file with one name a line.
    row_axes : int, str, or sequence of these, optional
        Of an array of more than two axes: those that make the rows (:func:`dnmf.open_source`).
    store : path, optional
        A directory, such as ``NAME.dnmf``, in one that is there, or a place on object storage (``s3://BUCKET/NAME``, or
        :func:`dnmf.place`): every pass is committed to it and the workers write W into it. Without it W is kept in
        memory.
    overwrite : bool
        Whether a run, or a saved model, in `store` is replaced. It stands until the start of this one is committed.
    resume : {"never", "auto"}
        What happens where `store` holds a run that has begun. ``"never"``: it is an error. ``"auto"``: a run of the
        same data and options is gone on with, under the limits of this call, and one that is finished is loaded; so the
        same call begins a fit, goes on with it and returns it, however often it was stopped. A run with other data,
        options, constraints or names is an error; a start that is given (`W`, `H`) is not compared.
    client : distributed.Client, cluster or str, optional
        A dask client, a cluster such as LocalCluster, or the address or file of a scheduler. By default the current
        client, else threads in process.
    memory_limit : str or int, optional
        Of one worker, for example ``"2GB"``; by default what the worker says, or what is free in process.
    keep : {"auto", "memory", "stream"}
        Whether stored data stays in the workers' memory after the first pass, as it was read. ``"auto"``: where it
        fits beside everything else; ``"memory"``: or else the fit is refused; ``"stream"``: never. The result is
        the same; ``history`` says what share of each pass came from memory.
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
    opened = open_source(
        source, row_names=row_names, column_names=column_names, row_axes=row_axes, missing=missing, mask=mask,
        weights=weights, row_weights=row_weights, column_weights=column_weights,
    )  # fmt: skip
    asked = checked_constraints(constraints)
    start = start_asked_for(init, W=W, H=H)
    options = FitOptions(
        rank, start, solver, loss, Penalty() if penalty is None else penalty, dtype, seed, tol, max_passes, extrapolate,
        prune, asked.limits, implicit=implicit, restarts=restarts, sweeps=sweeps, exact_rows=exact_rows,
        max_seconds=max_seconds,
    )  # fmt: skip
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    return fit_opened(opened, options, resources, W=W, H=H, constraints=asked, store=store, overwrite=overwrite,
                      resume=resume)  # fmt: skip


def fit_opened(  # noqa: PLR0913  the same door
    opened: Source, options: FitOptions, resources: Resources, *, W: Any = None, H: Any = None,
    constraints: Constraints | None = None, store: str | Path | None = None, overwrite: bool = False,
    resume: str = "never",
) -> Model:  # fmt: skip
    """Return what :func:`fit` returns, of a source that is open; it goes on with what is in the store if it is to."""
    refuse_rank(options, opened)
    refuse_idle(options, opened)
    asked = checked_constraints(constraints)
    if goes_on(resume, store, overwrite=overwrite):
        limits = new_limits(store, opened, options, asked)
        if limits is not None:
            return _gone_on(store, opened, resources, limits)
    return fitted(opened, options, resources, W=W, H=H, constraints=asked, store=store, overwrite=overwrite)


def fitted(
    opened: Source, options: FitOptions, resources: Resources, *, W: Any = None, H: Any = None,
    constraints: Constraints | None = None, store: str | Path | None = None, overwrite: bool = False,
) -> Model:  # fmt: skip
    """Return what :func:`fit` returns, of a source that is open and options that were checked."""
    asked = checked_constraints(constraints)
    if store is not None:  # before it is planned, and again when its lock is held
        number_in(free_store(store, opened, overwrite=overwrite), opened, options, overwrite=overwrite)
    else:
        refuse_overwrite("store", overwrite)
    with ExitStack() as stack:
        place = stack.enter_context(Workplace(opened, options, resources, stored=store is not None))
        start, guides, run = place.checked_start(W, H, options), place.guides(asked, options), run_of(place, options)
        if store is not None:
            run.begin_store(stack.enter_context(checkpoint.Store(store)), overwrite=overwrite)
        return run.go_on(run.start(*start, guides))


@undisturbed
def resume(  # noqa: PLR0913  what may differ from the fit, by name
    store: str | Path,
    *,
    source: Any = None,
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    max_passes: int | None = None,
    tol: float | None = None,
    max_seconds: float | None = None,
    force: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Model:
    """Go on with a fit from its last committed pass and return the model.

    The result equals that of an uninterrupted fit bit for bit. A finished fit is just loaded, unless new limits let it
    go on; it then goes on from before its last pass, as if it had never ended (of `restarts` the best one does). Where
    a limit ended it, and no other is given, a line in the log (``dnmf``) says which one to raise.

    Parameters
    ----------
    store : path
        What ``fit`` was given.
    source : optional
        The data, where it is not found under the path it was fitted from (or was an array in memory).
    client, memory_limit, keep, callbacks
        As in :func:`fit`; they may differ from those of the fit.
    max_passes, tol, max_seconds : optional
        New limits: they decide when to stop, not what a pass does. Seconds count anew.
    force : bool
        Go on although the data has changed since the fit began.

    Raises
    ------
    CheckpointError
        There is nothing to resume, or the data has changed; the message lists the differences.
    UnknownLossError
        Its loss is one of the caller's own, and is not registered here as it was.
    """
    limits = {"max_passes": max_passes, "tol": tol, "max_seconds": max_seconds}
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    given = {name: value for name, value in limits.items() if value is not None}
    return _gone_on(store, source, resources, given, force=force)


def _gone_on(store: Any, source: Any, resources: Resources, limits: dict[str, Any], *, force: bool = False) -> Model:
    """The model of the run in a store under new limits."""
    with naming(store):
        if model := _finished(store, unchanged=not limits):
            return model  # nothing is to be written, and it may lie where nobody can write
    store = place_of(store, "store")
    with naming(store), ExitStack() as stack:
        lock, generation = stack.enter_context(checkpoint.Store(store)), checkpoint.read_latest(store)
        record = RunRecord.from_json(generation.record.get("run", generation.record))
        options = record.options.with_limits(**limits)
        opened, changed = reopened(record, generation, store, source, "dnmf.resume", force=force)
        place = stack.enter_context(Workplace(opened, options, resources, stored=True, cuts=record.plan))
        run = run_of(place, options)
        fit = run.restore(lock, generation, record, changed)
        if generation.record["status"] == "done" and fit.state.reason:
            _say_what_goes_on(generation.record, store)
            return restored(generation, store)  # the new limits end it where it ended
        return run.go_on(fit)


def _finished(store: str | Path, *, unchanged: bool) -> Model | None:
    """The model in a store with which nothing can be done but to load it, None where there may be more to do."""
    generation, store = checkpoint.read_latest(store), place_of(store, "store")
    record = generation.record
    refuse_study(record, store, f"go on with: dnmf.resume_{{kind}}({str(store)!r})")
    ends_here = unchanged or "run" not in record or record["stop_reason"] == STEP_FROM_MEDIANS
    is_final = record["status"] == "done" and ends_here
    if is_final and "run" in record:
        _say_what_goes_on(record, store)
    return restored(generation, store) if is_final else None


def _say_what_goes_on(record: dict[str, Any], store: Path) -> None:
    """Log how a run goes on that a limit has ended, where it was asked to go on without."""
    for name, value in more_than(record["stop_reason"], record["options"], len(record["history"])).items():
        log.warning(
            "%s: nothing to do, this fit has ended by %s; components may move still: dnmf.resume(%r, %s=%g) goes on",
            store, name, str(store), name, value,
        )  # fmt: skip


def load(path: str | Path) -> Model:
    """Return the model of a finished fit, or of :meth:`Model.save`.

    Raises
    ------
    CheckpointError
        There is none, or the fit is not finished.
    UnknownLossError
        Its loss is one of the caller's own, and is not registered here as it was.
    """
    generation, path = checkpoint.read_latest(path), place_of(path)
    refuse_study(generation.record, path, "use one of the models inside it, or load all with dnmf.load_{kind}")
    if generation.record.get("status") != "done":
        passes = generation.record.get("state", {}).get("passes", 0)
        found = f"{path}: this fit is not finished ({passes} passes are committed) and has no W yet"
        raise UnfinishedError(found, WayOn(str(path)))
    with naming(path):
        return restored(generation, path)
