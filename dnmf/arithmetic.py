"""Floating point: as numpy has it by default, whatever the program around asked numpy for, and what rounding made."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])


def undisturbed(function: Function) -> Function:
    """Return `function`, run as if ``np.seterr`` had never been called, and the caller's settings back afterwards.

    A program that lets numpy raise where something underflows means its own formulas. Here tiny products may vanish,
    and what must not overflow is looked at where it could. Numpy keeps these settings for each thread: doors people
    call, tasks that threads run and callbacks, which may change them, each have this.

    Examples
    --------
    >>> with np.errstate(all="raise"):
    ...     float(undisturbed(np.multiply)(1e-200, 1e-200))
    0.0
    """
    return np.errstate(divide="warn", over="warn", invalid="warn", under="ignore")(function)


def at_least_zero(value: float) -> float:
    """Return `value`, and 0 where rounding has put it below; what is no number stays so, which ``max`` would hide.

    Examples
    --------
    >>> at_least_zero(-1e-17), at_least_zero(2.0), at_least_zero(float("nan"))
    (0.0, 2.0, nan)
    """
    return 0.0 if value <= 0 else value
