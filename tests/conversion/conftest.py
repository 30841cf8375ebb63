"""Where the shared data is, and what the tests of conversion ask of a target."""

from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def shared_matrix():
    """A function that gives the path of a shared Matrix Market file, or skips the test."""

    def path_of(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"{name} is not beside this checkout, in ../shared/data")
        return path

    return path_of


@pytest.fixture
def read_back():
    """A function that reads a target with anndata and gives a canonical CSR matrix, or an array."""

    def read(target: Path):
        X = anndata.read_zarr(target).X
        if isinstance(X, np.ndarray):
            return X
        assert X.format == "csr"
        assert X.has_canonical_format, "columns are sorted and no cell is stored twice"
        assert np.all(X.data != 0)
        return sparse.csr_array(X)

    return read


@pytest.fixture
def nothing_left(tmp_path):
    """A function that checks that a failed conversion left neither a target nor temporary files."""

    def check(*expected: str) -> None:
        left = {path.name for path in tmp_path.iterdir()}
        assert left == set(expected), left

    return check
