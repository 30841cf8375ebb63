"""Small data is its own sample: a start sees all rows of it."""

import numpy as np
import pytest

import dnmf
from dnmf.starts import race

A = np.random.default_rng(0).random((4000, 20)).astype(np.float32)


@pytest.mark.parametrize(("small", "reads"), [(A.nbytes, 1.0), (A.nbytes - 1, 0.15)], ids=["small", "a byte too large"])
def test_its_start_reads_all_of_it(monkeypatch, small, reads):
    monkeypatch.setattr(race, "SMALL_BYTES", small)
    model = dnmf.fit(A, 3, max_passes=2, tol=0.0)
    assert model.history[0].reads - 1 == pytest.approx(reads, abs=0.02)


def test_it_is_small_wherever_it_lies(monkeypatch, tmp_path):
    import zarr

    zarr.create_array(tmp_path / "A.zarr", data=A, chunks=(100, 20))
    monkeypatch.setattr(race, "SMALL_BYTES", A.nbytes)
    stored, held = dnmf.fit(tmp_path / "A.zarr", 3, seed=1), dnmf.fit(A, 3, seed=1)
    assert np.allclose(stored.H, held.H, rtol=1e-4, atol=1e-7)
