"""The losses that can be asked for by name keep what a loss promises, and others can be made known."""

import numpy as np
import pytest
from loss_contract import RANK, LossContract

import dnmf
from dnmf.errors import InputError
from dnmf.losses import Loss, loss_named, register
from dnmf.losses.table import _LOSSES

pytestmark = pytest.mark.numeric


class TestKullbackLeibler(LossContract):
    loss = loss_named("kullback-leibler")

    @pytest.fixture
    def A(self):
        rng = np.random.default_rng(2)
        return rng.poisson(3 * rng.gamma(0.7, 1.0, (30, RANK)) @ rng.gamma(0.7, 1.0, (RANK, 12))).astype(float)


@pytest.mark.slow
class TestItakuraSaito(LossContract):
    loss = loss_named("itakura-saito")
    slack = 1e-2


@pytest.mark.slow
class TestFrobenius(LossContract):
    loss = loss_named("frobenius")


class PseudoHuber(Loss):
    """Squares for small residuals, their size for large ones."""

    name = "pseudo-huber"

    def value(self, a, y):
        return np.sqrt(1 + np.square(a.astype(np.float64) - y)) - 1

    def weights(self, a, y):
        over = 1 / np.sqrt(1 + np.square(a - y))
        return ((a - y) * over).astype(y.dtype), over.astype(y.dtype)


@pytest.mark.slow
class TestPseudoHuber(LossContract):
    """A curvature that bounds the loss from above (r / residual), so that no step needs to be shorter."""

    loss = PseudoHuber()


@pytest.fixture
def pseudo_huber():
    yield register(PseudoHuber())
    _LOSSES.pop(PseudoHuber.name)


def test_a_loss_made_outside_is_fitted_by_its_name(pseudo_huber, tmp_path):
    rng = np.random.default_rng(0)
    A = rng.random((80, 3)) @ rng.random((3, 20))
    truth = A.copy()
    A[rng.random(A.shape) < 0.02] += 5  # gross errors, which least squares follows
    robust = dnmf.fit(A, 3, loss=pseudo_huber.name, store=tmp_path / "run.dnmf", tol=1e-6)
    squares = dnmf.fit(A, 3, tol=1e-6)

    def off(model):
        return np.abs(truth - (model.read_W() * model.d) @ model.H).mean()

    assert off(robust) < 0.7 * off(squares)
    assert dnmf.load(tmp_path / "run.dnmf").options.loss == pseudo_huber.name


def test_a_name_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="frobenius, kullback-leibler, itakura-saito"):
        dnmf.fit(np.ones((4, 3)), 1, loss="hamming")


@pytest.mark.parametrize("wrong", [object(), PseudoHuber, "kl"])
def test_what_is_no_loss_is_not_registered(wrong):
    with pytest.raises(InputError, match=r"made from dnmf\.losses\.Loss"):
        register(wrong)


def test_a_name_that_is_taken_is_refused():
    class Mine(PseudoHuber):
        name = "frobenius"

    with pytest.raises(InputError, match="already"):
        register(Mine())
