"""Which start a fit gets, and the plan that has room for it."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dnmf.errors import BudgetError
from dnmf.giving_way import dearly
from dnmf.memory import ANY_START, NO_START, Machine, Shape, Start, Together, sample_bytes
from dnmf.options import SVD_INITS, FitOptions
from dnmf.passes.executor import Executor
from dnmf.plan import Plan, make_plan
from dnmf.refinement_memory import count_refining_rows
from dnmf.schemes.facts import ALL_OBSERVED, Facts
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.rehearsal import Kernels
from dnmf.sources.source import Layout, Source
from dnmf.starts.race import own_sample, sample_rows

DIRECTIONS_PER_COMPONENT = 4
FEW_ROWS_PER_COMPONENT = 50  # of a sample: with fewer, one read more for a surrogate pays (docs/decisions)
LEAST_PROJECTED_BYTES = 2**20
WITHOUT_A_SAMPLE = ("random", "normal", *SVD_INITS)  # starts that need rows for the scale of a penalty alone
BEYOND_DIAGONAL = "the curvature of columns beyond its diagonal (more passes)"


def plan_with_start(
    executor: Executor, source: Source, options: FitOptions, *, kept_rows: int, memory_bytes: int | None,
    cuts: dict[str, Any] | None = None, start: Start = ANY_START,
) -> tuple[Plan, Machine]:  # fmt: skip
    """Return the plan of a fit and the machine it is made for; its `projected_rows` say what is kept of a projection.

    The choice follows from the data, the rank and the memory of a worker, never from the number of workers.

    Parameters
    ----------
    executor, source, options
        Where, what and how.
    kept_rows : int
        Rows of W that stay in this process.
    memory_bytes : int or None
        A worker's limit, if not its own.
    cuts : dict, optional
        Of the plan of a run that has its start already.
    start : Start
        What a start other than that from a surrogate has of the data in memory.

    Raises
    ------
    BudgetError
        It does not fit.
    """
    scheme = scheme_of(options.swapped() if source.transposed else options, Facts.of(source))
    given = 0 if executor.remote else scheme.given_columns * source.shape[0]  # a worker gets those of its tasks alone
    shape = replace(_of_one(executor, source, options, kept_rows), given=given, start=start)
    of_passes = partial(_plan_with_start, executor, source, options, memory_bytes=memory_bytes, cuts=cuts)
    rows = 0
    if scheme.refines and options.extrapolate:
        machine = executor.machine(memory_bytes, Kernels.of(source, options))
        rows = count_refining_rows(source.layout(), options.rank, source.shape[1], machine)
    if cuts is not None or not rows:
        return of_passes(replace(shape, refining_rows=0 if cuts is None else cuts.get("refining_rows", 0)))
    try:
        refining = of_passes(replace(shape, refining_rows=rows))
    except BudgetError:
        return of_passes(shape)
    plain = of_passes(shape) if refining[0].gave_up else refining  # all passes would be slower
    return refining if refining[0].gave_up == plain[0].gave_up else plain


def _plan_with_start(
    executor: Executor, source: Source, options: FitOptions, shape: Shape, *, memory_bytes: int | None,
    cuts: dict[str, Any] | None,
) -> tuple[Plan, Machine]:  # fmt: skip
    """The same, for the sizes of the problem."""
    layout, start, kernels = source.layout(), shape.start, Kernels.of(source, options)
    with_directions = replace(kernels, directions=count_directions(options.rank, source.shape))
    if options.init in SVD_INITS and (cuts is None or start.rows):
        machine = executor.machine(memory_bytes, with_directions)
        return plan_with_directions(layout, shape, machine, cuts), machine
    machine = executor.machine(memory_bytes, kernels)
    if not _projects(options, layout, shape, machine, cuts):
        return plan_for_curvature(layout, shape, machine, cuts), machine
    with_projection = executor.machine(memory_bytes, with_directions)
    try:
        plan = plan_with_projection(layout, replace(shape, start=replace(start, beside=True)), with_projection, cuts)
    except BudgetError as error:
        if cuts is not None:
            raise BudgetError(f"{error}; its starts were planned with more memory") from error
        if options.init == "surrogate":
            raise BudgetError(f"{error}; init='sample' needs less") from error
        return make_plan(layout, shape, machine), machine
    if plan.gave_up and options.init == "auto" and cuts is None:  # all passes would be slower for the sake of one
        alone = make_plan(layout, shape, machine)
        if alone.gave_up != plan.gave_up:
            return alone, machine
    return plan, with_projection


def _projects(options: FitOptions, layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None) -> bool:
    """Whether a surrogate is made: of a study that goes on, whose models may begin still, if it was made before."""
    if cuts is not None:
        return bool(shape.start.rows and cuts.get("projected_rows"))
    return makes_surrogate(options, layout, shape, sample_bytes(machine))


def plan_for_curvature(layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None = None) -> Plan:
    """Return a plan with room for the curvature of columns, or else for its diagonal, where each has its own.

    An earlier plan decides with its `cuts`.

    Raises
    ------
    BudgetError
        It does not fit.
    """
    if cuts is not None and _were_on_diagonal(cuts, shape):
        return _on_diagonal(layout, shape, machine, cuts)
    try:
        return make_plan(layout, shape, machine, cuts)
    except BudgetError:
        if cuts is not None or not shape.curvature:
            raise
    return _on_diagonal(layout, shape, machine)


def _were_on_diagonal(cuts: dict[str, Any], shape: Shape) -> bool:
    """Whether an earlier plan had room for diagonals only; the first ones told by the numbers of a curvature."""
    return cuts.get("diagonal", 0 < cuts.get("curvature", 0) == shape.rank > 1)


def _on_diagonal(layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None = None) -> Plan:
    """The plan where the curvature of a column is a number for each component."""
    plan = make_plan(layout, replace(shape, curvature=shape.rank), machine, cuts)
    return replace(plan, diagonal=True, gave_up=(*plan.gave_up, BEYOND_DIAGONAL))


def plan_for_many(
    executor: Executor, source: Source, options: FitOptions, together: Together, *, kept_rows: int,
    memory_bytes: int | None, cuts: dict[str, Any] | None = None, start: Start = ANY_START,
) -> tuple[Plan, Machine, int]:  # fmt: skip
    """Return the plan of passes that serve several models, the machine, and how many of those `together` they serve.

    The data is cut as for one model where all of them fit so, and the bits of each are then those of a fit of its own;
    else in smaller panels where that makes room for more: for that nothing is read ahead, if need be. The start is that
    of one model. As many of them write their W as do of all. Other arguments as in :func:`plan_with_start`.

    Raises
    ------
    BudgetError
        Not even one fits.
    """
    limits: Any = {"kept_rows": kept_rows, "memory_bytes": memory_bytes}
    wanted = together.models
    alone, machine = plan_with_start(executor, source, options, **limits, cuts=cuts, start=start)
    layout = source.layout()
    of_one = replace(
        _of_one(executor, source, options, kept_rows), refining_rows=alone.refining_rows, folds=together.folds
    )
    cut = _on_diagonal if alone.diagonal else make_plan

    def most(cuts: dict[str, Any] | None) -> tuple[int, Plan]:
        found, low, high, models = (1, alone), 1, wanted, wanted
        while low < high:
            try:
                shape = replace(of_one, models=models, written=min(models, together.written))
                plan = cut(layout, shape, machine, cuts)
            except BudgetError:
                plan = None
            if plan is not None and dearly(plan.gave_up) == dearly(alone.gave_up):
                found, low = (models, plan), models
            else:
                high = models - 1
            models = (low + high + 1) // 2
        return found

    models, plan = most(alone.cuts_json())
    if models < wanted and cuts is None:
        models, plan = max((models, plan), most(None), key=lambda found: found[0])
    need = max(alone.need, plan.need, key=lambda need: need.total)
    return replace(plan, projected_rows=alone.projected_rows, need=need), machine, models


def _of_one(executor: Executor, source: Source, options: FitOptions, kept_rows: int) -> Shape:
    names = 0 if executor.remote else source.name_bytes()  # workers see none
    itemsize = np.dtype(options.dtype).itemsize
    curvature = scheme_of(options, Facts.of(source)).curvature_size(options.rank)
    return Shape(source.shape[1], options.rank, itemsize, kept_rows=kept_rows, name_bytes=names, curvature=curvature)


def start_of_fit(options: FitOptions, source: Source, *, begun: bool) -> Start:
    """Return what the start of a single fit has of the data in memory; one that has `begun` has its start already."""
    scheme = scheme_of(options.swapped() if source.transposed else options, Facts.of(source))
    needs_rows = scheme.needs_rows or (options.init == "normal" and not scheme.free_scale)
    if begun or (options.init in WITHOUT_A_SAMPLE and not needs_rows):
        return NO_START
    if options.init == "given":  # W is copied
        return ANY_START
    n_rows, total_bytes = source.shape[0], source.layout().total_bytes
    some = sample_rows(n_rows, options.rank, n_rows, scheme.sample_times)
    rows = own_sample(n_rows, some, n_rows, total_bytes)
    by_weight = some < n_rows and scheme.degree > 0  # others may then be taken while all rows are read
    return Start(rows, beside=bool(scheme.given_columns) or scheme.needs_rows or by_weight)


def start_of(options: FitOptions, plan: Plan) -> str:
    """Return where a fit begins, ``"auto"`` resolved."""
    if options.init != "auto":
        return options.init
    return "surrogate" if plan.projected_rows else "sample"


def makes_surrogate(options: FitOptions, layout: Layout, shape: Shape, sample: int) -> bool:
    """Whether a fit begins with a surrogate: if it is asked for, or the sample has too few rows and memory is there.

    Parameters
    ----------
    options : FitOptions
        Of the fit.
    layout : Layout
        Of the data.
    shape : Shape
        Sizes of the problem.
    sample : int
        Bytes a sample may have.
    """
    more_than_directions = options.rank > min(layout.n_rows, shape.n_columns)
    if options.init != "auto" or shape.curvature or more_than_directions or scheme_of(options, ALL_OBSERVED).signed:
        return options.init == "surrogate"
    rows = sample * layout.n_rows / max(1, layout.total_bytes)
    sums = 8 * DIRECTIONS_PER_COMPONENT * shape.rank * shape.n_columns
    return rows < min(FEW_ROWS_PER_COMPONENT * shape.rank, layout.n_rows) and sums <= sample


def count_directions(rank: int, shape: tuple[int, int]) -> int:
    """Return on how many directions a matrix is projected.

    Examples
    --------
    >>> count_directions(20, (3000, 500)), count_directions(20, (3000, 60))
    (80, 60)
    """
    return min(DIRECTIONS_PER_COMPONENT * rank, *shape)


def plan_with_directions(layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None = None) -> Plan:
    """Return a plan with room for passes that project, and for those of the fit beside its curvature.

    There is room for all rows of a projection too, or for none. What is made of the sums of such a pass takes no more
    than the sets of them that it added up.

    Raises
    ------
    BudgetError
        It does not fit.
    """
    alone = plan_for_curvature(layout, shape, machine, cuts)
    numbers = shape.rank if alone.diagonal else shape.curvature  # of a column, for one model
    rows = _all_rows(layout, shape, machine) if cuts is None else cuts.get("projected_rows", 0)
    wider = replace(
        shape, models=DIRECTIONS_PER_COMPONENT, curvature=-(-numbers // DIRECTIONS_PER_COMPONENT),
        kept_rows=max(shape.kept_rows, DIRECTIONS_PER_COMPONENT * rows),
    )  # fmt: skip
    try:
        plan = make_plan(layout, wider, machine, cuts)
    except BudgetError as error:
        raise BudgetError(f"{error}; init='sample' and init='random' need less") from error
    beyond = (BEYOND_DIAGONAL,) if alone.diagonal else ()
    return replace(plan, diagonal=alone.diagonal, gave_up=(*plan.gave_up, *beyond), projected_rows=rows)


def _all_rows(layout: Layout, shape: Shape, machine: Machine) -> int:
    """All rows of a projection, where they take no more than half of what a sample may; else none."""
    directions = count_directions(shape.rank, (layout.n_rows, shape.n_columns))
    fit = layout.n_rows * directions * shape.itemsize <= sample_bytes(machine) // 2
    return layout.n_rows if fit else 0


def plan_with_projection(layout: Layout, shape: Shape, machine: Machine, cuts: dict[str, Any] | None = None) -> Plan:
    """Return a plan with room for a pass that projects, and for some rows of the projection in this process.

    Raises
    ------
    BudgetError
        It does not fit.
    """
    directions = count_directions(shape.rank, (layout.n_rows, shape.n_columns))
    room = min(sample_bytes(machine), max(layout.total_bytes, 2 * LEAST_PROJECTED_BYTES)) // 2
    rows = min(layout.n_rows, max(directions, room // (directions * shape.itemsize)))
    rows = rows if cuts is None else cuts["projected_rows"]
    wider = replace(
        shape, models=DIRECTIONS_PER_COMPONENT, kept_rows=max(shape.kept_rows, DIRECTIONS_PER_COMPONENT * rows)
    )
    return replace(make_plan(layout, wider, machine, cuts), projected_rows=rows)
