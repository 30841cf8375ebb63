"""Real matrices: the error that coordinate descent needs two hundred reads for, within five."""

import numpy as np
import pytest

import dnmf

SEEDS = range(5)


@pytest.mark.parametrize(
    ("name", "rank", "bound"),
    [pytest.param("pbmc3k", 20, 0.3480, marks=pytest.mark.slow), ("hawaiibirds", 10, 0.4380)],
)
def test_five_reads_are_enough(name, rank, bound, request):
    A = request.getfixturevalue(name)
    models = [dnmf.fit(A, rank, seed=seed, max_passes=4) for seed in SEEDS]
    assert max(model.reads for model in models) <= 5.0
    assert np.median([model.relative_error for model in models]) <= bound


@pytest.mark.slow
def test_the_reported_error_is_the_dense_one(pbmc3k):
    model = dnmf.fit(pbmc3k, 20, max_passes=2)
    dense = pbmc3k.toarray().astype(np.float64)
    rebuilt = (model.read_W().astype(np.float64) * model.d) @ model.H.astype(np.float64)
    objective = 0.5 * ((dense - rebuilt) ** 2).sum()
    assert model.history[-1].objective == pytest.approx(objective, rel=1e-5)
    assert model.relative_error == pytest.approx(np.linalg.norm(dense - rebuilt) / np.linalg.norm(dense), rel=1e-5)
