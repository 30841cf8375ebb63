"""Pickles in stores are refused, and nothing of them is run."""

import json
import pickle
from pathlib import Path

import pytest
import zarr
from small_stores import compressed_zarr, fit, small

from dnmf.errors import InputError


@pytest.fixture
def A():
    return small()


class Exploit:
    ran = False

    def __reduce__(self):
        return (Path.touch, (Path("exploited"),))


@pytest.mark.parametrize("dtype", ["|O", "<f8"])
@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_pickled_values_are_refused_and_nothing_is_run(tmp_path, monkeypatch, dtype, place):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    codec = {"id": "pickle", "protocol": 5}
    record = {"zarr_format": 2, "shape": [4, 3], "chunks": [4, 3], "dtype": dtype, "fill_value": 0, "order": "C",
              "filters": [codec] if place == "filters" else None,
              "compressor": codec if place == "compressor" else None}  # fmt: skip
    (folder / ".zarray").write_text(json.dumps(record))
    (folder / "0.0").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(InputError, match=r"a\.zarr"):
        fit(folder)
    assert not (tmp_path / "exploited").exists()


def test_pickled_names_are_refused_and_nothing_is_run(A, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = compressed_zarr(A, tmp_path)
    root = zarr.open_group(path, mode="r+")
    for frame in ("obs", "var"):
        root.create_group(frame, attributes={"_index": "names"})
        names = path / frame / "names"
        names.mkdir()
        record = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "fill_value": "", "order": "C",
                  "filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}], "compressor": None}  # fmt: skip
        (names / ".zarray").write_text(json.dumps(record))
        (names / "0").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(InputError, match="names"):
        fit(path)
    assert not (tmp_path / "exploited").exists()
