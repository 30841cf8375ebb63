"""Values of extended precision that double precision would make zero, or infinite, are refused with their place."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf import open_source
from dnmf.errors import InputError

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

EXTENDED = np.longdouble
pytestmark = pytest.mark.skipif(
    np.finfo(EXTENDED).tiny == np.finfo(float).tiny, reason="this machine has no extended precision"
)
VALUES = np.arange(1, 25, dtype=EXTENDED).reshape(6, 4)
OTHER = np.ones((8, 4)) + np.eye(8, 4)
TOO_MUCH = {"too small": EXTENDED(10) ** -400, "too large": EXTENDED(10) ** 400}


def in_hdf5(values, folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"] = values
    return folder / "a.h5"


DOORS = {
    "dense": lambda values, _: open_source(values),
    "sparse": lambda values, _: open_source(scipy.sparse.csr_array(values)),
    "through dask": lambda values, _: open_source(da.from_array(values, chunks=(3, 4))).read(0, 6),
    "HDF5": lambda values, folder: open_source(in_hdf5(values, folder)).read(0, 6),
    "NMF": lambda values, _: dnmf.NMF(2, tol=0.5).fit(values),
    "H": lambda values, _: dnmf.fit(OTHER, 4, H=values[2:], max_passes=1),
    "fixed_H": lambda values, _: dnmf.fit(OTHER, 4, constraints=dnmf.Constraints(fixed_H=values[2:]), max_passes=1),
}


@pytest.mark.parametrize("size", TOO_MUCH)
@pytest.mark.parametrize("door", DOORS)
def test_values_that_double_precision_cannot_hold_are_refused(door, size, tmp_path):
    values = VALUES.copy()
    values[4, 1] = TOO_MUCH[size]
    with pytest.raises(InputError, match=r"element .* is 1e[+-]400, which float64 cannot hold"):
        DOORS[door](values, tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_other_values_of_extended_precision_are_rounded(door, tmp_path):
    values = VALUES / 3
    values[4, 1] = 0
    DOORS[door](values, tmp_path)
    np.testing.assert_array_equal(open_source(values).read(0, 6), values.astype(float))
