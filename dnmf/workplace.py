"""What the fits of one source run on: an executor, a plan, data that may be kept; and how they look from outside."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.arrays import taken_as_array
from dnmf.constraints import Constraints, Guides
from dnmf.cp_model import kind_of
from dnmf.errors import BudgetError, InputError
from dnmf.fitting.events import Callback, Compiling, Planned, Standing, emit
from dnmf.fitting.finish import FinishedFit
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import Engine, seeing
from dnmf.fitting.meter import Meter
from dnmf.fitting.state import State
from dnmf.fitting.stop import Deadline
from dnmf.memory import Together
from dnmf.model import Model
from dnmf.ongoing import Ongoing
from dnmf.options import FitOptions, format_bytes
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.choose import choose_executor
from dnmf.passes.executor import Executor
from dnmf.passes.warm import were_compiled
from dnmf.places import Place
from dnmf.plain import dense
from dnmf.planned import MOST_GATHERED_BYTES, plan_work
from dnmf.record import RunRecord, versions
from dnmf.refinement import Refinement
from dnmf.resources import Resources
from dnmf.schemes.held_out import HeldOut
from dnmf.schemes.of_options import in_units, scheme_of
from dnmf.schemes.refused import refuse_beside_given, refuse_entries, refuse_of_transposed
from dnmf.sources import Source
from dnmf.sources.as_fitted import Observed
from dnmf.sources.given import in_memory, matrix_of
from dnmf.sources.guard import guard_source
from dnmf.sources.labels import Labels, labels_given, names_along, refuse_labels_of_others
from dnmf.sources.names import MOST_NAMES
from dnmf.sources.views import pixels_seen, what_is_seen
from dnmf.watched.feed import Feed, facts_of

AXES = ("row", "column")


class Workplace:
    """Where models of one source are fitted, from the plan to the end: a context manager.

    A CSC source is factorized as its transpose: everything inside (`engine`, the states) has the roles of W and H
    exchanged, the options and the models have not.

    Parameters
    ----------
    source : Source
        The data.
    options : FitOptions
        Of every model, but for the seed and the strengths of the penalty.
    resources : Resources
        Where to run.
    stored : bool
        Whether W goes to a store.
    cuts : dict, optional
        How an earlier plan cut the data.
    together : Together, optional
        How many models of a study there will be; a single fit otherwise.

    Attributes
    ----------
    engine : Engine
        What passes run on.
    models_per_pass : int
        How many models one pass can serve, at least 1.
    callbacks : tuple
        Who listens.

    Raises
    ------
    BudgetError
        It does not fit; nothing has been read or written.
    InputError
        The penalty means nothing for the matrix.
    """

    def __init__(self, source: Source, options: FitOptions, resources: Resources, *, stored: bool,
                 cuts: dict[str, Any] | None = None, together: Together | None = None):  # fmt: skip
        if source.transposed:
            refuse_of_transposed(options, source.address)
        refuse_entries(options, source)
        options.penalty.warn_if_one_sided()
        self._deadline = Deadline(options.max_seconds)
        self._guard = guard_source(source)
        self.source, self.models_per_pass = source, 1
        executor = choose_executor(resources.connected(), source)
        executor.standing = lambda *found: emit(self.callbacks, Standing(*found))
        executor.compiling = lambda workers: emit(self.callbacks, Compiling(workers))
        self._feed = Feed(executor.client, facts_of(source, options, together and together.models))
        heard = (*resources.callbacks, *self._feed.callbacks)
        self._meter = Meter(heard)
        self.callbacks: tuple[Callback, ...] = (self._meter, *heard)
        try:
            self.engine = self._planned(executor, options, resources, together, stored=stored, cuts=cuts)
        except BaseException as error:
            self._feed.close(error)
            executor.close()
            raise

    def __enter__(self) -> "Workplace":
        self._held = ExitStack()
        self._held.callback(self.engine.executor.close)
        if self.engine.keep is not None:
            self._held.callback(self.engine.executor.forget, self.engine.keep.mark)
        # Held for the whole run: setting the limit takes longer than a pass over a small sample.
        self._held.enter_context(one_blas_thread())
        self._held.enter_context(self.engine.executor.giving_back(self.engine.plan))
        return self

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        self._feed.close(error)
        self._held.close()

    def _planned(
        self, executor: Executor, options: FitOptions, resources: Resources, together: Together | None, *,
        stored: bool, cuts: dict[str, Any] | None,
    ) -> Engine:  # fmt: skip
        source, layout = self.source, self.source.layout()
        work = plan_work(executor, source, options, resources, together, stored=stored, cuts=cuts)
        plan, self.models_per_pass = work.plan, work.models_per_pass
        executor.preflight(source)
        emit(
            self.callbacks,
            Planned(executor.name, source.address, self.shape, layout.total_bytes, len(plan.groups), plan.n_panels,
                    plan.need.total, work.machine.memory_bytes, work.keeps, plan.gave_up,
                    compiles=not executor.remote and not were_compiled()),
        )  # fmt: skip
        cut = layout.cut_for(in_parts=plan.in_parts)
        refine = Refinement() if plan.refining_rows else None
        return Engine(executor, source, plan, cut, work.keep, self._meter, self._guard, self._deadline, refine)

    def listen(self, callback: Callback) -> None:
        """Hand every event to one more, before the others."""
        self.callbacks = (callback, *self.callbacks)
        self._meter.listen(callback)

    def write_into(self, store: Place) -> None:
        """Look whether every worker can write into a store, and leave a note there of how far passes are.

        Raises
        ------
        ClusterError
            A worker cannot; the message names it.
        """
        self.engine.executor.check_store(store)
        self._feed.say(store=str(store))
        self.listen(Ongoing(store))

    def seen_inside(self, options: FitOptions) -> FitOptions:
        """Return options as the engine sees them."""
        return options.swapped() if self.source.transposed else options

    def taken_up(self, state: State, options: FitOptions, guides: Guides, held: HeldOut | None = None) -> Fit:
        """Return a fit in a state of its way, from the options of the caller; of what is `held` out it knows."""
        options = in_units(self.seen_inside(options), state.units)
        return Fit(state, options, scheme_of(options, seeing(self.engine, held).facts, guides), held)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the data as the caller sees it."""
        return self.source.shape[::-1] if self.source.transposed else self.source.shape

    def checked_start(self, W: Any, H: Any, options: FitOptions) -> tuple[Any, Any]:
        """Return a given start in the engine's orientation.

        Raises
        ------
        InputError
            Wrong shape, labels that are not those of the data, or a NaN, an infinity or a negative value.
        """
        (m, n), rank, scheme = self.shape, options.rank, scheme_of(options, self.engine.facts)
        labels = labels_given("W", W) + labels_given("H", H)
        W = _checked_factor("W", W, (m, rank), signed=scheme.is_signed("W"))
        H = _checked_factor("H", H, (rank, n), signed=scheme.is_signed("H"))
        self._compare(labels)
        if self.source.transposed:
            return (None if H is None else H.T), (None if W is None else W.T)
        return W, H

    def _compare(self, labels: tuple[Labels, ...]) -> None:
        refuse_labels_of_others(labels, self.source.address, partial(names_along, self.source))

    def guides(self, constraints: Constraints, options: FitOptions) -> Guides:
        """Return the arrays of the constraints in the engine's orientation.

        Raises
        ------
        InputError
            A shape or a label does not fit, or what a penalty pulls to is not there.
        """
        transposed = self.source.transposed
        guides = constraints.guides(self.shape, options.rank, transposed=transposed, dtype=options.dtype)
        self._compare(constraints.labels)
        refuse_beside_given(options, constraints, self.source.address, transposed=transposed)
        if self.engine.executor.remote and guides.W is not None and guides.W.nbytes > MOST_GATHERED_BYTES:
            raise BudgetError(
                f"constraints: {format_bytes(guides.W.nbytes)} of given columns would travel to the workers in every "
                f"pass (at most {format_bytes(MOST_GATHERED_BYTES)} may)"
            )
        return guides

    @property
    def lasting(self) -> dict[str, np.ndarray]:
        """What is seen of the data, and the names that are not found with it, for a checkpoint."""
        given = zip(AXES, self.source.given_names, strict=True)
        names = {f"{axis}_names": names for axis, names in given if names is not None and len(names) <= MOST_NAMES}
        return {**what_is_seen(self.source).arrays(), **names}

    def record(self, options: FitOptions, scalars: dict[str, Any], fingerprint: dict[str, Any]) -> RunRecord:
        """Return what a generation says of a run in the state with these scalars."""
        source = self.source
        return RunRecord(
            status="running", options=options, address=source.address,
            missing_chunks=source.missing_chunks, fingerprint=fingerprint,
            shape=source.shape, transposed=source.transposed, plan=self.engine.plan.cuts_json(), versions=versions(),
            state=scalars, observed=source.said(),
            unfolding=source.unfolding.to_json() if source.unfolding else {},
        )  # fmt: skip

    def model(self, options: FitOptions, end: FinishedFit, folder: Path | None) -> Model:
        """Return the model of a fit that has ended, its W in `folder` or in this process."""
        source, factors, state = self.source, end.factors, end.state
        of_rows, of_columns = pixels_seen(source)
        model = kind_of(options)(
            factors.W, factors.d, factors.H, factors.h_scale, factors.w_scale, options, factors.terms,
            state.units, state.history, state.reason,
            *source.carried_names(), folder, source.address, inside=end.order, observed=Observed.of(source),
            best_seed=state.seed, view=what_is_seen(source), row_pixels=of_rows, column_pixels=of_columns,
            unfolding=source.unfolding,
        )  # fmt: skip
        if not source.transposed:
            return model
        return model._transposed() if folder is None else model._transposed().with_W_in(folder)


def _checked_factor(name: str, values: Any, shape: tuple[int, int], *, signed: bool) -> np.ndarray | None:
    if values is None:
        return None
    values = matrix_of(values)
    with taken_as_array(name, values):
        array = np.asarray(dense(in_memory(name, values), name))
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} has dtype {array.dtype}, expected numbers")
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all() or ((array < 0).any() and not signed):
        raise InputError(f"{name} holds a NaN, an infinity{'' if signed else ' or a negative value'}")
    return array
