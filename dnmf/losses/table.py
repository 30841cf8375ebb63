"""The losses that can be asked for by name."""

from dnmf.errors import InputError
from dnmf.losses.frobenius import Frobenius
from dnmf.losses.itakura_saito import ItakuraSaito
from dnmf.losses.kullback_leibler import KullbackLeibler
from dnmf.losses.loss import Loss

_LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Frobenius(), KullbackLeibler(), ItakuraSaito())}


def loss_named(name: str) -> Loss:
    """Return the loss of this name.

    Raises
    ------
    InputError
        There is none.

    Examples
    --------
    >>> loss_named("kullback-leibler").linear
    1.0
    """
    if name not in _LOSSES:
        raise InputError(f"loss={name!r}: use one of {', '.join(_LOSSES)}, or dnmf.losses.register your own")
    return _LOSSES[name]


def error_formula(name: str) -> str:
    """Return what the relative error of a model under a loss is, also of one that is not known here."""
    return _LOSSES[name].error_formula if name in _LOSSES else "√(D / D₀), D₀ for row means"


def register(loss: Loss) -> Loss:
    """Make a loss known by its name, and return it. A fit that is resumed in another process needs it there too.

    Raises
    ------
    InputError
        It is no loss, has no name, or there is another one of this name.
    """
    name = getattr(loss, "name", None)
    if not isinstance(loss, Loss) or not isinstance(name, str) or not name:
        raise InputError(
            f"losses.register({loss!r}): give an object of a class made from dnmf.losses.Loss, with a name"
        )
    if type(_LOSSES.get(name, loss)) is not type(loss):
        raise InputError(f"losses.register: there is a loss named {name!r} already; choose another name")
    _LOSSES[name] = loss
    return loss
