"""Totals, means and variances of rows and columns, and which columns vary more than counts of their size do."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import is_finite, shown, whole
from dnmf.arithmetic import undisturbed
from dnmf.errors import InputError
from dnmf.fitting.events import Callback
from dnmf.measures.one_read import read_once
from dnmf.options import parse_bytes
from dnmf.passes.visitors.moments import Along, MeasureMoments
from dnmf.resources import Resources, checked_callbacks
from dnmf.sources import Source, open_source

MOST_COMMON = 20  # columns whose least coefficient of variation is that of the rows' sizes
WINSOR = (0.1, 0.9)  # quantiles between which a column is an ordinary one


class Moments(NamedTuple):
    """What is known of the rows and columns of a matrix, of each `count`, `total`, `mean`, and `squares`.

    Attributes
    ----------
    rows, columns : Along
        `count`: the entries that were observed, or what their weights add up to. `total`: their sum. `mean`: total over
        count. `squares`: the sum of the squares of their distances from the mean, of which the variance is made.
    """

    rows: Along
    columns: Along


@undisturbed
def moments(
    source: Any, *, client: Any = None, memory_limit: Any = None, callbacks: Sequence[Callback] = ()
) -> Moments:
    """Return totals, means and variances of all rows and columns, in one read.

    Everything is added up in float64, squares as distances from the mean, so that no digit is lost where a mean is
    large beside a deviation (Chan, Golub & LeVeque 1983). The same bits come back from any number of workers.

    Parameters
    ----------
    source : anything :func:`dnmf.open_source` takes
        Its values may be negative. Of entries that were not observed nothing is counted; weights count.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`.

    Raises
    ------
    InputError
        The data cannot be used.
    BudgetError
        A worker's memory cannot hold what the work needs.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> found = dnmf.measures.moments(np.array([[1.0, 2, 0], [3, 2, 0]]))
    >>> found.rows.total.tolist(), found.columns.mean.tolist(), found.columns.variance().tolist()
    ([3.0, 5.0], [2.0, 2.0, 0.0], [1.0, 0.0, 0.0])
    """
    resources = Resources(client, parse_bytes(memory_limit), callbacks=checked_callbacks(callbacks))
    return _moments(open_source(source), resources)


def _moments(source: Source, resources: Resources) -> Moments:
    n_rows, n_columns = source.shape
    visitor = MeasureMoments(stored_only=source.unstored == "missing")
    sums = read_once(source, visitor, resources, columns=n_columns, kept_rows=n_rows)
    rows = Along(*np.concatenate([sums.kept[at] for at in sorted(sums.kept)]).T.copy())
    return Moments(sums.columns, rows) if source.transposed else Moments(rows, sums.columns)


class Variable(NamedTuple):
    """Which columns vary much, and by what they are to be divided.

    Attributes
    ----------
    chosen : ndarray of bool (n,)
        Those that do: for ``columns=`` of :func:`dnmf.open_source`.
    scale : ndarray (n,)
        The deviation of each column of the data, by which its variance becomes 1; 1 where it does not vary. For
        ``column_scale=``.
    ratio : ndarray (n,)
        The Fano factor of each column over the one that is expected of its mean; 0 where it is empty.
    mean : ndarray (n,)
        Of each column of the rows that were brought to one size.
    row_scale : ndarray (m,)
        What brings each row to the total `per`, for ``row_scale=``; 1 for those that are empty.
    """

    chosen: np.ndarray
    scale: np.ndarray
    ratio: np.ndarray
    mean: np.ndarray
    row_scale: np.ndarray


@undisturbed
def variable_columns(
    source: Any, count: int | None, *, per: float | None = 1e6, least_mean: float = 0.5,
    client: Any = None, memory_limit: Any = None, callbacks: Sequence[Callback] = (),
) -> Variable:  # fmt: skip
    """Return which columns of counts vary more than is expected of their means, as cNMF chooses genes; in two reads.

    Each row is brought to the same total first. Of what that makes of a column, the Fano factor ``f = variance / mean``
    is compared with ``a² mean + b²``: `a` is the least coefficient of variation among the 20 columns of the largest
    means, that of the sizes of rows; ``b²`` the median Fano factor of ordinary columns, those whose mean and whose Fano
    factor lie between the tenth and the ninetieth percentile.

    Parameters
    ----------
    source : anything :func:`dnmf.open_source` takes
        Counts, not negative.
    count : int or None
        How many columns are chosen, 2,000 of the genes of a genome: those of the largest ratio. None: those whose ratio
        is above ``1 + the deviation of the Fano factors of ordinary columns``, and whose mean is above `least_mean`;
        that is for small `per`, since Fano factors grow with it.
    per : float, optional
        The total that rows are brought to: 1e6 makes transcripts per million; None leaves them as they are, in one
        read. Rows that are empty stay so.
    least_mean : float
        Where `count` is None.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`.

    Raises
    ------
    InputError
        The data cannot be used, there are fewer columns that vary than are asked for, or none is an ordinary one.
    BudgetError
        A worker's memory cannot hold what the work needs.

    References
    ----------
    Klein et al. 2015, Droplet barcoding for single-cell transcriptomics (doi:10.1016/j.cell.2015.04.044). Kotliar et
    al. 2019, Identifying gene expression programs with consensus NMF (doi:10.7554/eLife.43803).

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> A = np.random.default_rng(0).poisson(1.0, (400, 50))
    >>> A[:200, 7] *= 9
    >>> found = dnmf.measures.variable_columns(A, 1)
    >>> np.flatnonzero(found.chosen).tolist()
    [7]
    >>> dnmf.open_source(A, columns=found.chosen, column_scale=found.scale).shape
    (400, 1)
    """
    count = None if count is None else whole("count", count, least=1)
    if per is not None and not (is_finite(per) and per > 0):
        raise InputError(f"per={shown(per)}: give a total above zero that rows are brought to, or None")
    resources = Resources(client, parse_bytes(memory_limit), callbacks=checked_callbacks(callbacks))
    opened = open_source(source)
    of_data = of_sized = _moments(opened, resources)
    _refuse_negative(opened, of_data)
    sizes = np.ones(opened.shape[0])
    if per is not None:
        sizes = sizes_of_rows(of_data, per)
        of_sized = _moments(open_source(opened, row_scale=sizes), resources)
    mean, ratio, limit = _ratios(of_sized.columns, opened.address)
    if count is None:
        chosen = (ratio > limit) & (mean > least_mean)
        _refuse_none(chosen, limit, opened.address)
    else:
        chosen = _largest(ratio, count, opened.address)
    return Variable(chosen, deviations(of_data), ratio, mean, sizes)


def sizes_of_rows(of_data: Moments, per: float) -> np.ndarray:
    """Return what brings each row to the total `per`; 1 for those that are empty."""
    sizes = of_data.rows.total / per
    return np.where(sizes > 0, sizes, 1.0)


def deviations(of_data: Moments) -> np.ndarray:
    """Return by what the variance of each column becomes 1; 1 for one that does not vary."""
    found = np.sqrt(of_data.columns.variance(1))
    return np.where(found > 0, found, 1.0)


def _ratios(columns: Along, address: str) -> tuple[np.ndarray, np.ndarray, float]:
    """The means, the Fano factors over those expected, and above which a ratio is large."""
    mean, variance = columns.mean, columns.variance()
    some = np.flatnonzero(mean > 0)
    fano = variance[some] / mean[some]
    low, high = np.quantile(mean, WINSOR)
    least, most = np.quantile(fano, WINSOR) if len(some) else (0.0, 0.0)
    ordinary = (fano > least) & (fano < most) & (mean[some] > low) & (mean[some] < high)
    if np.count_nonzero(ordinary) < 2:
        raise InputError(
            f"{address}: fewer than two columns are ordinary ones, with means and Fano factors between the tenth and "
            "the ninetieth percentile; choose columns otherwise"
        )
    common = np.argsort(-mean, kind="stable")[:MOST_COMMON]
    common = common[mean[common] > 0]
    of_sizes = float((np.sqrt(variance[common]) / mean[common]).min())
    ratio = np.zeros_like(mean)
    ratio[some] = fano / (of_sizes**2 * mean[some] + np.median(fano[ordinary]))
    return mean, ratio, 1 + float(np.std(fano[ordinary], ddof=1))


def _largest(ratio: np.ndarray, count: int, address: str) -> np.ndarray:
    there = int(np.count_nonzero(ratio))
    if count > there:
        raise InputError(f"{address}: {there:,} columns vary, of which {count:,} cannot be chosen")
    chosen = np.zeros(len(ratio), bool)
    chosen[np.argsort(-ratio, kind="stable")[:count]] = True
    return chosen


def _refuse_none(chosen: np.ndarray, limit: float, address: str) -> None:
    if not chosen.any():
        raise InputError(
            f"{address}: no column has a ratio above {limit:.3g}; say how many are chosen, count=, or per="
        )


def _refuse_negative(source: Source, found: Moments) -> None:
    below = np.flatnonzero(found.columns.total < 0)
    if len(below):
        raise InputError(f"{source.address}: the total of column {below[0]} is below zero; counts are not negative")
