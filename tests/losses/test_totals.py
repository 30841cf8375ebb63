"""A loss of all entries is never below zero: rounding is taken as zero, and what is more than that is refused."""

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf.errors import InputError
from dnmf.losses import Loss, register
from dnmf.losses.table import _LOSSES

CONSTANT = {
    "threes": np.full((150, 30), 3.0),
    "parts": np.full((150, 30), 0.1),
    "counts": scipy.sparse.csr_array(np.full((150, 30), 7.0)),
    "rows": np.repeat(np.arange(1.0, 151.0)[:, None], 30, axis=1),
}


@pytest.mark.broad(6)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data", CONSTANT.values(), ids=CONSTANT)
@pytest.mark.parametrize("missing", [False, True])
def test_data_that_is_predicted_exactly_leaves_nothing_and_not_less(data, dtype, missing):
    told = {"missing": "unstored" if scipy.sparse.issparse(data) else "nan"} if missing else {}
    data = data.copy()
    if missing and not scipy.sparse.issparse(data):
        data[::7, 3] = np.nan
    total = data.sum() if scipy.sparse.issparse(data) else np.nansum(data)
    model = dnmf.fit(data, 2, loss="kullback-leibler", dtype=dtype, max_passes=4, **told)
    assert all(0 <= each.loss <= 1e-6 * total for each in model.history)
    assert "kullback-leibler -" not in str(model)
    assert dnmf.measures.loss(model, dnmf.open_source(data, **told)) >= 0


class Likelihood(Loss):
    """Of Poisson counts without what does not depend on the prediction; below zero for counts that are large."""

    name = "likelihood"
    positive = above_zero = True
    examples = (0.5, 1.0)

    def value(self, a, y):
        return y.astype(np.float64) - a * np.log(y.astype(np.float64))

    def weights(self, a, y):
        return a / y - 1, a / y**2


@pytest.fixture
def likelihood():
    yield register(Likelihood()).name
    _LOSSES.pop("likelihood")


def test_a_loss_below_zero_is_refused_and_not_explained_at_once(likelihood):
    data = np.random.default_rng(0).poisson(30.0, (60, 12)) + 1.0
    with pytest.raises(InputError, match=r"loss='likelihood' comes to -\d+.* below zero"):
        dnmf.fit(data, 2, loss=likelihood)
    assert dnmf.fit(data / 100, 2, loss=likelihood, max_passes=3).loss > 0
