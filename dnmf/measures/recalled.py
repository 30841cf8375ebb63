"""How many of the entries that were held out of a fit a model recommends."""

from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from dnmf.arguments import whole
from dnmf.arithmetic import undisturbed
from dnmf.errors import InputError
from dnmf.measures.components import refuse_no_model
from dnmf.model import Model
from dnmf.passes.choose import choose_executor
from dnmf.recommendations import Ranking, columns_there, source_of
from dnmf.sources.spans import spans


class Recall(NamedTuple):
    """How many of the entries that were held out are recommended.

    Attributes
    ----------
    rows : int
        How many rows have some.
    entries : int
        How many there are.
    recall : float
        The share of the entries of a row that are among its n recommendations; the mean over these rows.
    precision : float
        The share of n recommendations of a row that were held out; the mean over these rows.
    """

    rows: int
    entries: int
    recall: float
    precision: float


@undisturbed
def recall(model: Model, held: Any, n: int = 20, *, exclude: Any = None) -> Recall:
    """Return how many of the entries that were held out of a fit are among the n columns it recommends to their rows.

    Parameters
    ----------
    model : Model
        Fitted without them.
    held : sparse or dense matrix, path, or (rows, columns) or (rows, columns, values)
        Of the shape of the model: what is stored of a sparse matrix, what is neither NaN nor 0 of a dense one, or
        arrays of one length, rows and columns as in :meth:`dnmf.Model.predict`; of a CP an array with its axes, or
        one of places for each axis. Which entries there are counts, not their values: leave out those that are not to
        be recommended, such as ratings of one star.
    n : int
        How many columns are recommended to each row.
    exclude : sparse or dense matrix, or path, optional
        What is not recommended, as in :meth:`dnmf.Model.recommend`: give the data of the fit, or it takes the places.

    Returns
    -------
    Recall
        Recall and precision, means over the rows that have such entries, and how many there are.

    Raises
    ------
    InputError
        There are no entries, they are not of the rows and columns of the model, or cannot be read.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> A = np.kron(np.eye(2), np.ones((20, 10)))
    >>> hidden = (np.random.default_rng(0).random(A.shape) < 0.2) & (A > 0)
    >>> train = np.where(hidden, 0, A)
    >>> dnmf.measures.recall(dnmf.fit(train, 2), A * hidden, n=5, exclude=train).recall
    1.0
    """
    refuse_no_model(model)
    source = source_of(model, _as_matrix(model, held), "held")
    n, sums = whole("n", n, least=1), np.zeros(4)
    with closing(choose_executor(None, source)) as executor, Ranking(model, n, exclude) as ranking:
        for start, stop in spans(source.layout()):
            [panel] = executor.read([(source.for_rows(start, stop), start, stop)])
            there = columns_there(panel, zeros=source.has_missing)
            rows = np.flatnonzero([len(columns) for columns in there])
            for row, (best, _) in zip(rows, ranking.best(start + rows), strict=True):
                hits, count = len(np.intersect1d(best, there[row])), len(np.unique(there[row]))
                sums += (1, count, hits / count, hits / n)
    if not sums[0]:
        raise InputError("recall: no entries were held out; give those that the fit has not seen")
    return Recall(int(sums[0]), int(sums[1]), float(sums[2] / sums[0]), float(sums[3] / sums[0]))


def _as_matrix(model: Model, held: Any) -> Any:
    """What was held out as a matrix, where it is given by rows and columns."""
    if not isinstance(held, tuple):
        return held
    count = next((count for count in model.indices_of_entry if len(held) in (count, count + 1)), 0)
    if not count:
        return held
    sizes = [np.size(each) for each in held[:count]]
    if len(set(sizes)) > 1:
        raise InputError(f"recall: arrays of {' and '.join(map(str, sizes))} places make no pairs")
    (m, n), (i, j) = model.shape, (each.ravel() for each in model.places_of(held[:count]))
    return scipy.sparse.csr_array((np.ones(len(i), np.int8), (i, j)), shape=(m, n))
