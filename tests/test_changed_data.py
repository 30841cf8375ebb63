"""Data that is changed while it is read is an error that names what changed, and the last good pass stands."""

import os
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse
import zarr
from changing_data import (
    FIT,
    A,
    after_pass,
    csr,
    dense_zarr,
    dense_zarr_2,
    external_hdf5,
    hdf5,
    put_another_in_its_place,
    virtual_hdf5,
    write_anew,
    write_anew_at_the_old_time,
)

import dnmf
from dnmf.fitting.events import Started
from dnmf.sources import guard
from dnmf.sources.guard import guard_source
from dnmf.sources.views import View, ViewSource

SOURCES = {
    "Zarr": (dense_zarr, "a.zarr/c/0/0"), "Zarr 2": (dense_zarr_2, "a.zarr/0.0"), "CSR": (csr, "a.zarr::X/data/c/0"),
    "HDF5": (hdf5, "a.h5"), "virtual HDF5": (virtual_hdf5, "part.h5"),
}  # fmt: skip


CHANGES = {
    "written anew": write_anew,
    "replaced, or its owner or permissions changed": write_anew_at_the_old_time,
    "replaced": put_another_in_its_place,
    "bytes →": lambda path: path.write_bytes(path.read_bytes() + b"\0" * 8),
}


@pytest.fixture
def every_pass(monkeypatch):
    """The data is looked at after every pass, whatever that takes on a machine under load."""
    monkeypatch.setattr(guard, "FREE_S", np.inf)


@pytest.mark.usefixtures("every_pass")
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.broad(3)
def test_a_change_in_the_middle_of_a_fit_is_an_error_that_names_it(tmp_path, source, what):
    write, name = SOURCES[source]
    data, store = write(tmp_path), tmp_path / "run.dnmf"
    change = after_pass(2, lambda: CHANGES[what](tmp_path / name.replace("::", "/")))
    with pytest.raises(dnmf.ChangedError, match=rf"the data changed while it was read.*{name} \(.*{what}") as raised:
        dnmf.fit(data, **FIT, store=store, keep="stream", callbacks=(change,))
    assert f"dnmf.resume({str(store)!r})" in str(raised.value)
    assert not list(store.glob("*.zarr"))
    with pytest.raises(dnmf.CheckpointError, match=r"\(2 passes are committed\)"):
        dnmf.load(store)


@pytest.mark.parametrize("moment", ["the start", "the last pass"])
def test_no_moment_of_a_fit_is_too_early_or_too_late(tmp_path, monkeypatch, moment):
    data, store, done = dense_zarr(tmp_path), tmp_path / "run.dnmf", []

    def change(event):
        if isinstance(event, Started) and moment == "the start":
            write_anew(data / "c/0/0")

    if moment == "the last pass":
        from dnmf.passes.rows_out import ZarrRowsOut

        finish = ZarrRowsOut.finish
        monkeypatch.setattr(ZarrRowsOut, "finish", lambda out: done.append(write_anew(data / "c/0/0")) or finish(out))
    with pytest.raises(dnmf.ChangedError, match="written anew"):
        dnmf.fit(data, **FIT, store=store, callbacks=(change,))
    assert not list(store.glob("*.zarr"))


def test_a_fit_without_a_store_says_so_too(tmp_path):
    data = dense_zarr(tmp_path)
    with pytest.raises(dnmf.ChangedError, match="begin again when nothing writes to it any more$"):
        dnmf.fit(data, **FIT, callbacks=(after_pass(1, lambda: shutil.rmtree(data / "c")),))


def test_chunks_that_come_and_go_are_named_the_first_few(tmp_path):
    data = dense_zarr(tmp_path)
    watch = guard_source(dnmf.open_source(data))
    for row in range(5):
        (data / "c" / str(row) / "0").rename(data / "c" / f"{row}9")
    with pytest.raises(dnmf.ChangedError, match=r"c/0/0 \(is gone\), .*c/09 \(is new\).* and 6 more"):
        watch.check()


@pytest.mark.slow
@pytest.mark.usefixtures("every_pass")
def test_with_the_data_as_it_was_the_run_goes_on_with_the_same_bits(tmp_path):
    data = dense_zarr(tmp_path)
    whole = dnmf.fit(data, **FIT)
    shutil.copytree(data, tmp_path / "kept.zarr")
    with pytest.raises(dnmf.ChangedError):
        dnmf.fit(
            data, **FIT, store=tmp_path / "run.dnmf", callbacks=(after_pass(2, lambda: write_anew(data / "c/0/0")),)
        )
    with pytest.raises(dnmf.CheckpointError, match="not what the fit began with"):
        dnmf.resume(tmp_path / "run.dnmf")
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "kept.zarr", data)
    assert dnmf.resume(tmp_path / "run.dnmf").read_W().tobytes() == whole.read_W().tobytes()


@pytest.mark.slow
def test_an_identical_copy_written_in_mid_fit_goes_on_by_force(tmp_path):
    data, store = dense_zarr(tmp_path), tmp_path / "run.dnmf"
    touch = after_pass(2, lambda: os.utime(data / "c/0/0"))
    with pytest.raises(dnmf.ChangedError, match="--force"):
        dnmf.fit(data, **FIT, store=store, callbacks=(touch,))
    assert dnmf.resume(store, force=True).read_W().tobytes() == dnmf.fit(data, **FIT).read_W().tobytes()


def test_what_is_no_part_of_the_matrix_may_change(tmp_path):
    data = csr(tmp_path)

    def write_beside():
        zarr.open_group(data, mode="r+").create_array("obsm", data=A)
        (data / "X" / "data" / ".DS_Store").write_bytes(b"x")
        (data / "X" / "data" / "c" / ".nfs0001").write_bytes(b"x")

    assert dnmf.fit(data, **FIT, callbacks=(after_pass(2, write_beside),)).stop_reason == "max_passes"


def test_a_path_stops_too(tmp_path):
    data, store, seen = dense_zarr(tmp_path), tmp_path / "path.dnmf", []

    def change(event):
        if type(event).__name__ == "PathPassDone":
            seen.append(event)
            if len(seen) == 2:
                write_anew(data / "c/0/0")

    with pytest.raises(dnmf.ChangedError, match=rf"c/0/0 \(written anew\).*dnmf\.resume_path\('{store}'\)"):
        dnmf.path(data, 3, dnmf.Penalty(l1=1.0), [0, 0.1], store=store, max_passes=5, callbacks=(change,))


@pytest.fixture
def changing_reads(monkeypatch):
    """Every read of a stored array is followed by a change of its first chunk."""
    from dnmf.sources.stored import StoredArray

    read = StoredArray.read

    def of(data):
        monkeypatch.setattr(StoredArray, "read", lambda array, start, stop: _then(read(array, start, stop), data))

    def _then(rows, data):
        os.utime(data / "c/0/0", ns=(1, time.time_ns()))
        return rows

    return of


def test_a_transform_of_changing_rows_leaves_nothing(tmp_path, changing_reads):
    data, model = dense_zarr(tmp_path), dnmf.fit(A, **FIT)
    changing_reads(data)
    for out in (None, tmp_path / "W.zarr"):
        with pytest.raises(dnmf.ChangedError, match="c/0/0"):
            model.transform(data, out=out)
    assert not (tmp_path / "W.zarr").exists()


def test_columns_taken_from_changing_rows_are_refused(tmp_path, changing_reads):
    data = dense_zarr(tmp_path)
    source = ViewSource(dnmf.open_source(data), View(columns=np.arange(12)[::-1]))
    assert source.stored_arrays() == source.inner.stored_arrays() != ()
    changing_reads(data)
    with pytest.raises(dnmf.ChangedError, match="c/0/0"):
        dnmf.fit(source, **FIT)


def test_every_source_of_another_one_looks_after_what_that_reads():
    for path in Path(dnmf.sources.__file__).parent.glob("*.py"):
        text = path.read_text()
        looks = "self.inner.stored_arrays()" in text or "(OverSource)" in text  # which does so for all that inherit it
        assert ("self.inner.fingerprint()" in text) == looks, path


@pytest.mark.usefixtures("every_pass")
def test_an_object_that_is_replaced_by_one_of_the_same_size_is_noticed(tmp_path):
    address = f"memory://{tmp_path.name}/a.zarr"
    store = zarr.create_array(address, data=A, chunks=(10, 12), compressors=None)
    before = dnmf.open_source(address).fingerprint()
    assert dnmf.open_source(address).fingerprint() == before

    def change():
        store[:10] = A[10:20]

    with pytest.raises(dnmf.ChangedError, match=r"a\.zarr/c/0/0 \(written anew\)"):
        dnmf.fit(address, **FIT, store=tmp_path / "run.dnmf", keep="stream", callbacks=(after_pass(2, change),))
    after = dnmf.open_source(address).fingerprint()
    assert (after["bytes"], after["objects"]) == (before["bytes"], before["objects"])
    assert after != before
    with pytest.raises(dnmf.CheckpointError, match="tags of objects"):
        dnmf.resume(tmp_path / "run.dnmf")


def test_measures_of_changing_rows_are_refused(tmp_path, changing_reads):
    data, model = dense_zarr(tmp_path), dnmf.fit(A, **FIT)
    changing_reads(data)
    with pytest.raises(dnmf.ChangedError, match="c/0/0"):
        dnmf.measures.relative_error(model, data)
    with pytest.raises(dnmf.ChangedError, match="c/0/0"):
        dnmf.measures.kmeans_centres(data, 2)


def test_a_conversion_of_a_changing_store_leaves_nothing(tmp_path, changing_reads):
    data = dense_zarr(tmp_path)
    changing_reads(data)
    with pytest.raises(dnmf.ChangedError, match="c/0/0"):
        dnmf.convert(data, tmp_path / "out.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr"]


def _linked_hdf5(folder):
    hdf5(folder).rename(folder / "part.h5")
    with h5py.File(folder / "a.h5", "w") as file:
        file["X"] = h5py.ExternalLink(folder / "part.h5", "X")
    return folder / "a.h5"


def _virtual_in_a_group(folder):
    virtual_hdf5(folder)
    with h5py.File(folder / "a.h5", "a") as file:
        group = file.create_group("obs")
        group.attrs["_index"] = "name"
        group["name"] = [b"row %d" % row for row in range(len(A))]
    return folder / "a.h5"


@pytest.mark.parametrize("write", [virtual_hdf5, external_hdf5, _linked_hdf5, _virtual_in_a_group])
def test_a_conversion_looks_after_the_files_that_hdf5_leads_to(tmp_path, write):
    source, part = write(tmp_path), tmp_path / "part.h5"
    with pytest.raises(dnmf.ChangedError, match=r"part\.h5"):
        dnmf.convert(
            source, tmp_path / "out.zarr", chunk_bytes=1000,
            progress=lambda done, total: os.utime(part, ns=(1, 1)),
        )  # fmt: skip
    assert not (tmp_path / "out.zarr").exists()
    assert dnmf.convert(source, tmp_path / "out.zarr").shape == A.shape


@pytest.mark.broad(1)
@pytest.mark.parametrize("place", ["obs/name/c/0", "obs/zarr.json"])
def test_a_conversion_looks_after_names_and_not_after_other_matrices(tmp_path, place):
    data = csr(tmp_path)
    root = zarr.open_group(data)
    obs = root.create_group("obs", attributes={"_index": "name", "column-order": []})
    obs.create_array("name", data=np.arange(len(A)))
    root.create_array("layers", data=A, chunks=A.shape)

    def touching(name):
        return {"progress": lambda done, total: os.utime(data / name, ns=(1, 1)), "chunk_bytes": 1000}

    dnmf.convert(data, tmp_path / "out.zarr", **touching("layers/c/0/0"))
    with pytest.raises(dnmf.ChangedError, match=place):
        dnmf.convert(data, tmp_path / "out.zarr", overwrite=True, **touching(place))


@pytest.mark.slow
def test_a_matrix_of_columns_that_changes_while_it_is_turned_is_refused(tmp_path, monkeypatch):
    from dnmf.sources.compressed import CompressedSource

    data, model = csr(tmp_path), dnmf.fit(A, **FIT)
    read = CompressedSource.read

    def reading(source, start, stop):
        os.utime(data / "X/data/c/0", ns=(1, time.time_ns()))
        return read(source, start, stop)

    attributes = zarr.open_group(data)["X"].attrs
    attributes.update({"encoding-type": "csc_matrix", "shape": list(A.shape[::-1])})
    model = dnmf.fit(np.ascontiguousarray(A.T), **FIT)
    monkeypatch.setattr(CompressedSource, "read", reading)
    for act in (model.transform, lambda data: dnmf.measures.relative_error(model, data)):
        with pytest.raises(dnmf.ChangedError, match="X/data/c/0"):
            act(data)


def test_a_conversion_of_a_file_that_is_written_meanwhile_leaves_nothing(tmp_path):
    np.save(tmp_path / "a.npy", A)
    with pytest.raises(dnmf.ChangedError, match=r"a\.npy"):
        dnmf.convert(
            tmp_path / "a.npy", tmp_path / "out.zarr", chunk_bytes=1000,
            progress=lambda done, total: os.utime(tmp_path / "a.npy", ns=(1, 1)),
        )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy"]


class _Counting:
    """A look that takes as long as it is told, by a clock of its own."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.looks, self.seconds = 0.0, 0, seconds
        monkeypatch.setattr(guard.time, "perf_counter", lambda: self.now)

    def __call__(self):
        self.looks += 1
        self.now += self.seconds
        return {}


@pytest.mark.parametrize(("look_s", "looks"), [(0.01, 20), (0.09, 10), (1.0, 1)])
def test_looking_takes_a_small_share_of_the_passes(monkeypatch, look_s, looks):
    look = _Counting(monkeypatch, look_s)
    watch = guard.Guard("data", look)
    for _ in range(20):
        watch.after_pass(1.0)
    assert look.looks - 1 == looks


def test_a_short_look_is_always_taken(monkeypatch):
    look = _Counting(monkeypatch, guard.FREE_S / 2)
    watch = guard.Guard("data", look)
    for _ in range(20):
        watch.after_pass(guard.FREE_S)
    assert look.looks - 1 == 20


def test_a_change_that_is_found_late_says_since_when_it_may_have_been_read(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "FREE_S", 0.0)
    monkeypatch.setattr(guard, "MOST_SHARE", 0.0)
    data = dense_zarr(tmp_path)
    with pytest.raises(dnmf.ChangedError, match="during one of the last 4 passes"):
        dnmf.fit(data, **FIT, callbacks=(after_pass(1, lambda: write_anew(data / "c/0/0")),))


def test_data_in_memory_and_dask_blocks_have_no_files_to_look_at():
    import dask.array

    for values in (A, scipy.sparse.csr_array(A), dask.array.from_array(A, chunks=(20, 12))):
        assert dnmf.open_source(values).stored_arrays() == ()
