"""The demo: real data, its folder, the pictures, and the command as a user runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from example_models import model_of

import dnmf
from dnmf import demo
from dnmf.inspection import components


@pytest.fixture(scope="module")
def digits():
    return demo.load_digits()


def test_the_data_is_whole_in_several_chunks_and_named(tmp_path, digits):
    data, store = demo.prepare_folder(tmp_path / "new", digits)
    source = dnmf.open_source(data)
    assert np.array_equal(source.read(0, 1797), digits.values)
    assert source.column_names()[-1] == "r7c7"
    assert source.row_names()[3] == "image 3 (digit 3)"
    assert source.layout().row_step < 1797
    assert store == tmp_path / "new" / "digits.dnmf"


def test_a_second_demo_uses_the_data_again_and_gets_another_store(tmp_path, digits):
    data, store = demo.prepare_folder(tmp_path, digits)
    changed = data.stat().st_mtime_ns
    store.mkdir()
    again, other = demo.prepare_folder(tmp_path, digits)
    assert (again, again.stat().st_mtime_ns) == (data, changed)
    assert other == tmp_path / "digits-2.dnmf"


def test_a_folder_with_something_else_is_left_alone(tmp_path, digits):
    (tmp_path / "digits.zarr").mkdir()
    with pytest.raises(dnmf.InputError, match="--dir"):
        demo.prepare_folder(tmp_path, digits)
    assert list((tmp_path / "digits.zarr").iterdir()) == []


def test_a_file_is_no_folder(tmp_path, digits):
    (tmp_path / "file").touch()
    with pytest.raises(dnmf.InputError, match="--dir"):
        demo.prepare_folder(tmp_path / "file", digits)


def test_scikit_learn_reads_twice_in_an_iteration(digits):
    found = demo.fit_with_sklearn(digits.values[:100], rank=2)
    assert found.reads == 2 * found.iterations
    assert 0 < found.relative_error < 1


def test_a_picture_has_eight_lines_of_pixels_two_wide():
    image = np.zeros(64)
    image[[0, 63]] = 1, 0.01
    lines = demo.picture(image)
    assert [len(line) for line in lines] == [16] * 8
    assert lines[0].startswith("@@ ")
    assert lines[7].endswith(" ..")


def test_an_empty_picture_is_blank():
    assert set("".join(demo.picture(np.zeros(64)))) == {" "}


@pytest.mark.parametrize(("columns", "in_a_row"), [(100, 5), (80, 4), (10, 1)])
def test_as_many_pictures_as_fit_stand_side_by_side(columns, in_a_row):
    H = np.full((10, 64), 1 / 64)
    lines = demo.thumbnails(components(model_of(np.ones((10, 10)), H), 1), H, columns)
    assert lines[0].count("%") == in_a_row
    assert max(len(line) for line in lines) <= max(columns, 16)


def run_demo(*arguments, cwd):
    command = [sys.executable, "-m", "dnmf.cli", "demo", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=240)


@pytest.mark.slow
def test_the_demo_ends_better_than_scikit_learn_and_leaves_a_model(tmp_path):
    done = run_demo("--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pass   1" in done.stderr
    for word in ("relative error", "scikit-learn NMF", "reads of the data", "dnmf inspect", "dnmf status", "dnmf.load"):
        assert word in done.stdout
    assert "Traceback" not in done.stderr
    model = dnmf.load(tmp_path / "dnmf-demo" / "digits.dnmf")
    assert (model.shape, model.rank) == ((1797, 64), 10)
    assert model.relative_error < 0.33


@pytest.mark.slow
def test_a_second_demo_works_and_its_json_holds_the_comparison(tmp_path):
    assert run_demo(cwd=tmp_path).returncode == 0
    again = run_demo("--json", cwd=tmp_path)
    result = json.loads(again.stdout.splitlines()[-1])
    assert result["type"] == "result"
    assert result["store"].endswith("digits-2.dnmf")
    assert result["relative_error"] <= result["sklearn"]["relative_error"] + 1e-3
    assert result["reads"] < result["sklearn"]["reads"] / 5
