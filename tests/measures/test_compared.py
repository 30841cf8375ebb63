"""Components of models of arrays are compared where they are of the same axes: else over all of a CP, or not at all."""

import numpy as np
import pytest
from cubes import planted

import dnmf
from dnmf.errors import InputError
from dnmf.measures import align, match

xarray = pytest.importorskip("xarray", reason="xarray is not installed")

SHAPE, RANK, DIMS = (6, 6, 4), 3, ("sample", "emission", "excitation")


@pytest.fixture(scope="module")
def cube():
    labels = {"emission": list("abcdef")}
    return xarray.DataArray(planted(SHAPE, RANK, noise=0.05)[0], dims=DIMS, coords=labels)


def fitted(cube, rows, door=dnmf.cp):
    return door(cube, RANK, row_axes=rows, dtype="float64", tol=1e-9, max_passes=300)


@pytest.fixture(scope="module")
def model(cube):
    return fitted(cube, "sample")


def test_two_cps_are_compared_over_all_axes_whichever_is_long(model, cube):
    others = {
        "another long axis": fitted(cube, "emission"),
        "without names": fitted(cube.values, 1),
        "axes in another order": fitted(cube.transpose("excitation", "sample", "emission"), "excitation"),
    }
    for other in others.values():
        np.testing.assert_allclose(match(other, model, side="both").cosines, 1, atol=1e-4)
        order = align(other, model, side="both")
        for axis in (0, 1, 2):
            mine = model.factor(axis)
            theirs = order.factor(DIMS[axis] if DIMS[axis] in order.lengths else axis)
            np.testing.assert_allclose(theirs, mine, atol=1e-2)


def test_a_model_of_one_axis_is_compared_with_itself_as_by_its_sides(model):
    both = dnmf.measures.cosines(model, "both")
    np.testing.assert_allclose(both, dnmf.measures.cosines(model, "W") * dnmf.measures.cosines(model, "H"), atol=1e-12)
    assert (both == both.T).all()


@pytest.mark.parametrize("door", [dnmf.cp, dnmf.fit])
def test_sides_that_are_made_of_other_axes_are_refused(door, cube):
    one, other = fitted(cube, "sample", door), fitted(cube, "emission", door)
    for side in ("W", "H") if door is dnmf.cp else ("W", "H", "both"):
        with pytest.raises(InputError, match="those of emission, of the second those of sample"):
            match(one, other, side)


def test_columns_in_another_order_are_refused_and_rows_are_compared(cube):
    one = fitted(cube, "sample", dnmf.fit)
    turned = fitted(cube.transpose("sample", "excitation", "emission"), "sample", dnmf.fit)
    mirrored = fitted(cube[:, ::-1], "sample", dnmf.fit)
    for other, words in ((turned, "come as emission, excitation"), (mirrored, "0 is named 'a', in the second 'f'")):
        with pytest.raises(InputError, match=words):
            match(other, one, "H")
        assert match(other, one, "W").cosines.max() > 0.8


def test_labels_and_axes_of_two_cps_are_compared(model, cube):
    with pytest.raises(InputError, match="entry along emission 0 is named"):
        match(fitted(cube[:, ::-1], "sample"), model, "both")
    with pytest.raises(InputError, match="cannot be compared: their axes differ"):
        match(fitted(cube.rename(emission="em"), "sample"), model, "both")
    four = planted((4, 5, 6, 3), 2)[0]
    for rows in ((1, 0), 0):
        with pytest.raises(InputError, match="cannot be compared: their axes differ"):
            match(dnmf.cp(four, 2, row_axes=rows), dnmf.cp(four, 2, row_axes=(0, 1)), "both")
