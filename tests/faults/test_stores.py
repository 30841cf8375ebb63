"""What may not happen to a run's store: two writers, another fit, other data; and what its W is like on disk."""

import errno
import os
import subprocess
import sys

import dask.array
import numpy as np
import pytest
import zarr

import dnmf
from dnmf.fitting.events import PassDone
from dnmf.passes.rows_out import missing_chunks

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 4}

pytestmark = pytest.mark.usefixtures("many_groups")

HOLDER = """
import sys, time
import dnmf

def listen(event):
    if type(event).__name__ == "PassDone":
        print("committed", flush=True)
        time.sleep(600)

dnmf.fit(sys.argv[1], rank=4, init="random", seed=3, tol=0.0, max_passes=4, store=sys.argv[2], callbacks=(listen,))
"""


class Stopped(Exception):
    """What the test's own callback raises."""


def _stop_after(number):
    def stop(event):
        if isinstance(event, PassDone) and event.record.number == number:
            raise Stopped

    return stop


@pytest.fixture
def stopped(dense_copy, tmp_path):
    """A store whose run was stopped after its second pass."""
    with pytest.raises(Stopped):
        dnmf.fit(dense_copy, **FIT, store=tmp_path / "run.dnmf", callbacks=(_stop_after(2),))
    return tmp_path / "run.dnmf"


@pytest.fixture
def dense_copy(dense_store, tmp_path):
    """A matrix of the test's own, to be changed."""
    path = tmp_path / "data.zarr"
    zarr.create_array(path, data=zarr.open_array(dense_store)[:], chunks=(64, 128))
    return path


def _files(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def _without_lock(files):
    return {path: time_ns for path, time_ns in files.items() if path.name != "LOCK"}


@pytest.fixture(scope="module")
def finished(dense_store, cluster, tmp_path_factory):
    """A run on three workers, and what each of them wrote of W."""
    from distributed import Client

    def note_writes():
        from dnmf.passes import rows_out

        flush = getattr(rows_out.ZarrRowsOut._flush, "original", rows_out.ZarrRowsOut._flush)
        written = rows_out.ZarrRowsOut.written = []

        def noting(self, height):
            written.append((self._next, height))
            flush(self, height)

        noting.original = flush
        rows_out.ZarrRowsOut._flush = noting

    def noted():
        from dnmf.passes import rows_out

        return rows_out.ZarrRowsOut.written

    with pytest.MonkeyPatch.context() as patch, Client(cluster, set_as_default=False) as client:
        patch.setattr("dnmf.plan.LEAST_GROUP_BYTES", 2**18)
        patch.setattr("dnmf.plan.MOST_PANEL_BYTES", 2**16)
        client.run(note_writes)
        model = dnmf.fit(dense_store, **FIT, store=tmp_path_factory.mktemp("run") / "run.dnmf", client=client)
        return model, client.run(noted)


@pytest.mark.slow
def test_every_chunk_of_W_has_one_writer_and_is_written_once(finished):
    model, written = finished
    height = model.stored_W.chunks[0]
    starts = sorted(start for spans in written.values() for start, _ in spans)
    assert starts == list(range(0, 6001, height))
    assert all(rows == height or start + rows == 6001 for spans in written.values() for start, rows in spans)
    assert sum(bool(spans) for spans in written.values()) > 1


@pytest.mark.slow
def test_W_is_complete_and_nothing_else_is_left(finished):
    model, _ = finished
    assert [path.name for path in model.path.glob("*.zarr")] == [model.W_name]
    assert missing_chunks(str(model.path / model.W_name)) == 0
    assert len(list(model.path.glob("gen-*"))) <= 2


def test_W_is_read_by_dask_in_its_own_chunks(finished):
    model, _ = finished
    W = dask.array.from_zarr(str(model.path / model.W_name))
    assert W.chunks[0][0] == model.stored_W.chunks[0]
    np.testing.assert_array_equal(W.compute(scheduler="synchronous"), model.read_W())
    np.testing.assert_allclose(W.sum(axis=0).compute(scheduler="synchronous"), 1, rtol=1e-5)


def test_W_is_read_by_anndata(finished):
    io = pytest.importorskip("anndata.io", reason="anndata is not installed")
    model, _ = finished
    np.testing.assert_array_equal(io.read_elem(zarr.open(model.path / model.W_name, mode="r")), model.read_W())


@pytest.mark.slow
def test_a_second_fit_into_a_store_is_refused_and_lists_the_options_that_differ(stopped, dense_copy):
    before = _without_lock(_files(stopped))
    with pytest.raises(dnmf.CheckpointError, match=r"rank: 4 → 5; seed: 3 → 7.*dnmf resume"):
        dnmf.fit(dense_copy, **{**FIT, "rank": 5, "seed": 7}, store=stopped)
    assert _without_lock(_files(stopped)) == before


@pytest.mark.slow
def test_a_resume_with_changed_data_is_refused_with_the_difference_unless_forced(stopped, dense_copy):
    data = zarr.open_array(dense_copy, mode="r+")
    data[100:110] = data[200:210]
    before = _without_lock(_files(stopped))
    with pytest.raises(dnmf.CheckpointError, match=r"other names, sizes and times of files\)\. .*force"):
        dnmf.resume(stopped)
    assert _without_lock(_files(stopped)) == before
    assert len(dnmf.resume(stopped, force=True).history) == 4


@pytest.mark.slow
def test_a_resume_with_data_of_another_shape_names_the_shape(stopped, dense_copy, tmp_path):
    zarr.create_array(tmp_path / "other.zarr", data=zarr.open_array(dense_copy)[:5000], chunks=(64, 128))
    with pytest.raises(dnmf.CheckpointError, match=r"shape: \[6001, 128\] → \[5000, 128\]"):
        dnmf.resume(stopped, source=tmp_path / "other.zarr")


def test_a_resume_of_a_finished_run_loads_it(finished, bits):
    model, _ = finished
    before = _without_lock(_files(model.path))
    assert bits(dnmf.resume(model.path)) == bits(model)
    assert _without_lock(_files(model.path)) == before


@pytest.mark.slow
def test_an_unfinished_run_cannot_be_loaded(stopped):
    with pytest.raises(dnmf.CheckpointError, match=r"2 passes are committed.*go on with: dnmf\.resume\("):
        dnmf.load(stopped)


@pytest.mark.slow
def test_data_that_lay_in_memory_must_be_given_again(dense_copy, bits, tmp_path):
    values = zarr.open_array(dense_copy)[:]
    with pytest.raises(Stopped):
        dnmf.fit(values, **FIT, store=tmp_path / "run.dnmf", callbacks=(_stop_after(2),))
    with pytest.raises(dnmf.DnmfError, match="source="):
        dnmf.resume(tmp_path / "run.dnmf")
    resumed = dnmf.resume(tmp_path / "run.dnmf", source=values)
    assert bits(resumed) == bits(dnmf.fit(values, **FIT))


@pytest.mark.slow
def test_two_processes_cannot_write_one_store(dense_store, tmp_path):
    store = tmp_path / "run.dnmf"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(dense_store), str(store)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"committed\n"
        before = _files(store)
        for attempt in (lambda: dnmf.fit(dense_store, **FIT, store=store), lambda: dnmf.resume(store)):
            with pytest.raises(dnmf.CheckpointError, match=f"process {holder.pid}"):
                attempt()
        assert _files(store) == before
    finally:
        holder.kill()
        holder.wait()
    assert len(dnmf.resume(store).history) == 4


@pytest.mark.slow
def test_a_run_is_unharmed_by_what_an_earlier_attempt_left_half_written(stopped, dense_copy, bits):
    """A worker that is late writes to the array of its own attempt, never to that of another."""
    for name in ("raw-0123456789ab.zarr", "W-0123456789ab.zarr"):
        zarr.create_array(stopped / name, shape=(6001, 4), chunks=(512, 4), dtype="f4")[:512] = 9
    model = dnmf.resume(stopped)
    assert bits(model) == bits(dnmf.fit(dense_copy, **FIT))
    assert [path.name for path in stopped.glob("*.zarr")] == [model.W_name]


@pytest.mark.slow
def test_a_disk_that_refuses_W_is_one_clear_error_and_the_run_can_be_resumed(stopped, dense_copy, bits, monkeypatch):
    def full(array, at, values):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", full)
        with pytest.raises(dnmf.CheckpointError, match=r"W cannot be written: No space left"):
            dnmf.resume(stopped)
    assert bits(dnmf.resume(stopped)) == bits(dnmf.fit(dense_copy, **FIT))
