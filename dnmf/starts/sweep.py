"""A read of all rows for a start, which reads the data twice at most, whatever its chunks."""

from collections.abc import Sequence
from dataclasses import replace

from dnmf.fitting.loop import Engine
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import Statistics
from dnmf.passes.work import Work
from dnmf.plan import Group, Plan
from dnmf.starts.sample import torn_bytes

MOST_READS = 2
MOST_BYTES_IN_TURN = 2**30  # that one task reads where stored objects would be decoded at the borders of several


def sweep(engine: Engine, work: Work, before: int, targets: Sequence[str] = ()) -> Statistics:
    """Return the statistics of a pass of a start, cut so that it reads no more than what is left of two reads."""
    plan = plan_of_sweep(engine, before)
    keep = engine.keep if plan is engine.plan or not engine.executor.remote else None  # workers keep by task
    return run_pass(
        engine.executor, engine.source, plan, work, targets=targets, keep=keep, rows_back=engine.watch("start")
    )


def plan_of_sweep(engine: Engine, before: int) -> Plan:
    """Return the plan of a pass of a start before which so many bytes were read.

    In one task, where the stored objects at the borders of several would be decoded too often.
    """
    plan, layout = engine.plan, engine.layout
    if before + _most_bytes(engine, plan) <= MOST_READS * layout.total_bytes:
        return plan
    if layout.total_bytes > MOST_BYTES_IN_TURN:
        return plan
    panels = tuple(panel for group in plan.groups for panel in group.panels)
    return replace(plan, groups=(Group(0, plan.n_rows, panels, plan.groups[0].pace),))


def may_sweep(engine: Engine, before: int) -> bool:
    """Whether all rows can be read once more after so many bytes, and no more than twice in all."""
    return before + _most_bytes(engine, plan_of_sweep(engine, before)) <= MOST_READS * engine.layout.total_bytes


def _most_bytes(engine: Engine, plan: Plan) -> int:
    """What a pass decodes at most, with the stored objects at the borders of its tasks."""
    return engine.layout.total_bytes + (len(plan.groups) - 1) * torn_bytes(engine)
