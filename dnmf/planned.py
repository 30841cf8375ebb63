"""How the fits of one source are cut: as many of them in a pass as there is room for, and what is kept of the data."""

import uuid
from typing import Any, NamedTuple

import numpy as np

from dnmf.errors import BudgetError, InputError
from dnmf.memory import ANY_START, Machine, Together
from dnmf.options import FitOptions, format_bytes
from dnmf.passes.executor import Executor
from dnmf.plan import Plan, keeping, keeping_borders
from dnmf.resources import Resources
from dnmf.sources import Source
from dnmf.sources.kept import Keep
from dnmf.starts.choose import plan_for_many, start_of_fit

MOST_GATHERED_BYTES = 256 * 2**20
KEEP_POLICIES = ("auto", "memory", "stream")


class PlannedWork(NamedTuple):
    """How the fits of one source are cut.

    Attributes
    ----------
    plan : Plan
        Of a pass.
    machine : Machine
        It is made for.
    models_per_pass : int
        How many models a pass can serve.
    keep : Keep or None
        What stays in memory between passes.
    """

    plan: Plan
    machine: Machine
    models_per_pass: int
    keep: Keep | None

    @property
    def keeps(self) -> bool:
        """Whether the data stays in memory after the first pass."""
        return self.keep is not None and not self.keep.borders


def plan_work(
    executor: Executor, source: Source, options: FitOptions, resources: Resources, together: Together | None = None, *,
    stored: bool, cuts: dict[str, Any] | None = None,
) -> PlannedWork:  # fmt: skip
    """Return how a fit is cut, or each of the models of a study; arguments as in :class:`dnmf.workplace.Workplace`.

    Raises
    ------
    BudgetError
        It does not fit.
    """
    start = ANY_START if together else start_of_fit(options, source, begun=cuts is not None)
    # Of starts that wait for their turn two arrays are kept, of which each is half of what is counted.
    many = together or Together(options.restarts, 1, waiting=options.restarts / 2 if options.restarts > 1 else 0)
    size_of_W = many.written * source.shape[0] * options.rank * np.dtype(options.dtype).itemsize
    if not stored and executor.remote and size_of_W > MOST_GATHERED_BYTES:
        raise BudgetError(
            f"W would take {format_bytes(size_of_W)} in this process; give store='NAME.dnmf' and the workers "
            "write it there"
        )
    kept_rows = 0 if stored else many.written * source.shape[0]
    if not executor.remote:
        kept_rows += int(many.waiting * source.shape[1])
        of_row = 2 * options.rank * np.dtype(options.dtype).itemsize  # that the plan counts
        kept_rows += many.compared_bytes // of_row
    plan, machine, models = plan_for_many(
        executor, source, options, many, kept_rows=kept_rows, memory_bytes=resources.memory_bytes, cuts=cuts,
        start=start,
    )  # fmt: skip
    plan, keep = choose_keep(resources.keep, source, plan, machine, executor.count_processes())
    return PlannedWork(plan, machine, models, keep)


def choose_keep(policy: str, source: Source, plan: Plan, machine: Machine, processes: int) -> tuple[Plan, Keep | None]:
    """Return the plan and the permission to keep data in memory between passes, None where every pass reads it.

    Raises
    ------
    InputError
        There is no such policy, or dask blocks shall be kept, which is for dask.
    BudgetError
        The data shall be kept and does not fit.
    """
    if not isinstance(policy, str) or policy not in KEEP_POLICIES:
        raise InputError(f"keep={policy!r}: use one of {', '.join(KEEP_POLICIES)}")
    if source.blocks_are_tasks and policy == "memory":
        raise InputError(f"{source.address}: blocks of a dask array are kept by dask: array.persist(), and keep='auto'")
    if source.in_memory or source.blocks_are_tasks:
        return plan, None
    if policy == "stream":
        return _keep_borders(source, plan, machine)
    kept_plan, of_process = keeping(plan, source.layout(), machine, processes)
    if of_process == 0 and policy == "memory":
        raise BudgetError(
            f"{source.address}: {format_bytes(source.layout().kept_bytes)} do not fit in the memory of "
            f"{processes} process(es) with a limit of {format_bytes(machine.memory_bytes)}, of which a pass itself "
            f"takes {format_bytes(plan.need.total)}; use keep='stream', more workers or more memory"
        )
    if of_process == 0:
        return _keep_borders(source, plan, machine)
    return kept_plan, Keep(uuid.uuid4().hex, of_process)


def _keep_borders(source: Source, plan: Plan, machine: Machine) -> tuple[Plan, Keep | None]:
    plan, of_process = keeping_borders(plan, source.layout(), machine)
    return plan, Keep(uuid.uuid4().hex, of_process, borders=True) if of_process else None
