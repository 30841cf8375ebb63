"""The plan: every row once, within the budget, the same for any number of workers."""

import itertools
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnmf.errors import BudgetError
from dnmf.memory import USABLE_SHARE, Machine, Shape, memory_need
from dnmf.options import parse_bytes
from dnmf.passes.statistics import sum_in_order, tree_levels
from dnmf.passes.threads import InProcess
from dnmf.plan import keeping, make_plan
from dnmf.sources.source import Layout

MIB = 2**20


def dense_layout(rows: int, row_bytes: int, step: int = 1) -> Layout:
    cuts = np.append(np.arange(0, rows, step, dtype=np.int64), rows)
    return Layout(cuts, cuts * row_bytes, step)


def machine(memory: int = 2**34, threads: int = 1, base: int = 100 * MIB) -> Machine:
    return Machine(threads, memory, base)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 5000), row_bytes=st.integers(1, 200_000), step=st.integers(1, 700), rank=st.integers(1, 60),
    threads=st.integers(1, 4),
)  # fmt: skip
def test_every_row_is_visited_once_and_in_order(rows, row_bytes, step, rank, threads):
    plan = make_plan(dense_layout(rows, row_bytes, step), Shape(300, rank, 4), machine(2**40, threads))
    panels = [panel for group in plan.groups for panel in group.panels]
    assert panels[0][0] == 0
    assert panels[-1][1] == rows
    assert all(a[1] == b[0] for a, b in itertools.pairwise(panels))
    assert all(low < high for low, high in panels)
    assert [(g.start, g.stop) for g in plan.groups] == [(g.panels[0][0], g.panels[-1][1]) for g in plan.groups]


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 5000), step=st.integers(1, 700), rank=st.integers(1, 60))
def test_groups_begin_at_chunks_of_w_and_panels_at_chunks_of_the_data(rows, step, rank):
    plan = make_plan(dense_layout(rows, 50_000, step), Shape(300, rank, 4), machine())
    assert plan.w_rows % step == 0
    assert all(group.start % plan.w_rows == 0 for group in plan.groups)
    assert all(low % step == 0 for group in plan.groups for low, _ in group.panels)


@pytest.mark.parametrize("in_place", [False, True])
def test_what_is_made_of_rows_counts_with_them_and_makes_panels_smaller_where_that_is_needed(in_place):
    layout, shape = replace(dense_layout(20_000, 20_000), in_place=in_place), Shape(2500, 5, 8)
    made = replace(layout, made=3.0)
    needs = [make_plan(each, shape, machine(2**40)).need.panels for each in (layout, made)]
    assert needs[1] == 4 * needs[0]
    tight = make_plan(made, shape, machine(220 * MIB))
    assert tight.panel_bytes < make_plan(layout, shape, machine(220 * MIB)).panel_bytes
    assert tight.need.total <= USABLE_SHARE * 220 * MIB


def test_panels_are_weighed_by_non_zeros_not_by_rows():
    nonzeros = np.concatenate([np.full(1000, 50_000), np.full(100_000, 10)])  # the first thousand rows are dense
    before = np.concatenate([[0], np.cumsum(nonzeros * 8)])
    layout = Layout(np.arange(101_001, dtype=np.int64), before)
    plan = make_plan(layout, Shape(60_000, 10, 4), machine(4 * 2**30))
    sizes = [before[high] - before[low] for group in plan.groups for low, high in group.panels]
    assert max(sizes) <= plan.panel_bytes
    assert plan.need.total <= 0.7 * 4 * 2**30


@pytest.mark.slow
@given(st.lists(st.integers(0, 200), min_size=40, max_size=400), st.sampled_from([64, 1024, 4096]))
@example([0] * 30 + [128, 128, 85, 128, 128, 128, 22, 128, 128, 23], 4096)
def test_the_panels_of_a_group_are_few_and_alike(nonzeros, panel_bytes):
    before = np.concatenate([[0], np.cumsum(np.array(nonzeros) * 8)])
    rows = len(nonzeros)
    layout = Layout(np.arange(rows + 1, dtype=np.int64), before)
    cuts = {"panel_bytes": panel_bytes, "group_bytes": int(before[-1]) + 1, "w_rows": rows}
    (group,) = make_plan(layout, Shape(300, 3, 4), machine(4 * 2**30), cuts).groups
    sizes = [int(before[high] - before[low]) for low, high in group.panels]
    row = 8 * max(nonzeros)
    assert max(sizes) <= max(panel_bytes, row)
    if panel_bytes >= 2 * row:  # rows are small beside a panel
        assert len(sizes) <= max(1, -(-int(before[-1]) // (panel_bytes - row)))
        assert max(sizes) - min(sizes) <= (3 + np.log(len(sizes))) * row  # each may go beyond its part by a row


@given(st.integers(1, 5000), st.integers(1, 4))
def test_on_a_worker_the_sums_that_wait_are_those_of_the_tree(groups, threads):
    shape, waiting = Shape(300, 3, 4), sum(len(level[0]) - 1 for level in tree_levels(groups))
    need = memory_need(shape, machine(threads=threads), reading=0, w_rows=1, n_groups=groups)
    assert need.statistics == min(2 * groups, 2 * threads + waiting) * shape.statistics_bytes


class CountedSum:
    """A set of sums that takes as much memory as any other; what is added to it takes none."""

    def __init__(self, alive: list[int]):
        self.alive = alive
        alive.append(1)

    def __iadd__(self, other: "CountedSum") -> "CountedSum":
        return self

    def __del__(self):
        self.alive.pop()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2, 3, 5, 16, 33])
def test_in_process_there_are_never_more_sets_of_sums_than_planned(groups, threads):
    alive, most = [], []

    def made(number: int) -> CountedSum:
        time.sleep(0.002 * (number % 3))
        found = CountedSum(alive)
        most.append(len(alive))
        return found

    sum_in_order(InProcess(threads)._in_order(made, range(groups)), own=True)
    shape, of_threads = Shape(300, 3, 4), replace(machine(threads=threads), starts=True)
    need = memory_need(shape, of_threads, reading=0, w_rows=1, n_groups=groups)
    assert max(most) * shape.statistics_bytes <= need.statistics


def test_a_tight_limit_makes_smaller_panels():
    layout = dense_layout(100_000, 80_000)
    wide = make_plan(layout, Shape(20_000, 10, 4), machine(16 * 2**30))
    tight = make_plan(layout, Shape(20_000, 10, 4), machine(280 * MIB))
    assert tight.panel_bytes < wide.panel_bytes
    assert tight.need.total <= 0.7 * 280 * MIB


def test_a_large_task_has_many_panels_so_that_most_of_them_are_read_ahead():
    plan = make_plan(dense_layout(100_000, 80_000), Shape(20_000, 10, 4), machine(16 * 2**30))
    assert min(len(group.panels) for group in plan.groups[:-1]) >= 8


def test_decoding_in_place_takes_the_panels_read_ahead_and_a_chunk():
    layout = dense_layout(100_000, 80_000, step=100)
    in_place = replace(layout, in_place=True, beside_bytes=16 * MIB)
    plans = [make_plan(one, Shape(20_000, 10, 4), machine(16 * 2**30)) for one in (layout, in_place)]
    assert plans[0].groups == plans[1].groups
    assert (
        plans[1].need.panels
        == 3 * max(80_000 * (high - low) for g in plans[1].groups for low, high in g.panels) + 16 * MIB
    )


def test_small_panels_are_read_ahead_several_at_a_time_where_there_is_room():
    for rows in (10, 100, 700):
        layout = replace(dense_layout(100_000, 80_000, step=rows), in_place=True, beside_bytes=0)
        plan = make_plan(layout, Shape(20_000, 10, 4), machine(16 * 2**30))
        largest = max(80_000 * (high - low) for group in plan.groups for low, high in group.panels)
        ahead = {group.pace.ahead for group in plan.groups}
        assert ahead == {max(1, min(3, 32 * MIB // largest))}
        assert plan.need.panels == (1 + ahead.pop()) * largest


@pytest.mark.parametrize("starts", [False, True])
@pytest.mark.parametrize("limit", [20, 150, 300])
def test_the_limit_that_a_refusal_proposes_is_enough(limit, starts):
    layout, shape = dense_layout(100_000, 80_000, step=500), Shape(20_000, 10, 4)
    refused = replace(machine(limit * MIB), starts=starts)
    with pytest.raises(BudgetError) as refusal:
        make_plan(layout, shape, refused)
    proposed = parse_bytes(
        re.search(r"Try a memory limit of ([\d.]+ [KMG]iB)", str(refusal.value)).group(1).replace(" ", "")
    )
    assert make_plan(layout, shape, replace(refused, memory_bytes=proposed)).need.total <= 0.7 * proposed


def test_a_chunk_that_does_not_fit_is_refused_with_the_numbers():
    layout = dense_layout(10_000, 800_000, step=1000)
    with pytest.raises(BudgetError, match=r"panels.*limit of 512\.0 MiB.*1000 rows.*Try"):
        make_plan(layout, Shape(200_000, 10, 4), machine(512 * MIB))


def test_a_factor_that_does_not_fit_is_refused():
    with pytest.raises(BudgetError, match="transpose"):
        make_plan(dense_layout(1000, 100), Shape(10**8, 50, 4), machine(512 * MIB))


def test_a_plan_is_cut_again_as_it_was_on_a_smaller_machine():
    layout = dense_layout(300_000, 4000)
    first = make_plan(layout, Shape(1000, 10, 4), machine(16 * 2**30))
    again = make_plan(layout, Shape(1000, 10, 4), machine(2 * 2**30), first.cuts_json())
    assert again == first


@pytest.mark.slow
def test_the_number_of_tasks_follows_the_data_not_its_chunks():
    fine, coarse = dense_layout(1_000_000, 4000, 10), dense_layout(1_000_000, 4000, 1000)
    shape = Shape(1000, 10, 4)
    assert len(make_plan(fine, shape, machine()).groups) <= 64
    assert len(make_plan(coarse, shape, machine()).groups) <= 64
    huge = make_plan(dense_layout(2**22, 2**25, 2**5), Shape(2**23, 1, 4), machine(2**44))
    assert len(huge.groups) <= 22_000


def test_the_projection_is_the_sum_of_its_parts():
    need = make_plan(dense_layout(5000, 4000), Shape(1000, 10, 4), machine()).need
    assert need.total == need.base + need.panels + need.workspace + need.statistics + need.factors
    assert "process" in str(need)


@pytest.mark.parametrize("processes", [1, 4])
def test_data_is_kept_where_every_process_has_room_for_its_part_and_the_sum_says_so(processes):
    layout = dense_layout(100_000, 10_000)
    for memory_mib in range(500, 4000, 250):
        offered = machine(memory_mib * MIB)
        plan = make_plan(layout, Shape(300, 5, 4), offered)
        kept, of_process = keeping(plan, layout, offered, processes)
        assert kept.groups == plan.groups
        assert kept.need.total == plan.need.total + of_process <= USABLE_SHARE * offered.memory_bytes
        assert of_process == 0 or of_process * processes >= layout.total_bytes
        assert ("kept data" in str(kept.need)) == (of_process > 0)
    assert of_process > 0


def test_given_columns_of_W_are_in_the_sum():
    machine = Machine(1, 2**30, 0, starts=True)
    without, with_them = (
        memory_need(Shape(80, 4, 8, given=given), machine, reading=0, w_rows=10, n_groups=1) for given in (0, 1800)
    )
    assert with_them.total - without.total == 4 * 8 * 1800
