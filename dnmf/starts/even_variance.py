"""A sample whose entries vary alike: data divided by the root of what a likelihood says of its variance.

Where the variance of an entry grows with the power p of its mean, least squares of ``A_ij / (r_i c_j)^{p/2}``, with the
sums of rows and columns in the place of the mean, is the loss itself near its minimum (for counts, p = 1: Pearson's χ²
for Kullback–Leibler). Everything that makes starts for least squares then makes starts for it.
"""

from collections.abc import Iterator

import numpy as np

from dnmf.sources.memory import MemorySource
from dnmf.sources.rows import CsrRows, Rows
from dnmf.starts.sample import Nested

DAMPING = 10.0  # times the mean of the sums of columns, added to them: rare columns would weigh too much
ENTRIES_AT_ONCE = 2**16  # that are divided at a time


class EvenSample:
    """A sample of rows, divided by the root of their variance; smaller samples are parts of larger ones.

    Parameters
    ----------
    sample : Nested
        The rows as they are.
    rows : int
        How many at most.
    power : float
        With which the variance grows.
    damped : bool
        Whether columns with little in them count for less.

    Attributes
    ----------
    n_rows : int
        Of the source.
    of_columns : ndarray (n,)
        What columns are divided by, beside rows.
    """

    def __init__(self, sample: Nested, rows: int, power: float, *, damped: bool):
        self._sample, self.n_rows, self._power = sample, sample.n_rows, power
        columns = _column_sums(sample.first(rows))
        columns = columns + (DAMPING * columns.mean() if damped else 0.0)
        self.of_columns = np.where(columns > 0, columns, 1.0) ** (power / 2)

    def first(self, rows: int) -> MemorySource:
        """Return the first `rows` of the sample (whole runs), in the order of the source."""
        source = self._sample.first(rows)
        values, n_columns = source.read(0, source.shape[0]), source.shape[1]
        return MemorySource.of_rows(self._even(values), n_columns, source.address)

    def _even(self, values: Rows) -> Rows:
        if isinstance(values, np.ndarray):
            dense = np.empty(values.shape, np.float32)
            for some in _in_steps(np.arange(len(values) + 1) * values.shape[1]):
                of_rows = _root(values[some].sum(axis=1, dtype=np.float64), self._power)
                dense[some] = values[some] / of_rows[:, None] / self.of_columns
            return dense
        even, offsets = np.empty(len(values.data), np.float32), values.indptr
        for some in _in_steps(offsets):
            here, lengths = slice(offsets[some.start], offsets[some.stop]), np.diff(offsets[some.start : some.stop + 1])
            row_of = np.repeat(np.arange(len(lengths)), lengths)
            of_rows = _root(np.bincount(row_of, weights=values.data[here], minlength=len(lengths)), self._power)
            even[here] = values.data[here] / of_rows[row_of] / self.of_columns[values.indices[here]]
        return CsrRows(even, values.indices, offsets)

    def uneven(self, H: np.ndarray) -> np.ndarray:
        """Return the H (k, n) of the data from one of these rows."""
        return (H * self.of_columns).astype(H.dtype)


def _root(sums: np.ndarray, power: float) -> np.ndarray:
    return np.where(sums > 0, sums, 1.0) ** (power / 2)


def _column_sums(source: MemorySource) -> np.ndarray:
    values = source.read(0, source.shape[0])
    if isinstance(values, np.ndarray):
        return values.sum(axis=0, dtype=np.float64)
    sums = np.zeros(source.shape[1])
    np.add.at(sums, values.indices, values.data)
    return sums


def _in_steps(offsets: np.ndarray) -> Iterator[slice]:
    """Yield rows that have so few entries together that what is made of them on the way is little."""
    first = 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + ENTRIES_AT_ONCE, side="right")) - 1)
        yield slice(first, last)
        first = last
