"""The one place for compilation settings."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from dnmf.kernels.cache import cache_for

Function = TypeVar("Function", bound=Callable[..., Any])


if getattr(numba.config, "DISABLE_JIT", 0):  # operations on whole registers are none of Python's
    raise ImportError(
        "numba is told not to compile, and dnmf's kernels only work compiled; unset NUMBA_DISABLE_JIT, or disable_jit "
        "in .numba_config.yaml"
    )


def compiled(function: Function) -> Function:
    """Return `function` compiled by numba: cached on disk, without the GIL, IEEE arithmetic.

    No ``parallel=True``: parallelism is over panels, so a kernel never starts threads of its own and
    its sums have one order. No ``fastmath``: it would let the order of sums change between builds.
    """
    return _kept(function, numba.njit(nogil=True, error_model="numpy")(function))


def inner(function: Function) -> Function:
    """Return `function` compiled like :func:`compiled`, for compiled functions alone: Python cannot call it.

    What Python would need to call it, and never does, takes a good part of the time of compilation.
    """
    wrappers: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _kept(function, numba.njit(nogil=True, error_model="numpy", **wrappers)(function))


def _kept(function: Function, dispatcher: Any) -> Function:
    dispatcher._cache = cache_for(function) or dispatcher._cache  # what cache=True sets, but for a place that is there
    return cast(Function, dispatcher)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a C-contiguous view no kernel can write to; one kind of array also means one compilation for a dtype."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
