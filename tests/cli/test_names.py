"""Names of rows and columns on the command line: given in files, found by name, told by `inspect`."""

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call, records

import dnmf

WORDS = [f"word {at}" for at in range(40)]


@pytest.fixture
def words(tmp_path):
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path / "words.txt"


@pytest.mark.slow
def test_names_in_files_are_those_of_the_model(tmp_path, data, words):
    (tmp_path / "docs.txt").write_text("".join(f"doc {at}\n" for at in range(zarr.open_array(data).shape[0])))
    about = ("--rank", 3, "--columns", words, "--rows", tmp_path / "docs.txt", "--max-passes", 2)
    assert call("fit", data, "--store", tmp_path / "a.dnmf", *about).exit_code == 0
    model = dnmf.load(tmp_path / "a.dnmf")
    assert model.column_names.tolist() == WORDS
    assert model.row_names[:2].tolist() == ["doc 0", "doc 1"]
    assert "word " in call("inspect", tmp_path / "a.dnmf").stdout
    path = call("path", data, "--store", tmp_path / "p.dnmf", "--strengths", "0", "--l1", "1", *about)
    assert path.exit_code == 0, path.stderr
    assert dnmf.load_path(tmp_path / "p.dnmf").model(0.0).column_names.tolist() == WORDS


def test_as_many_names_as_columns_are_asked_for(tmp_path, data, words):
    words.write_text("one\ntwo\n")
    result = call("fit", data, "--rank", 3, "--store", tmp_path / "a.dnmf", "--columns", words)
    assert_one_clear_line(result, "words.txt", "2 names for 40 columns")


@pytest.mark.slow
def test_columns_of_other_data_are_found_by_name(tmp_path, data, words):
    store, order = tmp_path / "a.dnmf", np.random.default_rng(0).permutation(40)
    assert call("fit", data, "--rank", 3, "--store", store, "--columns", words, "--dtype", "float64").exit_code == 0
    values = zarr.open_array(data)[:]
    zarr.create_array(tmp_path / "other.zarr", data=values[:, order])
    (tmp_path / "other.txt").write_text("\n".join(WORDS[at] for at in order))
    about = (store, tmp_path / "other.zarr", "--columns", tmp_path / "other.txt")
    assert_one_clear_line(call("transform", *about, "--out", tmp_path / "no.zarr"), "is named", "in the fit 'word 0'")
    result = call("transform", *about, "--out", tmp_path / "W.zarr", "--columns-match", "--json")
    assert records(result)[-1]["shape"] == [len(values), 3]
    found = zarr.open_array(tmp_path / "W.zarr", mode="r")[:]
    np.testing.assert_allclose(found, dnmf.load(store).transform(values).compute(), rtol=1e-6, atol=1e-12)


def test_columns_that_are_only_counted_are_told_by_their_numbers(tmp_path, data, words):
    words.write_text("\n".join(map(str, range(40))))
    assert call("fit", data, "--rank", 3, "--store", tmp_path / "a.dnmf", "--columns", words).exit_code == 0
    (found,) = records(call("inspect", tmp_path / "a.dnmf", "--json"))
    assert not found["column_names"]
    assert not found["row_names"]
