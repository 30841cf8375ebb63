"""A loss that is no finite number is no perfect fit: it is said."""

import numpy as np
import pytest

import dnmf
from dnmf.errors import LossError
from dnmf.losses.table import _LOSSES
from dnmf.schemes.scheme import Measured

A = np.random.default_rng(0).random((40, 8))
A[3, 2] = 100.0


class Bounded(dnmf.Loss):
    """Squares, but of large values, which are beyond it."""

    name = "bounded"

    def __init__(self, beyond):
        self.beyond = beyond

    def value(self, a, y):
        return np.where(a > 50, self.beyond, 0.5 * (a.astype(np.float64) - y) ** 2)

    def weights(self, a, y):
        return (a - y).astype(y.dtype), np.ones_like(y)


@pytest.fixture(params=[np.nan, np.inf])
def bounded(request):
    yield dnmf.losses.register(Bounded(request.param))
    _LOSSES.pop("bounded")


@pytest.mark.broad(3)
@pytest.mark.parametrize("options", [{}, {"mask": A > 0}, {"init": "random"}], ids=["", "mask", "random"])
def test_the_pass_and_the_loss_are_named(bounded, options):
    with pytest.raises(LossError, match=rf"pass 1 under loss='bounded': the loss came out as {bounded.beyond}"):
        dnmf.fit(A, 2, loss="bounded", **options)


def test_nothing_of_such_a_fit_is_taken_for_a_model(bounded, tmp_path):
    with pytest.raises(LossError):
        dnmf.fit(A, 2, loss="bounded", store=tmp_path / "run.dnmf")
    with pytest.raises(dnmf.DnmfError):
        dnmf.load(tmp_path / "run.dnmf")


def test_an_error_of_no_number_is_no_number():
    assert np.isnan(Measured(np.nan, np.nan, 0.0, 1, whole=2.0).relative_error)
    assert Measured(-1e-12, 0.0, 0.0, 1, whole=2.0).relative_error == 0.0
