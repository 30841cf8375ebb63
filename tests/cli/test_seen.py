"""What is seen of an AnnData on the command line: a layer, some columns, some rows."""

import numpy as np
import pytest
import scipy.sparse
from command_line import assert_one_clear_line, call, records

import dnmf

A = np.random.default_rng(0).poisson(1.0, (120, 30)).astype("f4")
CHOSEN, GOOD = np.arange(30) % 3 > 0, np.arange(120) % 4 > 0


@pytest.fixture(params=["zarr", "h5ad"])
def cells(request, tmp_path):
    anndata = pytest.importorskip("anndata")
    data = anndata.AnnData(scipy.sparse.csr_matrix(A))
    data.layers["twice"] = scipy.sparse.csr_matrix(2 * A)
    data.var["chosen"], data.obs["good"] = CHOSEN, GOOD
    path = tmp_path / f"cells.{request.param}"
    getattr(data, f"write_{request.param}")(path)
    return str(path)


ASKED = ("--layer", "twice", "--var-mask", "chosen", "--obs-mask", "good")


@pytest.mark.broad(1)
def test_a_fit_of_a_layer_and_of_some_of_it(cells, tmp_path):
    store = tmp_path / "run.dnmf"
    assert call("fit", cells, "--rank", 3, "--store", store, "--max-passes", 3, "--tol", 0, *ASKED).exit_code == 0
    model = dnmf.load(store)
    expected = dnmf.fit(dnmf.open_source(f"{cells}::layers/twice", columns=CHOSEN, rows=GOOD), 3, max_passes=3, tol=0)
    assert model.H.tobytes() == expected.H.tobytes()
    assert model.address.endswith("::layers/twice")
    assert model.column_names.tolist() == np.flatnonzero(CHOSEN).astype(str).tolist()
    for command in ("status", "inspect"):
        assert "90 rows of the data, 20 columns of the data" in call(command, store).stdout
    assert call("resume", store, "--max-passes", 5).exit_code == 0
    assert len(dnmf.load(store).history) == 5


@pytest.mark.broad(1)
def test_a_path_and_a_plan_of_the_same(cells, tmp_path):
    found = records(call("inspect", cells, *ASKED, "--json"))[-1]
    assert (found["shape"], found["seen"]) == ([90, 20], {"rows": 90, "columns": 20})
    assert "90 rows × 20 columns" in call("inspect", cells, *ASKED).stdout
    about = ("--rank", 2, "--l1", 1, "--strengths", "0", "--max-passes", 2)
    assert call("path", cells, "--store", tmp_path / "p.dnmf", *about, *ASKED).exit_code == 0
    assert dnmf.load_path(tmp_path / "p.dnmf").model(0.0).H.shape == (2, 20)
    assert "90 rows of the data" in call("status", tmp_path / "p.dnmf").stdout


@pytest.mark.broad(1)
def test_other_rows_of_the_same_columns(cells, tmp_path):
    store = tmp_path / "run.dnmf"
    assert call("fit", cells, "--rank", 2, "--store", store, "--var-mask", "chosen").exit_code == 0
    assert call("transform", store, cells, "--out", tmp_path / "W.zarr", "--var-mask", "chosen").exit_code == 0
    assert_one_clear_line(call("transform", store, cells, "--out", tmp_path / "no.zarr"), "has 30 columns")


@pytest.mark.broad(1)
def test_names_are_those_of_all_columns(cells, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"gene {at}\n" for at in range(30)))
    about = ("--store", tmp_path / "run.dnmf", "--var-mask", "chosen", "--columns", tmp_path / "names.txt")
    assert call("fit", cells, "--rank", 2, "--max-passes", 2, *about).exit_code == 0
    names = dnmf.load(tmp_path / "run.dnmf").column_names.tolist()
    assert names == [f"gene {at}" for at in np.flatnonzero(CHOSEN)]


@pytest.mark.broad(1)
def test_a_layer_is_converted(cells, tmp_path):
    assert call("convert", cells, tmp_path / "out.zarr", "--layer", "twice").exit_code == 0
    found = dnmf.open_source(str(tmp_path / "out.zarr")).read(0, 120)
    assert found.data.sum() == 2 * A.sum()


@pytest.mark.broad(1)
def test_what_is_not_there_is_named(cells, tmp_path):
    about = ("fit", cells, "--rank", 2, "--store", tmp_path / "run.dnmf")
    assert_one_clear_line(call(*about, "--layer", "thrice"), "no 'layers/thrice'", "layers/twice")
    assert_one_clear_line(call(*about, "--var-mask", "good"), "var has no column 'good'", "'chosen'")
