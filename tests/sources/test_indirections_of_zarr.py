"""What a Zarr store leads to: copies of metadata, extensions, links, and chunks that are left out."""

import json
import os
import shutil

import dask.array
import numpy as np
import pytest
import zarr
from source_contract import read

import dnmf
from dnmf import open_source
from dnmf.errors import InputError


def read_all(data, **options):
    source = open_source(data, **options)
    return read(source, 0, source.shape[0])


def group_with_a_copy_of_its_metadata(folder, zarr_format):
    root = zarr.open_group(folder / "g.zarr", mode="w", zarr_format=zarr_format)
    how = {"chunks": (4, 3), "dtype": "f4", "config": {"write_empty_chunks": True}}
    root.create_array("X", shape=(8, 3), **how)[:] = 1
    root.create_array("old", shape=(8, 3), **how)[:] = 1
    zarr.consolidate_metadata(folder / "g.zarr")
    root["X"].resize((12, 3))
    root["X"][8:] = 2
    root.create_array("new", shape=(4, 3), **how)[:] = 3
    shutil.rmtree(folder / "g.zarr" / "old")
    return str(folder / "g.zarr")


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("above", ["", "mod/rna"])
def test_a_stale_copy_of_the_metadata_is_not_asked(tmp_path, zarr_format, above):
    path = group_with_a_copy_of_its_metadata(tmp_path / above, zarr_format)
    for folder in ("", "mod", "mod/rna") if above else ():
        zarr.create_group(tmp_path / folder, zarr_format=zarr_format)
    prefix = f"{tmp_path}::{above}/g.zarr" if above else path
    within = f"{prefix}/" if above else f"{path}::"
    assert read_all(prefix)[:, 0].tolist() == [1] * 8 + [2] * 4
    assert read_all(f"{within}new").sum() == 36
    with pytest.raises(InputError, match="there is no .*old' in it"):
        read_all(f"{within}old")


def with_metadata(folder, **changes):
    array = zarr.create_array(folder / "a.zarr", shape=(8, 3), chunks=(4, 3), dtype="f4")
    array[:] = 1
    file = folder / "a.zarr" / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder / "a.zarr"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"storage_transformers": [{"name": "shifted", "configuration": {}}]}, "shifted"),
        ({"chunk_grid": {"name": "ragged", "configuration": {"chunk_shapes": [[3, 5], [3]]}}}, "ragged"),
        ({"chunk_key_encoding": {"name": "fanned", "configuration": {}}}, "fanned"),
        ({"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "magic"}]}, "magic"),
        ({"reversed": {"must_understand": True}}, "reversed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_extension_that_is_not_known_is_named(tmp_path, changes, named):
    with pytest.raises(InputError, match=f"a.zarr: .*{named}"):
        read_all(with_metadata(tmp_path, **changes))


@pytest.mark.parametrize("chunk", ["c/1/0", "1.0", "1/0"])
def test_a_chunk_that_is_a_link_to_nothing_is_missing(tmp_path, chunk):
    how = {"1.0": {"zarr_format": 2}, "1/0": {"chunk_key_encoding": {"name": "v2", "separator": "/"}}}.get(chunk, {})
    zarr.create_array(tmp_path / "a.zarr", shape=(8, 3), chunks=(4, 3), dtype="f4", **how)[:] = 1
    os.rename(tmp_path / "a.zarr" / chunk, tmp_path / "moved")
    os.symlink(tmp_path / "moved", tmp_path / "a.zarr" / chunk)
    assert read_all(tmp_path / "a.zarr").sum() == 24
    os.unlink(tmp_path / "moved")
    with pytest.raises(InputError, match=f"chunk {chunk} .* is missing"):
        read_all(tmp_path / "a.zarr")


@pytest.mark.parametrize("open_it", [str, lambda path: dask.array.from_zarr(str(path))], ids=["by path", "by dask"])
@pytest.mark.parametrize("codec", [{}, {"compressors": zarr.codecs.GzipCodec()}], ids=["in place", "by Zarr"])
def test_a_directory_in_the_place_of_a_chunk_is_a_missing_chunk(tmp_path, codec, open_it):
    zarr.create_array(tmp_path / "a.zarr", shape=(8, 3), chunks=(4, 3), dtype="f4", **codec)[:] = 1
    (tmp_path / "a.zarr/c/1/0").unlink()
    (tmp_path / "a.zarr/c/1/0").mkdir()
    with pytest.raises(InputError, match="chunk c/1/0 .*is missing|cannot be read .*c/1/0.*Is a directory"):
        dnmf.fit(open_it(tmp_path / "a.zarr"), 2, max_passes=1)


def test_a_link_that_leads_round_in_a_circle_is_followed_once(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(8, 3), chunks=(4, 3), dtype="f4")[:] = 1
    os.symlink("..", tmp_path / "a.zarr/c/round")
    assert dnmf.fit(tmp_path / "a.zarr", 1, max_passes=1).relative_error < 1e-6


@pytest.mark.parametrize("codec", [{}, {"compressors": zarr.codecs.GzipCodec()}], ids=["in place", "by Zarr"])
def test_zeros_left_out_are_not_another_fill_value_of_zarr(tmp_path, codec):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(8, 3), chunks=(4, 3), dtype="f4", fill_value=7, **codec)
    array[:4] = 1
    with pytest.raises(InputError, match="chunk c/1/0 .* fill value of the array, which is not zero"):
        read_all(tmp_path / "a.zarr", missing_chunks="zeros")


def test_a_chunk_left_out_of_a_whole_shard_is_what_its_writer_meant(tmp_path):
    A = np.zeros((8, 4), "f4")
    A[0] = 1
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(2, 4), shards=(8, 4))
    np.testing.assert_array_equal(read_all(tmp_path / "a.zarr"), A)
