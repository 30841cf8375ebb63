"""Components of models of arrays are compared where they are of the same axes: else over all of a CP, or not at all."""

import numpy as np
import pytest
from cubes import planted

import dnmf
from dnmf.errors import InputError
from dnmf.measures import align, match

xarray = pytest.importorskip("xarray", reason="xarray is not installed")

SHAPE, RANK, DIMS = (6, 6, 4), 3, ("sample", "emission", "excitation")


TRUE = dict(zip(DIMS, planted(SHAPE, RANK)[1], strict=True))


@pytest.fixture(scope="module")
def cube():
    labels = {"emission": list("abcdef")}
    return xarray.DataArray(planted(SHAPE, RANK, noise=0.05)[0], dims=DIMS, coords=labels)


def fitted(cube, rows, door=dnmf.cp):
    return door(cube, RANK, row_axes=rows, dtype="float64", tol=1e-9, max_passes=300)


def from_truth(cube, rows, axes=DIMS, names=DIMS):
    """A CP that begins where it ends in any case, on any processor."""
    start = {name: TRUE[axis] for name, axis in zip(names, axes, strict=True)}
    return dnmf.cp(cube, RANK, row_axes=rows, factors=start, dtype="float64", tol=1e-9, max_passes=300)


@pytest.fixture(scope="module")
def model(cube):
    return from_truth(cube, "sample")


def test_two_cps_are_compared_over_all_axes_whichever_is_long(model, cube):
    turned, numbers = ("excitation", "sample", "emission"), [f"axis_{at}" for at in range(3)]
    others = {
        "another long axis": from_truth(cube, "emission"),
        "without names": from_truth(cube.values, 1, names=numbers),
        "axes in another order": from_truth(cube.transpose(*turned), "excitation"),
    }
    for found_anew in others.values():
        other = found_anew.reordered([2, 0, 1])
        found = match(other, model, side="both")
        np.testing.assert_allclose(found.cosines, 1, atol=1e-6)
        assert found.order.tolist() == [1, 2, 0]
        ordered = align(other, model, side="both")
        for axis, name in enumerate(DIMS):
            theirs = ordered.factor(name if name in ordered.lengths else axis)
            np.testing.assert_allclose(theirs, model.factor(name), atol=1e-3)


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


@pytest.mark.parametrize("door", [from_truth, lambda cube, rows: fitted(cube, rows, dnmf.fit)], ids=["cp", "fit"])
def test_columns_in_another_order_are_refused(door, cube):
    one = door(cube, "sample")
    turned = door(cube.transpose("sample", "excitation", "emission"), "sample")
    renamed = door(cube.assign_coords(emission=list("uvwxyz")), "sample")
    for other, words in ((turned, "come as emission, excitation"), (renamed, "0 is named 'a', in the second 'u'")):
        with pytest.raises(InputError, match=words):
            match(other, one, "H")


def test_rows_are_compared_whatever_the_columns_are(model, cube):
    for other in (cube.transpose("sample", "excitation", "emission"), cube.assign_coords(emission=list("uvwxyz"))):
        np.testing.assert_allclose(match(from_truth(other, "sample"), model, "W").cosines, 1, atol=1e-6)


def test_labels_and_axes_of_two_cps_are_compared(model, cube):
    with pytest.raises(InputError, match="entry along emission 0 is named"):
        match(fitted(cube[:, ::-1], "sample"), model, "both")
    with pytest.raises(InputError, match="cannot be compared: their axes differ"):
        match(fitted(cube.rename(emission="em"), "sample"), model, "both")
    four = planted((4, 5, 6, 3), 2)[0]
    for rows in ((1, 0), 0):
        with pytest.raises(InputError, match="cannot be compared: their axes differ"):
            match(dnmf.cp(four, 2, row_axes=rows), dnmf.cp(four, 2, row_axes=(0, 1)), "both")
