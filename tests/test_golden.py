"""What another program found: RcppML's factors, reproduced by the whole engine on a Zarr store."""

import csv
import gzip

import numpy as np
import pytest
import zarr
from scipy.io import mmread

import dnmf

pytestmark = pytest.mark.numeric

SETTINGS = ["L1_0_L2_0", "L1_0.1_L2_0", "L1_0_L2_0.02", "L1_0.05_L2_0.01"]


def _table(path):
    with gzip.open(path, "rt") as stream:
        return np.loadtxt(stream, delimiter=",", ndmin=2)


@pytest.fixture(scope="module")
def species_store(shared_data, tmp_path_factory):
    """Species × grids, as RcppML saw it, in nine chunks."""
    values = mmread(shared_data / "hawaiibirds_counts.mtx.gz").toarray()
    path = tmp_path_factory.mktemp("golden") / "species.zarr"
    zarr.create_array(path, data=values, chunks=(21, 400), config={"write_empty_chunks": True})
    return path


@pytest.mark.broad(1)
@pytest.mark.parametrize("tag", SETTINGS)
def test_ten_iterations_reproduce_rcppml(tag, golden, species_store, client):
    folder = golden / "rcppml_fits"
    row = next(r for r in csv.DictReader((folder / "index.csv").read_text().splitlines()) if r["tag"] == tag)
    start = _table(folder / f"winit_seed{row['seed']}.csv.gz")
    W, d, H = (_table(folder / f"{tag}_{part}.csv.gz") for part in "wdh")
    penalty = dnmf.Penalty(l1=float(row["L1"]), l2=float(row["L2"]), scale="absolute")

    model = dnmf.fit(
        species_store, rank=10, W=start if start.shape[1] == 10 else start.T, penalty=penalty, dtype="float64",
        tol=0, max_passes=10, client=client,
    )  # fmt: skip

    # RcppML orders its components by d; so do we, for the comparison.
    order = np.argsort(-model.d, kind="stable")
    W = W if W.shape[1] == 10 else W.T
    H = H if H.shape[0] == 10 else H.T
    assert len(model.history) == 10
    assert np.abs(model.read_W()[:, order] - W).max() <= 1e-6
    np.testing.assert_allclose(model.d[order], d.ravel(), rtol=1e-6)
    assert np.abs(model.H[order] - H).max() <= 1e-6
