"""A plan gives way before it refuses: what it gives up, in which order, and what of it is said."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from dnmf import open_source
from dnmf.errors import BudgetError
from dnmf.fitting.events import Planned
from dnmf.giving_way import Pace, slower_paces
from dnmf.matrix_inspection import inspect_source
from dnmf.memory import ANY_START, NO_START, USABLE_SHARE, Machine, Shape, Start
from dnmf.plan import Plan, make_plan
from dnmf.progress import event_record, planned_lines
from dnmf.sources.source import Layout

MIB = 2**20
BASE = 190 * MIB
SHAPE = Shape(2_000, 10, 4)


def layout_of(chunks: int, panels_in_chunk: int = 1, **known) -> Layout:
    """Chunks of 61 MiB that go whole where they belong; their files are of 25 MiB."""
    rows = 8_000
    cuts = np.arange(0, rows * chunks + 1, rows // panels_in_chunk, dtype=np.int64)
    known = {"in_place": True, "beside_bytes": 61 * MIB, "beside_as_stored": lambda: 25 * MIB, **known}
    return Layout(cuts, cuts * 8_000, rows // panels_in_chunk, **known)


def plan_within(limit_mib: int, threads: int, layout: Layout, cuts=None) -> Plan:
    return make_plan(layout, SHAPE, Machine(threads, limit_mib * MIB, BASE), cuts)


def least_limit(threads: int, layout: Layout) -> int:
    for limit in range(300, 40_000, 4):
        try:
            plan_within(limit, threads, layout)
        except BudgetError:
            continue
        return limit
    raise AssertionError("no limit is enough")


def test_where_no_task_has_two_panels_nothing_is_read_ahead_and_nothing_is_given_up_by_that():
    plan = plan_within(8_000, 2, layout_of(6))
    assert {len(group.panels) for group in plan.groups} == {1}
    assert {group.pace.ahead for group in plan.groups} == {0}
    assert plan.gave_up == ()
    assert plan.need.panels == pytest.approx(2 * 2 * 61 * MIB, rel=0.01)  # the panel, and a chunk's stored bytes


STARTS = {"none": NO_START, "a sample before": Start(7_200, beside=False), "a sample beside": Start(7_200)}


def plan_in_process(limit_mib: int, start: Start = ANY_START, layout: Layout | None = None, **known) -> Plan:
    known = {"starts": True, "freed_bytes": 64 * MIB, "gives_back": True, **known}
    machine = Machine(2, limit_mib * MIB, BASE, **known)
    return make_plan(layout or layout_of(6, object_bytes=64_000_000), replace(SHAPE, start=start), machine)


@pytest.mark.parametrize("start", STARTS)
def test_a_process_of_two_threads_and_512_MiB_works_through_chunks_of_61_MiB(start):
    plan = plan_in_process(512, STARTS[start])
    assert plan.gave_up == ("one thread works at a time", "freed memory is given back at once")
    assert plan.gives_back
    assert plan.need.total <= USABLE_SHARE * 512 * MIB
    assert plan == plan_in_process(16_000, STARTS[start])
    assert not plan_in_process(16_000, STARTS[start]).gave_up


def test_a_process_that_cannot_give_freed_memory_back_needs_more():
    with pytest.raises(BudgetError, match=r"64\.0 MiB freed"):
        plan_in_process(480, NO_START, gives_back=False)


@pytest.mark.parametrize(("threads", "panel_mib", "freed_mib"), [(1, 8, 8), (2, 8, 16), (1, 48, 32), (4, 30, 64)])
def test_in_the_one_heap_of_a_worker_a_panel_counts_for_each_task_as_far_as_the_library_keeps_it(
    threads, panel_mib, freed_mib
):
    rows = np.arange(0, 9_000, 1_000)
    layout = Layout(rows, rows * (panel_mib * MIB / 1_000), 1_000, in_place=True)
    need = make_plan(layout, SHAPE, Machine(threads, 16_000 * MIB, BASE, freed_bytes=64 * MIB, gives_back=True)).need
    assert need.freed == freed_mib * MIB


def test_several_panels_ahead_are_given_up_before_anything_that_costs_much():
    paces = list(slower_paces(Pace(3, 2, 0), several_panels(), gives_back=True))
    assert [(pace.ahead, pace.gives_back, pace.at_once) for pace in paces] == [
        (3, False, 2), (2, False, 2), (1, False, 2), (1, True, 2), (0, True, 2), (0, True, 1)
    ]  # fmt: skip


def test_freed_memory_is_given_back_before_tasks_wait_for_each_other():
    gave_up = [plan_in_process(limit, NO_START).gave_up for limit in range(1_500, 450, -10)]
    waits, back = "one thread works at a time", "freed memory is given back at once"
    assert list(dict.fromkeys(gave_up)) == [(), (back,), (waits, back)]


@pytest.mark.parametrize("limit_mib", [512, 700, 4_000])
def test_how_a_fit_begins_changes_no_cut(limit_mib):
    for layout in (layout_of(6), several_panels(), sparse_rows()):
        assert len({plan_in_process(limit_mib, start, layout).groups for start in STARTS.values()}) == 1


@pytest.mark.parametrize("limit_mib", [512, 540, 570])
def test_a_start_and_a_pass_that_follow_each_other_count_once_where_freed_memory_is_given_back(limit_mib):
    none, before, beside = (plan_in_process(limit_mib, start).need for start in STARTS.values())
    sample, chunk = limit_mib * MIB // 32, 61 * MIB + 25 * MIB
    assert none.start == 0
    assert none.panels <= before.panels + before.start < before.panels + beside.start
    assert before.panels + before.start >= chunk + sample  # a chunk is read while the sample grows
    assert beside.start >= sample
    assert {none.freed, before.freed, beside.freed} == {0}


def test_a_start_counts_in_full_where_freed_memory_stays():
    none, before, beside = (plan_in_process(16_000, start).need for start in STARTS.values())
    assert none.start == 0
    assert before.start == beside.start >= 2 * min(128 * MIB, 7_200 * 8_000)
    assert {none.freed, before.freed, beside.freed} == {2 * 64 * MIB}  # the most: of panels of 32 MiB and more


def sparse_rows() -> Layout:
    """Rows of 8,000 bytes that end anywhere in objects of 8 MiB."""
    cuts = np.arange(0, 48_001)
    return Layout(cuts, cuts * 8_000, object_bytes=8 * MIB)


def test_panels_do_not_become_smaller_than_a_block_while_freed_memory_stays():
    sizes = {limit: plan_in_process(limit, NO_START, sparse_rows()).panel_bytes for limit in (512, 16_000)}
    assert sizes == {512: 4 * MIB, 16_000: 4 * MIB}


@pytest.mark.parametrize("threads", [2, 4, 16])
def test_before_panels_become_tiny_one_task_works_at_a_time(threads):
    machine = Machine(threads, 500 * MIB, BASE, starts=True, freed_bytes=64 * MIB, gives_back=True)
    plan = make_plan(sparse_rows(), SHAPE, machine)
    assert plan.panel_bytes >= MIB
    assert plan.need.total <= USABLE_SHARE * 500 * MIB


def several_panels() -> Layout:
    """Three groups of eight panels of about 31 MiB."""
    rows = 4_000
    cuts = np.arange(0, 24 * rows + 1, rows, dtype=np.int64)
    return Layout(cuts, cuts * 8_000, rows, in_place=True, beside_bytes=31 * MIB, beside_as_stored=lambda: 10 * MIB)


def test_what_is_dear_is_given_up_last():
    layout, threads = several_panels(), 3
    cuts = {"panel_bytes": 31 * MIB, "group_bytes": 256 * MIB, "w_rows": 32_000}
    seen = []
    for limit in range(2_000, 300, -4):
        try:
            plan = plan_within(limit, threads, layout, cuts)
        except BudgetError:
            break
        pace = plan.groups[0].pace
        state = (pace.ahead, pace.at_once, plan.need.panels // pace.at_once - (1 + pace.ahead) * 32_000_000)
        if not seen or seen[-1] != state:
            seen.append(state)
        assert plan.need.total <= USABLE_SHARE * limit * MIB
    assert seen == [
        (1, 3, 31 * MIB), (1, 3, 10 * MIB), (0, 3, 10 * MIB), (0, 2, 10 * MIB), (0, 1, 10 * MIB),
    ]  # fmt: skip


@pytest.mark.parametrize("limit_mib", [420, 512, 700, 1_000, 4_000])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_giving_way_changes_no_cut(threads, limit_mib):
    wide = plan_within(2**20, threads, layout_of(6))
    assert plan_within(512 if threads < 3 else 600, threads, layout_of(6)) == wide
    try:
        assert plan_within(limit_mib, threads, layout_of(6)) == wide
    except BudgetError:
        assert limit_mib < 512 or threads == 16


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_more_threads_ask_for_no_more_than_what_they_need_when_one_works_at_a_time(threads):
    assert least_limit(threads, layout_of(6)) <= least_limit(1, layout_of(6)) + threads * 2


def test_tasks_that_come_with_their_rows_do_not_wait_for_each_other():
    layout = layout_of(6, comes_with_task=True)
    at_work = {plan_within(limit, 2, layout).groups[0].pace.at_once for limit in (1_000, 1_400, 4_000)}
    assert at_work == {2}
    with pytest.raises(BudgetError):
        plan_within(700, 2, layout)


@pytest.mark.parametrize(
    ("threads", "at_once", "ahead", "texts"),
    [
        (2, 1, True, ["one thread works at a time", "nothing is read ahead"]),
        (8, 3, True, ["3 of 8 threads work at a time", "nothing is read ahead"]),
        (2, 2, True, ["nothing is read ahead"]),
        (2, 1, False, ["one thread works at a time"]),
        (2, 2, False, []),
    ],
)
def test_what_is_given_up_is_said_in_words(threads, at_once, ahead, texts):
    pace, wished = Pace(0, at_once, 0), Pace(int(ahead), threads, 0)
    gave_up = pace.gave_up(wished)
    assert list(gave_up) == texts
    event = Planned("in process", "a.zarr", (8, 4), 128, 1, 1, 2**28, 2**30, gave_up=gave_up)
    assert any(line.endswith(", ".join(texts) + ": for want of memory") for line in planned_lines(event)) == bool(texts)
    assert event_record(event)["gave_up"] == texts


@pytest.mark.parametrize(
    ("layout", "base_mib", "shape", "advice"),
    [
        (layout_of(6), 190, SHAPE, "--chunk-size"),
        (layout_of(6), 320, SHAPE, "the process itself"),
        (layout_of(6), 20, Shape(1_000_000, 60, 4), "lower rank"),
        (layout_of(6, panel_is_whole=True, comes_with_task=True, in_place=False), 20, SHAPE, "rechunk"),
    ],
    ids=["chunks", "process", "sums", "blocks"],
)
def test_a_refusal_names_what_would_help_most(layout, base_mib, shape, advice):
    with pytest.raises(BudgetError, match=advice):
        make_plan(layout, shape, Machine(2, 380 * MIB, base_mib * MIB))


@pytest.mark.slow
def test_inspection_says_what_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 8)
    monkeypatch.setattr("dnmf.passes.threads.can_give_back", lambda: True)
    monkeypatch.setattr("psutil.Process.memory_info", lambda process: SimpleNamespace(rss=150 * 2**20))
    zarr.create_array(tmp_path / "a.zarr", shape=(2**18, 64), chunks=(2**16, 64), dtype="f4")
    source = open_source(tmp_path / "a.zarr")
    plans = [inspect_source(source, 4, f"{limit}MiB")["plan"] for limit in range(2_000, 200, -40)]
    said = [plan["gave_up"] for plan in plans if not plan["refused"]]
    assert said[0] == []
    assert said[-1][-1] == "freed memory is given back at once"
    assert any(texts and texts[0].endswith("of 8 threads work at a time") for texts in said)
    assert ["freed memory is given back at once"] in said


def large_chunks(*, raw: bool) -> Layout:
    """Four chunks of 305 MiB, in parts of 3.9 MiB where they can be read so."""
    cuts, fine = np.arange(0, 160_001, 40_000), np.arange(0, 160_001, 500)
    whole = Layout(cuts, cuts * 8_000, 40_000, object_bytes=40_000 * 8_000, in_place=True)
    return (
        replace(whole, parts=replace(whole, cuts=fine, bytes_before=fine * 8_000, object_bytes=500 * 8_000))
        if raw
        else whole
    )


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_chunks_are_read_in_parts_where_the_plan_would_refuse_and_nowhere_else(threads):
    roomy = 16_000
    assert plan_within(roomy, threads, large_chunks(raw=True)) == plan_within(roomy, threads, large_chunks(raw=False))
    with pytest.raises(BudgetError):
        plan_within(512, threads, large_chunks(raw=False))
    plan = plan_within(512, threads, large_chunks(raw=True))
    assert plan.in_parts
    assert "chunks are read in parts" in plan.gave_up
    assert plan.need.total <= USABLE_SHARE * 512 * MIB
    assert [(group.start, group.stop) for group in plan.groups] == [
        (low, low + 40_000) for low in range(0, 160_000, 40_000)
    ]
    assert plan.w_rows == plan_within(roomy, threads, large_chunks(raw=True)).w_rows


def test_who_goes_on_cuts_as_before_with_any_memory():
    layout = large_chunks(raw=True)
    in_parts, whole = plan_within(512, 2, layout), plan_within(16_000, 2, layout)
    assert plan_within(16_000, 2, layout, in_parts.cuts_json()) == in_parts
    assert whole.cuts_json().keys() == {"panel_bytes", "group_bytes", "w_rows"}  # as runs of before have them
    with pytest.raises(BudgetError):
        plan_within(512, 2, layout, whole.cuts_json())
