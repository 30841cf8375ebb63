"""Rows kept between passes: the same rows, no more of them than allowed, and gone when they are no longer wanted."""

import pickle
import uuid

import numpy as np
import pytest
import scipy.sparse

from dnmf.sources import kept, open_source
from dnmf.sources.kept import KEPT, Keep, KeptRows, KeptSource


class Counting:
    """A source that counts its reads."""

    def __init__(self, source):
        self.__dict__.update(source.__dict__)
        self.source, self.reads = source, 0
        self.sparse = source.sparse

    def read(self, start, stop):
        self.reads += 1
        return self.source.read(start, stop)

    def __getattr__(self, name):
        return getattr(self.__dict__["source"], name)


@pytest.fixture
def keep():
    keep = Keep(uuid.uuid4().hex, 10**6)
    yield keep
    KEPT.forget(keep.mark)


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_rows_are_read_once_and_are_the_same_ever_after(planted, keep, wrap):
    inner = Counting(open_source(wrap(planted)))
    first = KeptSource(inner, keep).read(20, 50)
    second = KeptSource(inner, keep).read(20, 50)
    assert inner.reads == 1
    for a, b in zip(*([rows] if wrap is np.asarray else rows for rows in (first, second)), strict=True):
        assert a.tobytes() == b.tobytes()
        assert not b.flags.writeable


def test_what_came_from_memory_is_counted(planted, keep):
    for expected in (0, 30 * 80 * 8):
        source = KeptSource(open_source(planted), keep)
        rows = source.read(0, 30)
        assert source.bytes_from_memory(0, 30, rows) == expected
        assert source.touched_bytes(0, 30, rows) == 30 * 80 * 8


def test_no_more_is_kept_than_there_is_room_for(planted):
    rows, store = planted[:10], KeptRows()
    keep = Keep("small", int(2.5 * rows.nbytes))
    assert [store.offer(keep, i, i + 10, rows) for i in range(4)] == [True, True, False, False]
    assert store.bytes_kept("small", 0, 1000) == 2 * rows.nbytes
    assert store.find(keep, 2, 12) is None


def test_a_few_rows_do_not_hold_the_array_they_were_cut_from(planted):
    store, keep = KeptRows(), Keep("small", 10**6)
    store.offer(keep, 0, 5, planted[:5])
    held = store.find(keep, 0, 5)
    assert held.base is None or held.base.nbytes == held.nbytes


def test_the_fits_of_a_process_share_its_room(planted):
    rows, store = planted[:10], KeptRows()
    first, second = (Keep(mark, int(2.5 * rows.nbytes)) for mark in ("first", "second"))
    assert store.offer(first, 0, 10, rows)
    assert [store.offer(second, i, i + 10, rows) for i in (0, 10)] == [True, False]
    store.forget("first")
    assert store.offer(second, 10, 20, rows)


def test_rows_that_are_offered_twice_count_once(planted):
    rows, store = planted[:10], KeptRows()
    keep = Keep("small", rows.nbytes)
    assert [store.offer(keep, 0, 10, rows) for _ in range(2)] == [True, True]


def test_what_is_dropped_may_come_again(planted):
    rows, store = planted[:10], KeptRows()
    keep = Keep("small", rows.nbytes)
    store.offer(keep, 0, 10, rows)
    store.drop("small")
    assert store.find(keep, 0, 10) is None
    assert store.offer(keep, 10, 20, rows)


def test_what_nobody_came_for_is_let_go(planted, monkeypatch):
    store, now = KeptRows(), [0.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: now[0])
    for mark in ("left", "in use"):
        store.find(Keep(mark, 10**6), 0, 5)
        store.offer(Keep(mark, 10**6), 0, 5, planted[:5])
    now[0] = kept.FORGOTTEN_AFTER_S + 1.0
    assert store.find(Keep("in use", 10**6), 0, 5) is not None
    store.forget_abandoned()
    assert store.bytes_kept("left", 0, 1000) == 0
    assert store.bytes_kept("in use", 0, 1000) > 0


def test_a_task_that_is_late_brings_nothing_back(planted):
    store, keep = KeptRows(), Keep("over", 10**6)
    store.forget("over")
    assert not store.offer(keep, 0, 5, planted[:5])
    assert store.find(keep, 0, 5) is None


def test_a_kept_source_travels_without_what_it_keeps(planted, keep, tmp_path):
    import zarr

    zarr.create_array(tmp_path / "a.zarr", data=planted, chunks=(100, 80))
    source = KeptSource(open_source(tmp_path / "a.zarr"), keep)
    source.read(0, 100)
    assert len(pickle.dumps(source)) < 10_000
