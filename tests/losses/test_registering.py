"""A loss that is made known is looked at once, and a run knows which it was."""

import shutil

import numpy as np
import pytest

import dnmf
from dnmf.errors import InputError, UnknownLossError
from dnmf.inspection import inspect_run, run_status
from dnmf.losses import Loss, loss_named, parameters_of, register
from dnmf.losses.table import _LOSSES
from dnmf.plots import report
from dnmf.unfinished import so_far

A = np.random.default_rng(0).random((60, 12))


class Robust(Loss):
    """Squares for residuals far below the width, their size for those far above it."""

    name = "robust"

    def __init__(self, width=0.5):
        self.width = width

    def value(self, a, y):
        return self.width**2 * (np.hypot(1, (a.astype(np.float64) - y) / self.width) - 1)

    def weights(self, a, y):
        c = 1 / np.hypot(1, (a - y) / self.width)
        return ((a - y) * c).astype(y.dtype), c.astype(y.dtype)


RIGHT = Robust()


@pytest.fixture(autouse=True)
def only_ours():
    before = dict(_LOSSES)
    yield
    _LOSSES.clear()
    _LOSSES.update(before)


def robust_with(**attributes):
    return type("Changed", (Robust,), attributes)()


def of_weights(change):
    return {"weights": lambda self, a, y: change(*RIGHT.weights(a, y))}


def into_its_arguments(self, a, y):
    a -= y
    return RIGHT.weights(a, y)


WRONG = {
    "a value that is one number": ({"value": lambda self, a, y: 3.0}, "value is a float for 42 entries"),
    "a value of another shape": ({"value": lambda self, a, y: RIGHT.value(a, y)[:, None]}, r"shape \(42, 1\)"),
    "a value in float32": ({"value": lambda self, a, y: 0.5 * (a - y) ** 2}, r"float64: begin with a\.astype"),
    "a value that is not finite": ({"value": lambda self, a, y: RIGHT.value(a, y) / a}, "at a=0, y=0.07; expected"),
    "a value that is not finite at 0": ({"value": lambda self, a, y: RIGHT.value(a, y) / y}, "says positive"),
    "a value below zero": ({"value": lambda self, a, y: RIGHT.value(a, y) - 1}, "expected 0 or more"),
    "a value below zero without its linear part": ({"linear": -1.0}, r"value \+ linear · y"),
    "a value of all entries": ({"value": lambda self, a, y: RIGHT.value(a, y) / (1 + a.max(initial=0))}, "elementwise"),
    "a total of its own": ({"total": lambda self, a, y, weights=None: 1.0}, "expected the sum of value"),
    "a total that knows no weights": ({"total": lambda self, a, y: RIGHT.total(a, y)}, "total raised TypeError"),
    "a slope of the other sign, of a small loss": (
        {"value": lambda self, a, y: 1e-8 * RIGHT.value(a, y), **of_weights(lambda r, c: (-1e-8 * r, 1e-8 * c))},
        "expected −∂value/∂y = -",
    ),
    "weights that are one array": ({"weights": lambda self, a, y: a - y}, "two arrays"),
    "weights that are numbers": ({"weights": lambda self, a, y: (1.0, 1.0)}, "weights: r is a float"),
    "weights in float64": (of_weights(lambda r, c: (r.astype("f8"), c)), "in float32; expected float32"),
    "curvature in float64": (of_weights(lambda r, c: (r, c.astype("f8"))), "weights: c is float64"),
    "a slope that is not finite": (of_weights(lambda r, c: (r * np.nan, c)), "weights: r is nan"),
    "a curvature below zero": (of_weights(lambda r, c: (r, -c)), "weights: c is -.* expected 0 or more"),
    "a curvature of nothing": (of_weights(lambda r, c: (r, 0 * c)), "c is 0 everywhere"),
    "a slope of the other sign": (of_weights(lambda r, c: (-r, c)), "expected −∂value/∂y = -"),
    "a slope of twice the size": (of_weights(lambda r, c: (2 * r, c)), "by a difference of values"),
    "what writes into its arguments": ({"weights": into_its_arguments}, "writes into its arguments"),
    "what raises": ({"value": lambda self, a, y: a["x"]}, "value raised IndexError"),
    "a zero that is not free": ({"zero_is_free": True}, "0, because zero_is_free is True"),
    "no examples": ({"examples": ()}, "give values such as the data has"),
    "a step of no length": ({"most_shrink": 0.0}, "most_shrink = 0.0"),
    "a linear part that is none": ({"linear": "much"}, "linear = 'much'"),
}  # fmt: skip


@pytest.mark.parametrize(("attributes", "told"), WRONG.values(), ids=WRONG)
def test_a_loss_that_breaks_its_contract_is_refused_by_the_part_that_does(attributes, told):
    with pytest.raises(InputError, match=told) as raised:
        register(robust_with(**attributes))
    assert str(raised.value).startswith("losses.register, 'robust': ")
    with pytest.raises(UnknownLossError):
        loss_named("robust")


@pytest.mark.parametrize("name", ["frobenius", "kullback-leibler", "itakura-saito"])
def test_the_losses_here_keep_theirs(name):
    assert register(loss_named(name)).name == name


class Logistic(Loss):
    """Of yes and no: below zero at other entries."""

    name = "logistic"
    examples = (0.0, 1.0)

    def value(self, a, y):
        return np.logaddexp(0, y.astype(np.float64)) - a * y.astype(np.float64)

    def weights(self, a, y):
        p = 1 / (1 + np.exp(-y))
        return (a - p).astype(y.dtype), (p * (1 - p)).astype(y.dtype)


def test_a_loss_is_looked_at_where_it_is_meant():
    assert register(Logistic()).name == "logistic"


def test_a_class_that_is_made_anew_takes_the_place_of_the_one_before():
    again = type("Robust", (Robust,), {"__module__": Robust.__module__, "__qualname__": Robust.__qualname__})(0.7)
    register(RIGHT)
    assert register(again) is loss_named("robust") is again


def test_what_a_loss_was_made_with_is_known_from_it():
    loss = Robust(np.float32(0.25))
    loss.knots, loss.cache, loss._seen = np.array([1.0, 2.0]), {"a": 1}, 3
    assert parameters_of(loss) == {"width": "0.25", "knots": "(1.0, 2.0)"}
    assert parameters_of(robust_with(power=1.0, formula="Σ")) == {"power": "1.0", "width": "0.5"}
    assert parameters_of(loss_named("kullback-leibler")) == {}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder, penalty = tmp_path_factory.mktemp("stores"), dnmf.Penalty(l2=1.0, scale="objective")
    register(Robust(0.5))
    dnmf.fit(A, 2, loss="robust", store=folder / "run.dnmf", max_passes=2, tol=0)
    dnmf.path(A, 2, penalty, [1], loss="robust", store=folder / "path.dnmf", measures="cheap", max_passes=2)
    _LOSSES.pop("robust")
    return folder


@pytest.fixture
def run(stores):
    register(Robust(0.5))
    return stores / "run.dnmf"


@pytest.fixture
def study(stores):
    register(Robust(0.5))
    return stores / "path.dnmf"


OF_A_RUN = {
    "load": dnmf.load,
    "resume": dnmf.resume,
    "resume further": lambda run: dnmf.resume(run, source=A, max_passes=4),
    "inspect": inspect_run,
    "report": lambda run: report(so_far(run), run.parent / "page.html"),
    "fit": lambda run: dnmf.fit(A, 2, store=run),
}
OF_A_STUDY = {
    "load": dnmf.load_path,
    "resume": dnmf.resume_path,
    "fit": lambda path: dnmf.path(A, 2, dnmf.Penalty(l1=1.0), [1], store=path),
}


@pytest.mark.parametrize("door", OF_A_RUN.values(), ids=OF_A_RUN)
def test_a_run_whose_loss_is_not_known_here_says_so(run, door):
    _LOSSES.pop("robust")
    with pytest.raises(UnknownLossError, match=rf"{run}: loss='robust' is not known here; import what registers it"):
        door(run)


@pytest.mark.parametrize("door", OF_A_STUDY.values(), ids=OF_A_STUDY)
def test_a_path_whose_loss_is_not_known_here_says_so(study, door):
    _LOSSES.pop("robust")
    with pytest.raises(UnknownLossError, match=rf"{study}: loss='robust' is not known here; import what registers it"):
        door(study)


@pytest.mark.parametrize("door", OF_A_RUN.values(), ids=OF_A_RUN)
def test_a_run_is_not_gone_on_with_under_other_parameters(run, door):
    register(Robust(1.0))
    with pytest.raises(UnknownLossError, match=rf"{run}: .*width was 0\.5 and is 1\.0"):
        door(run)


def test_a_model_in_memory_keeps_to_the_parameters_it_was_fitted_with():
    register(Robust(0.5))
    model = dnmf.fit(A, 2, loss="robust", max_passes=2)
    register(Robust(1.0))
    with pytest.raises(UnknownLossError, match=r"width was 0\.5 and is 1\.0"):
        model.transform(A)
    with pytest.raises(UnknownLossError, match=r"width was 0\.5 and is 1\.0"):
        dnmf.measures.held_out(model, A)


@pytest.mark.slow
def test_a_run_is_overwritten_and_its_status_told_though_its_loss_is_not_known(run, study, tmp_path):
    run, study = (shutil.copytree(place, tmp_path / place.name) for place in (run, study))
    _LOSSES.pop("robust")
    assert [run_status(place)["loss_name"] for place in (run, study)] == ["robust", "robust"]
    assert dnmf.fit(A, 2, store=run, overwrite=True, max_passes=2).options.loss == "frobenius"
    again = dnmf.path(A, 2, dnmf.Penalty(l1=1.0), [1], store=study, overwrite=True, measures="cheap", max_passes=2)
    assert again.options.fit.loss == "frobenius"
