"""Columns of H under losses whose predictions are above zero: which may be zero, and which are."""

import numpy as np
import pytest

import dnmf
from dnmf.losses import loss_named
from dnmf.losses.table import _LOSSES
from dnmf.penalty import Penalty

pytestmark = pytest.mark.numeric

rng = np.random.default_rng(2)
A = rng.gamma(2.0, 1.0, (60, 3)) @ rng.gamma(2.0, 1.0, (3, 10)) + 0.1
A[:, 4] *= 1e-3


class Shifted(dnmf.Loss):
    """The divergence of counts one higher, predictions too: it is finite where nothing is predicted."""

    name = "shifted"
    positive = True

    def value(self, a, y):
        a, y = a.astype(np.float64), y.astype(np.float64)
        return (a + 1) * np.log((a + 1) / (y + 1)) - a + y

    def weights(self, a, y):
        share = (a + 1) / (y + 1)
        return (share - 1).astype(y.dtype), (share / (y + 1)).astype(y.dtype)


@pytest.fixture(autouse=True)
def shifted():
    yield dnmf.losses.register(Shifted())
    _LOSSES.pop("shifted")


@pytest.mark.parametrize(
    ("name", "forbidden"), [("kullback-leibler", True), ("itakura-saito", True), ("shifted", False)]
)
def test_a_loss_says_whether_zero_may_be_predicted(name, forbidden):
    assert loss_named(name).forbids_zero == forbidden


@pytest.mark.broad(1)
@pytest.mark.parametrize(("loss", "some"), [("shifted", False), ("kullback-leibler", True)])
def test_a_penalty_takes_away_a_weak_column_where_the_loss_lets_it(loss, some):
    penalty = Penalty(l1=3.0, scale="objective")
    model = dnmf.fit(A, 3, loss=loss, penalty=penalty, dtype="float64", tol=1e-9, max_passes=100)
    assert model.H[:, 4].any() == some
    assert model.H[:, :4].any(axis=0).all()


@pytest.mark.broad(3)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler", "itakura-saito", "shifted"])
def test_a_column_of_which_nothing_was_observed_is_zero(loss, dtype):
    seen = np.ones(A.shape, bool)
    seen[:, 3] = False
    model = dnmf.fit(A, 3, loss=loss, mask=seen, dtype=dtype, max_passes=8)
    assert not model.H[:, 3].any()
    assert model.H[:, :3].any(axis=0).all()
