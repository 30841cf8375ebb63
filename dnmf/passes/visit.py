"""What one task does: visit its panels, solve the rows of W, fold the sums, let go of everything else."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.passes.allocator import GIVING_BACK
from dnmf.passes.blas import one_blas_thread
from dnmf.passes.blocks import count_rows, cut_weighted
from dnmf.passes.check import check_rows, is_observed, refuse_unaware, refuse_zeros
from dnmf.passes.losses import Losses
from dnmf.passes.rows_out import RowsOut, open_rows_out
from dnmf.passes.statistics import Statistics
from dnmf.passes.sums import RunningSums
from dnmf.passes.turns import TURNS
from dnmf.passes.visitors.visitor import Block
from dnmf.passes.work import Work
from dnmf.places import Sink
from dnmf.plan import Group
from dnmf.sources.retries import TRIED_AGAIN
from dnmf.sources.rows import Panel
from dnmf.sources.source import Source


@undisturbed
def visit_group(source: Source, group: Group, work: Work, given: np.ndarray | None = None,
                targets: Sequence[Sink] = ()) -> Statistics:  # fmt: skip
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
    targets : sequence of str or Place
        Where the rows of W that each visitor writes out go: a path of a Zarr array, or ``""`` for `kept` of its sums.
        Empty: nowhere.

    Raises
    ------
    InputError
        A row cannot be read or, when the pass checks, holds a NaN, an infinity or a negative value.
    """
    with TURNS.turn(group.pace.at_once), GIVING_BACK.during(wanted=group.pace.gives_back):
        return _visit(source, group, work, given, targets)


def _visit(source: Source, group: Group, work: Work, given: np.ndarray | None, targets: Sequence[Sink]) -> Statistics:
    refuse_unaware(source, work.visitors)
    source = source.for_rows(group.start, group.stop)  # what it keeps from panel to panel goes with this task
    # The last pass is the one whose objective is reported: sparse products are then exact, dense ones bring a residual.
    dtype = "float64" if work.residual and source.sparse else work.dtype
    work = work.aligned()
    residual = work.residual and not source.sparse
    sums = [visitor.begin(source.shape[1], dtype, residual=residual) for visitor in work.visitors]
    opened = [open_rows_out(target, group.start, group.stop, work.columns) for target in targets]
    outs: Sequence[RowsOut | None] = opened or [None] * len(sums)
    total = Statistics([], of_models_s=np.zeros(len(sums)))
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # an overflow is found by the solver
        for (start, stop), rows, waited_s in read_ahead(source, group):
            began = time.perf_counter()
            if work.check:
                total.squares += check_rows(source, start, rows, work.dtype, demands=work.demands)
                total.observed = total.observed or (source.has_missing and is_observed(rows))
                if work.demands.above_zero:
                    refuse_zeros(source, start, rows)
            known = None if given is None else given[start - group.start :]
            _visit_rows(rows, work, sums, outs, at=start, known=known, seconds=total.of_models_s)
            total.rows += stop - start
            total.bytes_read += source.touched_bytes(start, stop, rows)
            total.bytes_from_memory += source.bytes_from_memory(start, stop, rows)
            total.read_s += waited_s
            total.compute_s += time.perf_counter() - began
            del rows  # before others are read, where nothing is read ahead
    total.models = [some.finish() for some in sums]
    for model, out in zip(total.models, outs, strict=True):
        model.kept = {} if out is None else out.finish()
    if not source.in_memory:  # what this process tried again, also for others: each counts once, here or there
        total.lost = Losses(retries=TRIED_AGAIN.taken())
    return total


def read_ahead(source: Source, group: Group) -> Iterator[tuple[tuple[int, int], Panel, float]]:
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


def _visit_rows(rows: Panel, work: Work, sums: list[RunningSums], outs: Sequence[RowsOut | None], *, at: int,
                known: np.ndarray | None, seconds: np.ndarray) -> None:  # fmt: skip
    """Have the rows of a panel visited, the first of which is row `at`; what is `known` of W begins with that row.

    The time that it takes for each model is added to `seconds` (models,).
    """
    for low, rows_of_block, weights in cut_weighted(rows):
        given = None if known is None else known[low : low + count_rows(rows_of_block)].astype(work.dtype)
        block = Block(rows_of_block, at + low, given, weights, {})
        for number, (visitor, some, out) in enumerate(zip(work.visitors, sums, outs, strict=True)):
            began = time.thread_time()
            visitor.visit(block, some, out)
            seconds[number] += time.thread_time() - began
