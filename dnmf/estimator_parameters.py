"""Values that the parameters of the estimator may have."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.losses import loss_named
from dnmf.schemes.updates import UPDATES
from dnmf.sources.observed import MISSING

Rule = Callable[[Any], bool]


def _whole(least: int) -> Rule:
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _real(most: float = math.inf) -> Rule:
    def allowed(value: Any) -> bool:
        number = isinstance(value, Real) and not isinstance(value, bool)
        return number and 0 <= value <= most and math.isfinite(value)

    return allowed


def _one_of(*values: Any) -> Rule:
    return lambda value: any(type(value) is type(one) and value == one for one in values)


def _either(*rules: Rule) -> Rule:
    return lambda value: any(rule(value) for rule in rules)


def _of_type(*types: type) -> Rule:
    return lambda value: isinstance(value, types)


def _is_loss(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(loss_named(value))
    except InputError:
        return False


INITS = {None: "auto", "custom": "given", "random": "normal"}  # by what scikit-learn calls them; others are the same


def _is_power(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool)) and value in BETA


BETA: dict[Any, str] = {2: "frobenius", 1: "kullback-leibler", 0: "itakura-saito"}  # by exponent


PARAMETERS: dict[str, tuple[Rule, str]] = {
    "n_components": (_either(_whole(1), _one_of("auto", None)), "a whole number, at least 1, 'auto' or None"),
    "init": (
        _one_of(None, "sample", "surrogate", "random", "nndsvd", "nndsvda", "nndsvdar", "custom"),
        "None, 'sample', 'surrogate', 'random', 'nndsvd', 'nndsvda', 'nndsvdar' or 'custom'",
    ),
    "solver": (_one_of(*UPDATES), " or ".join(map(repr, UPDATES))),
    "beta_loss": (
        _either(_is_power, _is_loss),
        "'frobenius' (2), 'kullback-leibler' (1), 'itakura-saito' (0), or the name of a loss that was registered "
        "(dnmf.losses.register)",
    ),
    "tol": (_real(), "a finite number, not negative"),
    "max_iter": (_whole(1), "a whole number, at least 1"),
    "random_state": (
        _either(_whole(0), _one_of(None), _of_type(np.random.RandomState)),
        "a whole number that is not negative, a numpy RandomState or None",
    ),
    "alpha_W": (_real(), "a finite number, not negative"),
    "alpha_H": (_either(_real(), _one_of("same")), "a finite number, not negative, or 'same'"),
    "l1_ratio": (_real(most=1), "a number from 0 to 1"),
    "verbose": (_either(_whole(0), _of_type(bool)), "a whole number, not negative"),
    "missing": (
        _one_of(*MISSING),
        "'refuse', 'nan' (of dense data what is NaN or masked) or 'unstored' (of sparse data what is not stored)",
    ),
    "dtype": (_one_of(None, "float32", "float64"), "None, 'float32' or 'float64'"),
    "client": (
        _either(_of_type(str), _one_of(None)),
        "the address of a scheduler (client.scheduler.address: a Client could be neither cloned nor pickled "
        "with the estimator), or None, which uses the current client",
    ),
}


def loss_of(beta_loss: Any) -> str:
    """Return the name of the loss that scikit-learn's `beta_loss` means.

    Examples
    --------
    >>> loss_of(1), loss_of("itakura-saito")
    ('kullback-leibler', 'itakura-saito')
    """
    return beta_loss if isinstance(beta_loss, str) else BETA[beta_loss]


def solver_of(solver: str, loss: str) -> str:
    """Return dnmf's solver for scikit-learn's, beside the name of a loss.

    It asks for ``"mu"`` wherever a loss is not least squares. Where a loss has no multiplicative updates from the sums
    of a pass, that means Newton's method.

    Examples
    --------
    >>> solver_of("mu", "kullback-leibler"), solver_of("mu", "itakura-saito")
    ('mu', 'cd')
    """
    known = loss_named(loss)
    return "cd" if solver == "mu" and not (known.shared_curvature or known.multiplies) else solver


def check_parameters(values: dict[str, Any]) -> None:
    """Check the parameters of the estimator by name.

    Raises
    ------
    InputError
        A value cannot be used; the message says which can.
    """
    for name, (allowed, remedy) in PARAMETERS.items():
        if not allowed(values[name]):
            raise InputError(f"NMF: {name}={values[name]!r} cannot be used; give {remedy}")
