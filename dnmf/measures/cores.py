"""Whether the components of a CP are as many as the data has: its core consistency."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.cp_model import CPModel
from dnmf.errors import InputError
from dnmf.fitting.events import Callback
from dnmf.measures.given_rows import stored_rows
from dnmf.measures.one_read import read_once
from dnmf.options import parse_bytes
from dnmf.passes.visitors.given import UseGivenRows
from dnmf.resources import Resources, checked_callbacks

LEAST = 1e-12  # of the largest singular value: a direction below it is rounding


class Core(NamedTuple):
    """The core that fits the data best beside the factors of a CP.

    Attributes
    ----------
    consistency : float
        In percent: 100 where the core is ones along its diagonal and zeros elsewhere, as CP says; near zero or below it
        where components are mixed.
    core : ndarray (k, k, …)
        One axis for each factor, in the order of :attr:`dnmf.CPModel.lengths`; the components that are not zero.
    """

    consistency: float
    core: np.ndarray


@undisturbed
def core_consistency(
    model: CPModel, data: Any, *, client: Any = None, memory_limit: Any = None, callbacks: Sequence[Callback] = ()
) -> Core:
    """Return how nearly the data has the structure that a CP of this rank says (CORCONDIA), in one read of it.

    The core ``T ×₁ W⁺ ×₂ X⁺ ×₃ Y⁺ …`` is what of the data lies along each combination of vectors, the weights of the
    components in W. ``100 (1 − ‖core − I‖² / k)`` stays near 100 up to the number of components that the data has, and
    falls, often below zero, beyond it.

    Parameters
    ----------
    model : CPModel
        Its W is read beside the slabs, where it lies on disk.
    data : anything :func:`dnmf.open_source` takes
        The array that was factorized.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`. The same bits come back from any number of workers.

    Raises
    ------
    InputError
        The model is no CP, all its components are zero, not all entries were observed or count alike, or the data is
        not that of the fit.
    BudgetError
        A worker's memory cannot hold what the work needs.

    References
    ----------
    Bro & Kiers 2003, A new efficient method for determining the number of components in PARAFAC models
    (doi:10.1002/cem.801).

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> cube = np.einsum("i,j,k->ijk", [1.0, 2, 3, 4], [1.0, 3], [2.0, 2])
    >>> round(dnmf.measures.core_consistency(dnmf.cp(cube, rank=1), cube).consistency)
    100
    """
    if not isinstance(model, CPModel):
        raise InputError(f"a {type(model).__name__} has no core; give what dnmf.cp returned")
    alive = np.flatnonzero(model.d > 0)
    if not len(alive):
        raise InputError("core_consistency: all components of this model are zero")
    source = model.open_rows(data)
    model.refuse_other_rows(source)
    resources = Resources(client, parse_bytes(memory_limit), callbacks=checked_callbacks(callbacks))
    sums = read_once(source, UseGivenRows(model.rank), resources, columns=source.shape[1], given=stored_rows(model))
    places = (np.arange(model.rank) if model.order is None else model.order)[alive]
    d = model.d[alive]
    G, P = sums.G[np.ix_(places, places)] * np.outer(d, d), sums.P[:, places] * d
    core = np.linalg.pinv(G, rcond=LEAST, hermitian=True) @ P.T
    return _compared(model, core, alive)


def _compared(model: CPModel, core: np.ndarray, alive: np.ndarray) -> Core:
    """The core with what is left along the short axes contracted, beside the one that CP says."""
    lengths, k = model.lengths, len(alive)
    short = [name for name in lengths if name != model.long_axis]
    core = core.reshape(k, *(lengths[name] for name in short))
    for axis, name in enumerate(short, 1):
        inverse = np.linalg.pinv(model.factor(name)[:, alive].astype(np.float64), rcond=LEAST)
        core = np.moveaxis(np.tensordot(inverse, core, axes=(1, axis)), 0, axis)
    wanted = np.zeros_like(core)
    wanted[(np.arange(k),) * core.ndim] = 1.0
    found = 100 * (1 - float(np.sum((core - wanted) ** 2)) / k)
    return Core(found, np.moveaxis(core, 0, list(lengths).index(model.long_axis)))
