"""Core consistency says how many components an array has; it is that of the dense formula, on workers too."""

import numpy as np
import pytest
import zarr
from cubes import planted

import dnmf
from dnmf.errors import InputError
from dnmf.measures import core_consistency


@pytest.fixture(scope="module")
def cube():
    return planted((40, 12, 10), 3, noise=0.02, seed=5)[0]


def by_hand(model, array):
    W, *short = [X.astype(float) for X in (model.factor(0) * model.d, model.factor(1), model.factor(2))]
    core = np.einsum("pi,qj,rk,ijk->pqr", *(np.linalg.pinv(X) for X in (W, *short)), array)
    wanted = np.zeros_like(core)
    wanted[(np.arange(model.rank),) * 3] = 1
    return core, 100 * (1 - np.sum((core - wanted) ** 2) / model.rank)


def test_it_is_that_of_the_dense_formula(cube):
    model = dnmf.cp(cube, 3, dtype="float64", restarts=3)
    found = core_consistency(model, cube)
    core, consistency = by_hand(model, cube)
    np.testing.assert_allclose(found.core, core, atol=1e-8)
    assert found.consistency == pytest.approx(consistency, abs=1e-6)


@pytest.mark.slow
def test_it_falls_where_there_are_more_components_than_the_array_has(cube):
    found = [core_consistency(dnmf.cp(cube, rank, restarts=3, tol=1e-6), cube).consistency for rank in (1, 2, 3, 6)]
    assert min(found[:3]) > 90
    assert found[3] < 50


@pytest.mark.slow
def test_whichever_axis_is_long_and_wherever_it_lies(cube, tmp_path, client):
    zarr.create_array(tmp_path / "cube.zarr", data=cube, chunks=(20, 4, 10))
    model = dnmf.cp(tmp_path / "cube.zarr", 3, row_axes=1, dtype="float64", restarts=3, store=tmp_path / "run.dnmf")
    here = core_consistency(model, tmp_path / "cube.zarr")
    np.testing.assert_array_equal(core_consistency(model, tmp_path / "cube.zarr", client=client).core, here.core)
    assert here.consistency > 90


def test_other_models_and_other_data_are_refused(cube):
    model = dnmf.cp(cube, 2)
    with pytest.raises(InputError, match="has no core"):
        core_consistency(dnmf.fit(cube, 2, row_axes=0), cube)
    with pytest.raises(InputError, match="has 10 rows"):
        core_consistency(model, cube[:10])
    with pytest.raises(InputError, match="all components"):
        core_consistency(dnmf.cp(np.zeros((4, 3, 2)), 1), np.zeros((4, 3, 2)))
