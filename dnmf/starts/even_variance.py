"""A sample whose entries vary alike: data divided by the root of what a likelihood says of its variance.

Where the variance of an entry grows with the power p of its mean, least squares of ``A_ij / (r_i c_j)^{p/2}``, with the
sums of rows and columns in the place of the mean, is the loss itself near its minimum (for counts, p = 1: Pearson's χ²
for Kullback–Leibler). Everything that makes starts for least squares then makes starts for it.
"""

import numpy as np

from dnmf.sources.memory import MemorySource
from dnmf.sources.rows import CsrRows, Rows
from dnmf.starts.sample import Sample

DAMPING = 10.0  # times the mean of the sums of columns, added to them: rare columns would weigh too much


class EvenSample:
    """A sample of rows, divided by the root of their variance; smaller samples are parts of larger ones.

    Parameters
    ----------
    sample : Sample
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
    """

    def __init__(self, sample: Sample, rows: int, power: float, *, damped: bool):
        self._sample, self.n_rows, self._power = sample, sample.n_rows, power
        columns = _column_sums(sample.first(rows))
        columns = columns + (DAMPING * columns.mean() if damped else 0.0)
        self._of_columns = np.where(columns > 0, columns, 1.0) ** (power / 2)

    def first(self, rows: int) -> MemorySource:
        """Return the first `rows` of the sample (whole runs), in the order of the source."""
        source = self._sample.first(rows)
        values, n_columns = source.read(0, source.shape[0]), source.shape[1]
        return MemorySource.of_rows(self._even(values), n_columns, source.address)

    def _even(self, values: Rows) -> Rows:
        if isinstance(values, np.ndarray):
            of_rows = _root(values.sum(axis=1, dtype=np.float64), self._power)
            return (values / of_rows[:, None] / self._of_columns).astype(np.float32)
        row_of = np.repeat(np.arange(values.n_rows), np.diff(values.indptr))
        of_rows = _root(np.bincount(row_of, weights=values.data, minlength=values.n_rows), self._power)
        even = values.data / of_rows[row_of] / self._of_columns[values.indices]
        return CsrRows(even.astype(np.float32), values.indices, values.indptr)

    def uneven(self, H: np.ndarray) -> np.ndarray:
        """Return the H (k, n) of the data from one of these rows."""
        return (H * self._of_columns).astype(H.dtype)


def _root(sums: np.ndarray, power: float) -> np.ndarray:
    return np.where(sums > 0, sums, 1.0) ** (power / 2)


def _column_sums(source: MemorySource) -> np.ndarray:
    values = source.read(0, source.shape[0])
    if isinstance(values, np.ndarray):
        return values.sum(axis=0, dtype=np.float64)
    return np.bincount(values.indices, weights=values.data, minlength=source.shape[1])
