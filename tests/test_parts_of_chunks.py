"""Chunks that hold values as they are can be read in parts; others are read whole, and a plan knows their bytes."""

import numpy as np
import pytest
import zarr

from dnmf import open_source
from dnmf.memory import Machine, Shape
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.threads import InProcess
from dnmf.passes.work import Work
from dnmf.plan import make_plan

SHAPE_OF_600 = Shape(600, 3, 8)


@pytest.mark.parametrize(
    ("chunks", "options", "stored", "on_its_way"),
    [
        ((10, 600), {}, "largest", 0),
        ((10, 300), {}, "largest", 1),
        ((10, 600), {"compressors": None}, "nothing", 0),
        ((7, 600), {"compressors": None}, "nothing", 0),
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


RAW = {"compressors": None}
IN_PARTS = {
    "plain": ((400, 600), RAW, 1), "plain, ragged": ((300, 600), RAW, 1),
    "one chunk larger than the array": ((5_000, 600), RAW, 1),
    "plain, version 2": ((400, 600), {**RAW, "zarr_format": 2}, 1),
    "chunks in a shard": ((50, 600), {"shards": (400, 600)}, 50),
    "plain in a shard": ((200, 600), {**RAW, "shards": (400, 600)}, 1),
    "narrow chunks in a shard": ((50, 300), {**RAW, "shards": (400, 600)}, 50),
}  # fmt: skip
ONLY_WHOLE = {
    "compressed": ((400, 600), {}),
    "checked": ((400, 600), {"compressors": [zarr.codecs.Crc32cCodec()]}),
    "narrow": ((400, 300), RAW),
    "column-major": ((400, 600), {"zarr_format": 2, "order": "F", **RAW}),
    "other byte order": ((400, 600), {"serializer": zarr.codecs.BytesCodec(endian="big"), **RAW}),
    "small": ((50, 600), RAW),
}


def stored_as(path, chunks, how):
    values = np.random.default_rng(0).integers(0, 9, (1_000, 600)).astype(np.float32)
    zarr.create_array(path, data=values, chunks=chunks, **how)
    return open_source(path), values


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 64 rows of 600 columns."""
    monkeypatch.setattr("dnmf.sources.dense.PART_BYTES", 100 * 600 * 4)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("kind", IN_PARTS)
def test_chunks_that_hold_values_as_they_are_can_be_read_in_parts(tmp_path, kind):
    chunks, how, least = IN_PARTS[kind]
    source, values = stored_as(tmp_path / "a.zarr", chunks, how)
    whole, parts = source.layout(), source.layout().parts
    assert set(whole.cuts) < set(parts.cuts)
    assert parts.cuts[-1] == len(values)
    assert np.diff(parts.cuts).max() <= max(64, least)
    assert not (parts.cuts[:-1] % least).any()
    assert np.array_equal(parts.bytes_before, parts.cuts * 2_400)
    for start, stop in zip(parts.cuts[:-1], parts.cuts[1:], strict=True):
        rows = source.read(start, stop)
        assert np.array_equal(rows, values[start:stop])
        assert source.touched_bytes(start, stop, rows) == rows.nbytes


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("kind", ONLY_WHOLE)
def test_other_chunks_are_read_whole(tmp_path, kind):
    source, _ = stored_as(tmp_path / "a.zarr", *ONLY_WHOLE[kind])
    assert source.layout().parts is None


@pytest.mark.usefixtures("small_parts")
def test_rows_of_parts_are_those_of_whole_chunks(tmp_path):
    source, values = stored_as(tmp_path / "a.zarr", (400, 600), RAW)
    layout, machine = source.layout(), Machine(1, 2**34, 0)
    whole = make_plan(layout, SHAPE_OF_600, machine)
    parts = make_plan(layout, SHAPE_OF_600, machine, {**whole.cuts_json(), "in_parts": True, "panel_bytes": 200_000})
    assert parts.n_panels > whole.n_panels
    H = np.random.default_rng(1).random((3, 600))
    work = Work((solve_for_rows(H),), "float64", check=True)
    one, other = (run_pass(InProcess(2), source, plan, work, targets=("",)) for plan in (whole, parts))
    assert np.array_equal(*(np.concatenate(list(found.models[0].kept.values())) for found in (one, other)))
    np.testing.assert_allclose(one.models[0].P, other.models[0].P, rtol=1e-12)
    assert one.bytes_read == other.bytes_read == values.nbytes
