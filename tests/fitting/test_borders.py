"""Stored objects that two tasks need stay in memory, where there is room: fewer are decoded, nothing else changes."""

import itertools

import numpy as np
import pytest
import zarr
from distributed import Client, LocalCluster

import dnmf
from dnmf.fitting.events import Planned
from dnmf.memory import USABLE_SHARE, Machine, Shape
from dnmf.plan import keeping_borders, make_plan
from dnmf.sources.forward import Borders, ForwardReader
from dnmf.sources.kept import KEPT, Keep
from dnmf.sources.source import Layout
from dnmf.sources.stored import StoredArray

MIB = 2**20
ROWS, COLUMNS, PER_ROW, CHUNK = 1_000, 60, 12, 500


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """CSR in 24 objects of which a task holds about four."""
    monkeypatch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**12)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 2 * PER_ROW, ROWS)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.concatenate([np.sort(rng.choice(COLUMNS, count, replace=False)) for count in lengths])
    group = zarr.open_group(tmp_path / "data.zarr", mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [ROWS, COLUMNS]})
    group.create_array("indptr", data=indptr)
    group.create_array("indices", data=columns.astype(np.int32), chunks=(CHUNK,))
    group.create_array("data", data=rng.random(indptr[-1]).astype(np.float32), chunks=(CHUNK,))
    return tmp_path / "data.zarr"


def fitted(path, keep="stream", passes=4, **options):
    events = []
    model = dnmf.fit(
        path, 3, max_passes=passes, tol=0, keep=keep, init="random", callbacks=[events.append], **options
    )  # fmt: skip
    reads = [0.0, *(record.reads for record in model.history)]
    planned = next(event for event in events if isinstance(event, Planned))
    return model, planned, [later - earlier for earlier, later in itertools.pairwise(reads)]


def assert_same_bits(a, b):
    assert a.H.tobytes() == b.H.tobytes()
    assert a.d.tobytes() == b.d.tobytes()
    assert a.read_W().tobytes() == b.read_W().tobytes()


@pytest.mark.slow
def test_a_pass_decodes_every_object_once_and_the_bits_are_those_of_a_fit_that_keeps_nothing(stored, monkeypatch):
    (kept, planned, reads) = fitted(stored)
    monkeypatch.setattr("dnmf.planned.keeping_borders", lambda plan, *_: (plan, 0))
    (streamed, plain, again) = fitted(stored)
    assert planned.tasks == plain.tasks > 4
    assert not planned.keeps
    assert_same_bits(kept, streamed)
    assert min(again) > 1.1
    assert reads[0] < again[0]
    assert reads[1:] == pytest.approx([1.0] * 3, abs=0.02)
    assert all(record.from_memory > 0.1 for record in kept.history[1:])
    assert KEPT._rows == {}


@pytest.mark.slow
def test_workers_keep_them_too(stored, client):
    def left():
        from dnmf.sources.kept import KEPT

        return len(KEPT._rows)

    before = client.run(left)
    (there, _, _), (here, _, _) = fitted(stored, passes=3, client=client), fitted(stored, passes=3)
    assert_same_bits(there, here)
    assert client.run(left) == before


@pytest.mark.slow
def test_a_worker_that_was_there_before_need_not_decode_them_again(stored):
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        model, _, _ = fitted(stored, passes=3, client=client)
    assert all(record.from_memory > 0 for record in model.history[1:])


def test_data_that_is_kept_whole_needs_no_objects_beside(stored):
    _, planned, _ = fitted(stored, keep="memory")
    assert planned.keeps


@pytest.mark.parametrize("memory_mib", [300, 380, 460, 600, 2_000])
def test_as_many_are_kept_as_there_is_room_for_and_the_sum_says_so(memory_mib):
    cuts = np.arange(100_001, dtype=np.int64)
    layout = Layout(cuts, cuts * 4_000, object_bytes=4 * MIB, in_place=True, beside_bytes=12 * MIB)
    machine = Machine(1, memory_mib * MIB, 120 * MIB)
    plan = make_plan(layout, Shape(300, 5, 4), machine)
    kept, count = keeping_borders(plan, layout, machine)
    assert kept.groups == plan.groups
    assert kept.need.total == plan.need.total + count <= USABLE_SHARE * machine.memory_bytes
    assert count <= (len(plan.groups) - 1) * 4 * MIB
    assert (count == (len(plan.groups) - 1) * 4 * MIB) == (memory_mib >= 460)
    assert count == 0 or count >= 4 * MIB


def test_nothing_is_kept_of_data_whose_tasks_share_no_object():
    cuts = np.arange(0, 100_001, 1_000, dtype=np.int64)
    layout = Layout(cuts, cuts * 4_000, 1_000, object_bytes=4_000_000, in_place=True)
    machine = Machine(1, 2_000 * MIB, 120 * MIB)
    plan = make_plan(layout, Shape(300, 5, 4), machine)
    assert keeping_borders(plan, layout, machine) == (plan, 0)


@pytest.mark.parametrize("room", [0, 300, 10_000])
@pytest.mark.parametrize(
    "ends", [(0, 37, 61, 100), (0, 10, 20, 100), (0, 9, 12, 17, 55, 100), (0, 100), (0, 3, 5, 100)]
)
def test_tasks_read_the_right_elements_whatever_their_neighbours_left(tmp_path, ends, room):
    zarr.create_array(tmp_path / "a.zarr", data=np.arange(100.0), chunks=(10,))
    array, keep = StoredArray(str(tmp_path / "a.zarr"), ""), Keep(f"{tmp_path}", room, borders=True)
    tasks = list(itertools.pairwise(ends))
    for turn in range(3):
        counted = 0
        for start, stop in tasks[:: -1 if turn == 1 else 1]:
            reader, at = ForwardReader(array, Borders(keep, "a", start, stop)), start
            while at < stop:
                end = min(at + 4, stop)
                assert reader.read(at, end).tolist() == list(range(at, end))
                counted += reader.decoded(at, end, at > start)
                at = end
        if turn and room == 10_000:
            assert counted == 100
    KEPT.forget(keep.mark)
