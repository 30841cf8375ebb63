"""The losses that can be asked for by name."""

from typing import Any

import numpy as np

from dnmf.errors import InputError, UnknownLossError
from dnmf.losses.check import refuse_wrong
from dnmf.losses.frobenius import Frobenius
from dnmf.losses.itakura_saito import ItakuraSaito
from dnmf.losses.kullback_leibler import KullbackLeibler
from dnmf.losses.loss import Loss

_LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Frobenius(), KullbackLeibler(), ItakuraSaito())}
_OURS = (Frobenius, KullbackLeibler, ItakuraSaito)
_WORDS = ("name", "formula", "error_formula", "whole", "examples")  # which decide nothing


def is_known(name: str) -> bool:
    """Whether there is a loss of this name."""
    return name in _LOSSES


def loss_named(name: str) -> Loss:
    """Return the loss of this name.

    Raises
    ------
    UnknownLossError
        There is none.

    Examples
    --------
    >>> loss_named("kullback-leibler").linear
    1.0
    """
    if name not in _LOSSES:
        raise UnknownLossError(f"loss={name!r}: use one of {', '.join(_LOSSES)}, or dnmf.losses.register your own")
    return _LOSSES[name]


def like_one_of_ours(name: str) -> str:
    """Return the loss of dnmf whose rows are solved for by the same compiled code: any process knows it."""
    loss = loss_named(name)
    if type(loss) in _OURS:
        return name
    return ItakuraSaito.name if loss.fused is None else KullbackLeibler.name


def register(loss: Loss) -> Loss:
    """Make a loss known by its name, and return it. A fit that is resumed in another process needs it there too.

    It is looked at once, on a few entries: a mistake in its methods is told here and not by a fit that goes wrong. A
    class that is made anew, as a notebook does when a cell is run again, takes the place of the one before.

    Raises
    ------
    InputError
        It is no loss, has no name, or there is another one of this name; or a method does not keep what
        :class:`Loss` says of it: the message names which, and how.
    """
    name = getattr(loss, "name", None)
    if not isinstance(loss, Loss) or not isinstance(name, str) or not name:
        raise InputError(
            f"losses.register({loss!r}): give an object of a class made from dnmf.losses.Loss, with a name"
        )
    if _place(_LOSSES.get(name, loss)) != _place(loss):
        raise InputError(f"losses.register: there is a loss named {name!r} already; choose another name")
    refuse_wrong(loss)
    _LOSSES[name] = loss
    return loss


def refuse_other_parameters(name: str, before: dict[str, str] | None) -> dict[str, str]:
    """Return the parameters of the loss of this name, which are to be what they were `before`, where that is known.

    Raises
    ------
    UnknownLossError
        There is no such loss, or it was made with other parameters; the message lists them.
    """
    now = parameters_of(loss_named(name))
    if before is None or before == now:
        return now
    changed = [each for each in {**before, **now} if before.get(each) != now.get(each)]
    lines = [f"{each} was {before.get(each, 'not there')} and is {now.get(each, 'not there')}" for each in changed]
    raise UnknownLossError(
        f"loss={name!r} is not the one of before: {'; '.join(lines)}; register it as it was (dnmf.losses.register)"
    )


def _place(loss: Loss) -> tuple[str, str]:
    """Where the class of a loss was written: the same for one that is made again."""
    return type(loss).__module__, type(loss).__qualname__


def parameters_of(loss: Loss) -> dict[str, str]:
    """Return what a loss of someone's own was made with, as text: numbers, texts, and arrays and tuples of them.

    Its own attributes, and those that its class gives it. The losses of dnmf have none.

    Examples
    --------
    >>> parameters_of(KullbackLeibler())
    {}
    """
    if type(loss) in _OURS:
        return {}
    of_classes = [vars(each) for each in reversed(type(loss).__mro__) if each not in Loss.__mro__]
    said = {name: value for attributes in (*of_classes, vars(loss)) for name, value in attributes.items()}
    texts = {name: _as_text(getattr(loss, name)) for name in said if name not in _WORDS and not name.startswith("_")}
    return {name: text for name, text in texts.items() if text is not None}


def _as_text(value: Any) -> str | None:
    """A value in full; None where it is no number, text, or array or tuple of them."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, tuple | list):
        parts = [_as_text(part) for part in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    return repr(value) if value is None or isinstance(value, bool | int | float | complex | str) else None
