"""Components of a model in other columns and other units: what else the rows that use them have."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.errors import InputError
from dnmf.fitting.apply import by_rows
from dnmf.fitting.events import Callback
from dnmf.kernels.nnls import solve_rows
from dnmf.kernels.principal_pivoting import pivot_rows
from dnmf.measures.components import refuse_no_model
from dnmf.measures.given_rows import stored_rows
from dnmf.measures.one_read import read_once
from dnmf.model import Model
from dnmf.options import parse_bytes
from dnmf.passes.visitors.usages import FoldUsages
from dnmf.resources import Resources, checked_callbacks
from dnmf.schemes.facts import ALL_OBSERVED
from dnmf.schemes.of_options import scheme_of
from dnmf.sources import open_source

TOLERANCE, SWEEPS = 1e-12, 10_000  # of the columns that block pivoting leaves
LEAST = 1e-12  # of the largest eigenvalue: a direction below it is rounding


class Spectra(NamedTuple):
    """Components in other columns.

    Attributes
    ----------
    counts : ndarray (k, n)
        What a row has that is of one component alone, in the units of the other data; not negative.
    score : ndarray (k, n)
        By how many deviations a column rises for each unit of a component's usage; below zero where it falls.
    mean, deviation : ndarray (n,)
        Of the columns of the other data.
    """

    counts: np.ndarray
    score: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


@undisturbed
def spectra(
    model: Model, other: Any, *, client: Any = None, memory_limit: Any = None, callbacks: Sequence[Callback] = ()
) -> Spectra:
    """Return the components of a model in other columns or units of the rows it was fitted on, in one read of these.

    Two regressions of the other data T (m, n) on the usages ``U = W diag(d)``, which stay as they are:

    * ``counts = argmin_{S ≥ 0} ‖T − N S‖²``, N being U with rows that sum to one: what cNMF calls the spectra in TPM
      where T is in transcripts per million;
    * ``score = argmin_S ‖Z − U S‖²``, ``Z_ij = (T_ij − mean_j) / deviation_j``: what cNMF calls the gene spectra score.
      The columns with the largest ones tell a component from the others, where those with the largest counts may be
      large in all. Neither Z nor anything else that is dense is made: both follow from ``UᵀT``, ``NᵀT`` and the moments
      of the columns.

    Parameters
    ----------
    model : Model
        Its W is read beside the rows, where it lies on disk.
    other : anything :func:`dnmf.open_source` takes
        The rows of the fit, in its order, with whatever columns. Values may be negative.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`. The same bits come back from any number of workers.

    Raises
    ------
    InputError
        The rows are not those of the fit, the data cannot be used or has missing entries, or W may be negative.
    BudgetError
        A worker's memory cannot hold what the work needs.

    References
    ----------
    Kotliar et al. 2019, Identifying gene expression programs with consensus NMF (doi:10.7554/eLife.43803).

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> A = np.kron(np.eye(2), np.ones((3, 2)))
    >>> model = dnmf.fit(A, 2)
    >>> more = np.column_stack([5 * A[:, 0], A[:, 3], np.ones(6)])  # other columns of these rows
    >>> found = dnmf.measures.spectra(model, more)
    >>> found.counts[model.H[:, 0].argmax()].round(6).tolist()
    [5.0, 0.0, 1.0]
    """
    refuse_no_model(model)
    if scheme_of(model.options, ALL_OBSERVED).is_signed("W"):
        raise InputError("spectra: W of this model may be negative; shares of a row that are not negative are needed")
    opened = by_rows(open_source(other, row_axes=model.unfolding))
    model.refuse_other_rows(opened)
    resources = Resources(client, parse_bytes(memory_limit), callbacks=checked_callbacks(callbacks))
    visitor = FoldUsages(model.d, model.order)
    sums = read_once(opened, visitor, resources, columns=opened.shape[1], given=stored_rows(model))
    of_columns, k = sums.moments.columns, model.rank
    G, P = sums.products.G, sums.products.P.T
    mean, deviation = of_columns.mean, np.sqrt(of_columns.variance())
    apart = P[:k] - np.outer(sums.products.s[:k], mean)
    wanted = np.divide(apart, deviation, out=np.zeros_like(apart), where=deviation > 0)
    return Spectra(_not_negative(G[k:, k:], P[k:]), _least_squares(G[:k, :k], wanted), mean, deviation)


def _unit(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Gram matrix with a diagonal of ones, or zeros, and what its coordinates are then multiplied by (k, 1)."""
    diagonal = np.diag(G)
    unit = np.divide(1.0, np.sqrt(diagonal), out=np.zeros_like(diagonal), where=diagonal > 0)
    return G * np.outer(unit, unit), unit[:, None]


def _not_negative(G: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The S ≥ 0 (k, n) of least ``sᵀGs / 2 − bᵀs`` in each column."""
    Q, unit = _unit(G)
    right = np.ascontiguousarray((unit * B).T)
    found, ended = pivot_rows(Q, right, right)
    which = np.flatnonzero(~ended)
    if len(which):  # usages that are combinations of others
        found[which] = solve_rows(Q, right[which], found[which], TOLERANCE, SWEEPS)[0][:, : len(Q)]
    return unit * found.T


def _least_squares(G: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The S (k, n) of least norm with ``G S = B``, usages on one length."""
    Q, unit = _unit(G)
    return unit * (np.linalg.pinv(Q, rcond=LEAST, hermitian=True) @ (unit * B))
