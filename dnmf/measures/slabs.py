"""How well each slab of an array, or each row and column of a matrix, is explained."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.fitting.events import Callback
from dnmf.measures.components import refuse_no_model
from dnmf.measures.given_rows import stored_rows
from dnmf.measures.one_read import read_once
from dnmf.measures.unseen import refuse_preferences
from dnmf.model import Model
from dnmf.options import parse_bytes
from dnmf.passes.visitors.residuals import MeasureResiduals
from dnmf.resources import Resources, checked_callbacks


@undisturbed
def explained(
    model: Model, data: Any, *, client: Any = None, memory_limit: Any = None, callbacks: Sequence[Callback] = ()
) -> dict[str, np.ndarray]:
    """Return the share of each slab along each axis that a model explains, ``1 − ‖A − Â‖² / ‖A‖²`` of it, in one read.

    A slab is all of the array at one place along an axis: of a CP along every axis that has a factor, of a matrix its
    rows and its columns. Shares are those of squares, whatever the loss of the fit: 1 where the model is the slab, 0
    where it says no more of it than zeros do, below 0 where it says less.

    Parameters
    ----------
    model : Model or CPModel
        Its W is read beside the slabs, where it lies on disk.
    data : anything :func:`dnmf.open_source` takes
        What was factorized. What of it was observed, and weights of columns, are as the fit was told; weights count.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`. The same bits come back from any number of workers.

    Returns
    -------
    dict of str to ndarray (length,)
        By the name of the axis, in the order of :attr:`dnmf.CPModel.lengths`; of a matrix ``"rows"`` and ``"columns"``.
        NaN of a slab that is zero, or of which nothing was observed. Of dense data each residual is made, so that a
        share is right to the rounding of W; of sparse data it is a difference of sums in float64.

    Raises
    ------
    InputError
        The data is not that of the fit, or the model was fitted with ``implicit=``, so that it predicts no values.
    BudgetError
        A worker's memory cannot hold what the work needs.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> cube = np.einsum("i,j,k->ijk", [1.0, 2, 3, 4], [1.0, 3], [2.0, 2])
    >>> cube[0, 0, 0] += 5  # something that one component cannot say
    >>> found = dnmf.measures.explained(dnmf.cp(cube, rank=1), cube)
    >>> {axis: int(shares.argmin()) for axis, shares in found.items()}
    {'axis_0': 0, 'axis_1': 0, 'axis_2': 0}
    """
    refuse_no_model(model)
    refuse_preferences(model, "explained")
    source = model.open_rows(data)
    model.refuse_other_rows(source)
    H = model.d[:, None] * model.H.astype(np.float64)
    visitor = MeasureResiduals.of(_as_stored(H, model.order), stored_only=source.unstored == "missing")
    resources = Resources(client, parse_bytes(memory_limit), callbacks=checked_callbacks(callbacks))
    rows, columns = source.shape
    sums = read_once(source, visitor, resources, columns=columns, kept_rows=rows, given=stored_rows(model))
    of_rows = np.concatenate([sums.kept[at] for at in sorted(sums.kept)]).T
    return _along(model, of_rows, sums.of_columns(visitor.HT))


def _as_stored(H: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """The components of H (k, n) in the order of the columns of the stored W."""
    return H if order is None else H[np.argsort(order)]


def _along(model: Model, of_rows: np.ndarray, of_columns: np.ndarray) -> dict[str, np.ndarray]:
    """The shares along each axis, of what is left and what there is in rows (2, m) and in columns (2, n)."""
    short = [name for name in model.lengths if name != model.long_axis]
    sums = of_columns.reshape(2, *(model.lengths[name] for name in short))
    found = {model.long_axis: _shares(*of_rows)}
    for axis, name in enumerate(short, 1):
        others = tuple(other for other in range(1, sums.ndim) if other != axis)
        found[name] = _shares(*sums.sum(axis=others))
    return {name: found[name] for name in model.lengths}


def _shares(left: np.ndarray, there: np.ndarray) -> np.ndarray:
    # of sparse data what is left is a difference, which rounding may put below zero
    off = np.divide(np.maximum(left, 0.0), there, out=np.full_like(there, np.nan), where=there > 0)
    return 1 - off
