"""Paths of nonnegative CP: every model is what `dnmf.cp` finds, and all share their reads."""

import numpy as np
import pytest
from cubes import planted

import dnmf
from dnmf.errors import InputError

RIDGE = dnmf.Penalty(l2=1.0, scale="objective")
STRENGTHS = [0, 0.5, 20, 500]


@pytest.fixture(scope="module")
def cube():
    return planted((40, 9, 8), 3, noise=0.05)[0]


@pytest.fixture(scope="module")
def found(cube):
    return dnmf.path(cube, 5, RIDGE, STRENGTHS, structure="cp", tol=1e-5)


def test_components_die_as_the_ridge_grows(found):
    alive = [row.alive for row in found.rows]
    assert alive == sorted(alive, reverse=True)
    assert alive[0] == 5
    assert alive[-1] < 3


def test_models_are_those_of_cp_and_share_their_reads(found, cube):
    models = [found.model(strength) for strength in STRENGTHS]
    assert all(isinstance(model, dnmf.CPModel) for model in models)
    np.testing.assert_allclose(models[0].H, dnmf.cp(cube, 5, tol=1e-5).H, atol=1e-6)
    assert found.reads < sum(model.reads for model in models)


@pytest.mark.slow
def test_a_path_in_a_store_goes_on_and_is_loaded(cube, found, tmp_path):
    np.save(tmp_path / "cube.npy", cube)
    dnmf.convert(tmp_path / "cube.npy", tmp_path / "cube.zarr", row_axes=0, dtype="float64")
    asked = {"structure": "cp", "tol": 1e-5, "store": tmp_path / "path.dnmf"}
    dnmf.path(tmp_path / "cube.zarr", 5, RIDGE, STRENGTHS, **asked)
    loaded = dnmf.load_path(tmp_path / "path.dnmf")
    assert [row.alive for row in loaded.rows] == [row.alive for row in found.rows]
    assert isinstance(loaded.model(20), dnmf.CPModel)


def test_a_matrix_is_refused():
    with pytest.raises(InputError, match="is a matrix"):
        dnmf.path(np.ones((5, 4)), 2, RIDGE, [1], structure="cp")
