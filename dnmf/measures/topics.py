"""What is said of components as topics: how large they are, and whether their strongest columns go together."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import whole
from dnmf.arithmetic import undisturbed
from dnmf.fitting.events import Callback
from dnmf.measures.components import refuse_no_model
from dnmf.measures.one_read import read_once
from dnmf.model import Model
from dnmf.options import parse_bytes
from dnmf.passes.visitors.together import CountTogether
from dnmf.resources import Resources, checked_callbacks
from dnmf.sources import open_source

DTYPE = "float64"


class Sizes(NamedTuple):
    """How large each component is.

    Attributes
    ----------
    share : ndarray (k,)
        Of all that the model predicts: its part of the sum of d. Zeros where the model is zero.
    rows : ndarray of int (k,)
        In how many rows it is the strongest: ``d_q W_iq`` is the largest, the first of several. Rows that are zero
        count nowhere.
    """

    share: np.ndarray
    rows: np.ndarray


@undisturbed
def sizes(model: Model) -> Sizes:
    """Return how large the components are: of topics, their share of all words, and how many documents they lead.

    Columns of W and rows of H sum to one, so a component adds ``d_q`` to the sum of all predictions. Where a factor
    may be negative these are sums of absolute values, and the strongest component of a row is the one farthest from
    zero.

    Parameters
    ----------
    model : Model
        Its W is read once, chunk by chunk.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> found = dnmf.measures.sizes(dnmf.fit(np.diag([3.0, 1.0, 1.0])[:, :2], 2))
    >>> found.share.round(2).tolist(), found.rows.tolist()
    ([0.75, 0.25], [1, 1])
    """
    refuse_no_model(model)
    total, rows = float(model.d.sum()) or 1.0, np.zeros(model.rank, np.int64)
    for start in range(0, model.shape[0], model.chunk_rows):
        strengths = np.abs(model.read_W(start, start + model.chunk_rows).astype(DTYPE) * model.d)
        some = strengths.any(axis=1)
        rows += np.bincount(strengths[some].argmax(axis=1), minlength=model.rank)
    return Sizes(model.d / total, rows)


@undisturbed
def coherence(
    model: Model, source: Any, count: int = 10, *, columns: str = "same", client: Any = None, memory_limit: Any = None,
    callbacks: Sequence[Callback] = (),
) -> np.ndarray:  # fmt: skip
    """Return how much the strongest columns of each component go together (k,): from −1, never, to 1, always.

    The mean over all pairs of the `count` strongest columns of the normalized pointwise mutual information
    ``NPMI(i, j) = log(p_ij / (p_i p_j)) / −log p_ij``, where ``p_i`` is the share of rows that have a value in column
    i, and ``p_ij`` of those that have one in both. It is 0 where columns are independent, −1 where they never meet. A
    document counts as a whole: there are no windows of neighbouring words in a matrix. People find topics of higher
    NPMI easier to make sense of, so it compares ranks and penalties; values of another corpus, or another `count`, are
    not to be compared.

    Parameters
    ----------
    model : Model
        Whose H has the columns.
    source : anything :func:`dnmf.open_source` takes
        The rows that are counted, in one read: those of the fit, or of a larger corpus with the same columns. A value
        that is not zero is one.
    count : int
        Columns of each component, at least 2. Those that are zero are none; a component that has fewer than two is
        ``nan``.
    columns : {"same", "match"}
        As in :meth:`dnmf.Model.transform`.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`. The counts are whole numbers, the result the same bits wherever they were made.

    Raises
    ------
    InputError
        The columns are not those of the fit, the data cannot be used, or has missing entries or weights.
    BudgetError
        A worker's memory cannot hold what the work needs.

    References
    ----------
    Bouma 2009, Normalized (pointwise) mutual information in collocation extraction (GSCL). Lau, Newman & Baldwin 2014,
    Machine reading tea leaves (doi:10.3115/v1/E14-1056).

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> A = np.kron(np.eye(2), np.ones((3, 2)))
    >>> dnmf.measures.coherence(dnmf.fit(A, 2), A, count=2).tolist()
    [1.0, 1.0]
    """
    refuse_no_model(model)
    top = [[entry.number for entry in some] for some in _strongest(model, whole("count", count, least=2))]
    wanted = np.array(sorted({number for some in top for number in some}), np.int64)
    opened = model.with_columns_of_fit(open_source(source, row_axes=model.unfolding), columns)
    if not len(wanted):
        return np.full(model.rank, np.nan)
    resources = Resources(client, parse_bytes(memory_limit), callbacks=checked_callbacks(callbacks))
    counts: np.ndarray = read_once(opened, CountTogether(wanted), resources, columns=len(wanted)).counts
    information = npmi(counts, opened.shape[0])
    places = (np.searchsorted(wanted, some) for some in top)
    return np.array([_mean_of_pairs(information, some) for some in places])


def _strongest(model: Model, count: int) -> Iterator[list[Any]]:
    table = model.top(count)
    return (table.of(component) for component in range(model.rank))


def npmi(counts: np.ndarray, rows: int) -> np.ndarray:
    """Return the normalized pointwise mutual information of each two columns (t, t).

    Parameters
    ----------
    counts : ndarray of int (t, t)
        In how many rows both have a value; on the diagonal those of each.
    rows : int
        How many rows there are.

    Examples
    --------
    >>> npmi(np.array([[4, 2, 0], [2, 4, 0], [0, 0, 1]]), 8).round(2).tolist()
    [[1.0, 0.0, -1.0], [0.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
    """
    p, alone = counts / rows, np.diag(counts) / rows
    found = np.where(counts > 0, 1.0, -1.0)  # two that are in every row go together
    some = (p > 0) & (p < 1)
    of_both = np.log(p[some])
    found[some] = np.log(p[some] / np.outer(alone, alone)[some]) / -of_both
    return found


def _mean_of_pairs(information: np.ndarray, places: np.ndarray) -> float:
    pairs = np.array(list(combinations(places.tolist(), 2)), np.int64).reshape(-1, 2)
    return float(information[pairs[:, 0], pairs[:, 1]].mean()) if len(pairs) else float("nan")
