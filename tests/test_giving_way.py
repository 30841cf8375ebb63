"""A plan gives way before it refuses: what it gives up, in which order, and what of it is said."""

from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from dnmf import open_source
from dnmf.errors import BudgetError
from dnmf.fitting.events import Planned
from dnmf.inspection import inspect_source
from dnmf.memory import USABLE_SHARE, Machine, Shape
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
    assert {group.ahead for group in plan.groups} == {0}
    assert plan.gave_up == ()
    assert plan.need.panels == pytest.approx(2 * 2 * 61 * MIB, rel=0.01)  # the panel, and a chunk's stored bytes


def several_panels() -> Layout:
    """Two groups of eight panels of about 31 MiB."""
    rows = 4_000
    cuts = np.arange(0, 16 * rows + 1, rows, dtype=np.int64)
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
        group = plan.groups[0]
        state = (group.ahead, group.at_once, plan.need.panels // group.at_once - (1 + group.ahead) * 32_000_000)
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
    at_work = {plan_within(limit, 2, layout).groups[0].at_once for limit in (1_000, 1_400, 4_000)}
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
    from dnmf.giving_way import Pace

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


@pytest.mark.parametrize(
    ("chunks", "options", "stored", "on_its_way"),
    [
        ((10, 600), {}, "largest", 0),
        ((10, 300), {}, "largest", 1),
        ((10, 600), {"compressors": None}, "nothing", 0),
        ((7, 600), {"compressors": None}, "largest", 1),
        ((20, 600), {"shards": (40, 600)}, "largest", 0),
        ((4, 600), {"shards": (40, 600)}, "a chunk", 0),
    ],
    ids=["whole", "narrow", "plain", "plain, ragged", "sharded", "many in a shard"],
)
def test_stored_bytes_are_those_of_the_largest_file(tmp_path, chunks, options, stored, on_its_way):
    values = np.zeros((40, 600), np.float32)
    values[30:] = np.random.default_rng(0).random((10, 600)) > 0.5
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=chunks, **options)
    layout = open_source(tmp_path / "a.zarr").layout()
    largest = max(file.stat().st_size for file in (tmp_path / "a.zarr" / "c").rglob("*") if file.is_file())
    chunk = 4 * chunks[0] * chunks[1]
    known = {"largest": largest, "nothing": 0, "a chunk": min(largest, chunk)}
    assert layout.beside_as_stored() == known[stored] + on_its_way * chunk
    assert layout.beside_as_stored() <= layout.beside_bytes


def test_inspection_says_what_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 8)
    monkeypatch.setattr("psutil.Process.memory_info", lambda process: SimpleNamespace(rss=150 * 2**20))
    zarr.create_array(tmp_path / "a.zarr", shape=(2**18, 64), chunks=(2**16, 64), dtype="f4")
    source = open_source(tmp_path / "a.zarr")
    plans = [inspect_source(source, 4, f"{limit}MiB")["plan"] for limit in range(2_000, 200, -40)]
    said = [plan["gave_up"] for plan in plans if not plan["refused"]]
    assert said[0] == []
    assert said[-1] == ["one thread works at a time"]
    assert any(texts and texts[0].endswith("of 8 threads work at a time") for texts in said)
