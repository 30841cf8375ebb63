"""Arrays that the caller has opened are taken at every door by the values they stand for, or refused."""

from functools import cache

import dask.array as da
import numpy as np
import pytest
from packed_stores import COLUMNS, PACKED, hdf5, opened_array, zarr_array

import dnmf
from dnmf import open_source
from dnmf.errors import InputError

xarray = pytest.importorskip("xarray", reason="xarray is not installed")


@cache
def estimator(rank):
    return dnmf.NMF(rank, tol=0.5, random_state=0, dtype="float64").fit(OTHER)


OTHER = np.random.default_rng(1).random((8, COLUMNS)) + 0.5
DOORS = {
    "the data": lambda array: dnmf.fit(array, 2, max_passes=2, dtype="float64").H,
    "NMF.fit": lambda array: dnmf.NMF(2, tol=0.5, random_state=0).fit(array).components_,
    "NMF.transform": lambda array: np.asarray(estimator(2).transform(array)),
    "NMF.inverse_transform": lambda array: np.asarray(estimator(4).inverse_transform(array)),
    "H": lambda array: dnmf.fit(OTHER, 3, H=array, max_passes=1).H,
    "fixed_H": lambda array: dnmf.fit(OTHER, 3, constraints=dnmf.Constraints(fixed_H=array), max_passes=1).H,
    "an array to compare": lambda array: dnmf.measures.similarity(estimator(3).model_, array),
}
PACKED_AWAY = {"scale_factor": 0.5, "add_offset": 1.0}


@pytest.mark.broad(5)
@pytest.mark.parametrize("store", [zarr_array, hdf5])
@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_the_values_of_an_opened_array(door, store, tmp_path):
    array = opened_array(store(PACKED[:3].astype("i2"), PACKED_AWAY, tmp_path))
    np.testing.assert_array_equal(DOORS[door](array), DOORS[door](PACKED[:3] * 0.5 + 1))


NOT_TAKEN = {
    "a fill value": ({"_FillValue": 6}, r"element \(1, 2\) is 6, which is missing there \(_FillValue\)"),
    "a limit": ({"valid_max": 9}, r"element \(2, 2\) is 10, which is not valid \(valid_max 9\)"),
    "times": ({"units": "days since 2001-01-01"}, "holds times"),
}


@pytest.mark.broad(12)
@pytest.mark.parametrize("store", [zarr_array, hdf5])
@pytest.mark.parametrize("case", NOT_TAKEN)
@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_an_opened_array_for_values_that_it_does_not_have(door, case, store, tmp_path):
    attributes, message = NOT_TAKEN[case]
    array = opened_array(store(PACKED[:3].astype("i2"), attributes, tmp_path))
    with pytest.raises(InputError, match=message):
        DOORS[door](array)


@pytest.mark.parametrize("store", [zarr_array, hdf5])
@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_packed_values_through_dask(door, store, tmp_path):
    array = da.from_array(opened_array(store(PACKED[:5].astype("i2"), PACKED_AWAY, tmp_path)), chunks=(2, 4))[:3]
    with pytest.raises(InputError, match=r"\(scale_factor, add_offset\) say that its values are not decoded"):
        DOORS[door](array)


def test_an_array_that_was_opened_without_decoding_is_refused():
    packed = xarray.DataArray(PACKED, dims=("r", "c"), attrs={"scale_factor": 0.1})
    with pytest.raises(InputError, match=r"attributes \(scale_factor\) say that its values are not decoded"):
        open_source(packed)
    assert open_source(packed.assign_attrs(scale_factor=0.1, units="m").drop_attrs()).shape == PACKED.shape
