"""What the factors of a model recommend: the columns of largest prediction for some rows, but for those they have."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import whole
from dnmf.errors import InputError
from dnmf.fitting.apply import by_rows
from dnmf.passes.choose import choose_executor
from dnmf.predictions import places
from dnmf.sources import Source, Weighted, open_source
from dnmf.sources.names import names_to_show
from dnmf.sources.observed import with_holes
from dnmf.sources.rows import Panel
from dnmf.sources.spans import spans
from dnmf.tables import Listing, as_html

SCORES_AT_ONCE = 2**18


class Recommendation(NamedTuple):
    """One of the columns that are recommended to a row.

    Attributes
    ----------
    row : int
        Of the matrix.
    row_name : str
        Its name; its number where there are no names.
    place : int
        0 is the best.
    column : int
        Of the matrix.
    name : str
        Its name, or its number.
    score : float
        What is predicted: ``(W diag(d) H)_ij``.
    """

    row: int
    row_name: str
    place: int
    column: int
    name: str
    score: float


@dataclass(frozen=True, repr=False)
class Recommended(Listing[Recommendation]):
    """What is recommended: a sequence of :class:`Recommendation`, by row and place.

    Attributes
    ----------
    entries : tuple of Recommendation
        All of them.
    """

    fields = Recommendation._fields
    entries: tuple[Recommendation, ...]

    def of(self, row: int | str) -> list[Recommendation]:
        """Return what is recommended to one row, by its number or its name."""
        return [each for each in self.entries if row in (each.row, each.row_name)]

    def names(self) -> dict[str, list[str]]:
        """Return the names of the columns by the name of the row."""
        found: dict[str, list[str]] = {}
        for each in self.entries:
            found.setdefault(each.row_name, []).append(each.name)
        return found

    def __repr__(self) -> str:
        return "\n".join(["row: best columns (prediction)", *(f"{row}: {best}" for row, best in self._by_row())])

    def _repr_html_(self) -> str:
        return as_html(("row", "best columns (prediction)"), list(self._by_row()))

    def _by_row(self) -> Iterator[tuple[str, str]]:
        for _, some in groupby(self.entries, lambda each: each.row):
            best = list(some)
            yield best[0].row_name, ", ".join(f"{each.name} ({each.score:.4g})" for each in best)


class Recommends:
    """The part of :class:`dnmf.Model` that recommends columns."""

    def recommend(self: Any, rows: Any, n: int = 10, exclude: Any = None) -> Recommended:
        """Return the n columns of largest prediction for each of some rows, but for those that a row has already.

        Of equal predictions the first column comes first. Columns that are predicted to be 0 are left out, so that a
        row of which nothing is known has none. What a row is recommended depends on that row alone, to the last bit.

        Parameters
        ----------
        rows : array of int, or of names
            Which, or one of them.
        n : int
            How many columns of each, at most.
        exclude : sparse or dense matrix, or path, optional
            Of the shape of the model: what a row has already. What is stored of a sparse matrix, what is neither NaN
            nor 0 of a dense one; of a source with missing entries what was observed. Read for these rows alone.

        Raises
        ------
        InputError
            A row is not there, or `exclude` has other rows or columns than the model or cannot be read.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> seen = np.array([[5, 3, 0, 1], [4, 0, 4, 0], [0, 2, 0, 3]])
        >>> model = dnmf.fit(np.array([[5, 3, 5, 1], [4, 2, 4, 1], [0, 2, 0, 3]]), 2, tol=1e-6)
        >>> model.recommend([1, 0], n=2, exclude=seen).names()
        {'1': ['1', '3'], '0': ['2']}
        """
        n = whole("n", n, least=1)
        asked = np.unique(wanted := places("rows", rows, self.shape[0], lambda: self.row_names).ravel())
        with Ranking(self, n, exclude) as ranking:
            best = dict(zip(asked.tolist(), ranking.best(asked), strict=True))
        of_rows, of_columns = names_to_show(self.row_names), names_to_show(self.column_names)
        return Recommended(tuple(
            Recommendation(row, _name(of_rows, row), place, column, _name(of_columns, column), score)
            for row in dict.fromkeys(wanted.tolist())
            for place, (column, score) in enumerate(zip(*(each.tolist() for each in best[row]), strict=True))
        ))  # fmt: skip


def _name(names: np.ndarray | None, number: int) -> str:
    return str(number) if names is None else str(names[number])


class Ranking(ExitStack):
    """Ranks the columns for rows of a model; W, and what rows have already, are read some rows at a time.

    Parameters
    ----------
    model : Model
        Which predicts.
    n : int
        Columns of each row, at most.
    exclude : matrix, path or None
        What rows have already.

    Raises
    ------
    InputError
        `exclude` has other rows or columns than the model, or cannot be read.
    """

    def __init__(self, model: Any, n: int, exclude: Any = None):
        super().__init__()
        self._model, self._n = model, n
        self._H = model.d[:, None] * model.H.astype(np.float64)
        self._had = None if exclude is None else _Had(model, exclude)
        if self._had is not None:
            self.callback(self._had.close)

    def best(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the best columns of each of some rows, whose numbers rise, and their predictions."""
        step = max(1, SCORES_AT_ONCE // self._H.shape[1])
        for chunk in np.split(rows, np.flatnonzero(np.diff(rows // self._model.chunk_rows)) + 1):
            if len(chunk):
                first = int(chunk[0])
                W = self._model.read_W(first, int(chunk[-1]) + 1)[chunk - first].astype(np.float64)
                for low in range(0, len(chunk), step):
                    yield from self._of_some(chunk[low : low + step], W[low : low + step])

    def _of_some(self, rows: np.ndarray, W: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        scores = np.zeros((len(rows), self._H.shape[1]))
        for w, h in zip(W.T, self._H, strict=True):  # one by one: BLAS rounds as the number of rows is
            scores += w[:, None] * h
        scores[scores == 0] = -np.inf
        if self._had is not None:
            for score, columns in zip(scores, self._had.columns(rows), strict=True):
                score[columns] = -np.inf
        yield from (_largest(score, self._n) for score in scores)


def _largest(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the n largest scores and these, the first place first among equals; −inf is none."""
    kept = np.flatnonzero(scores > -np.inf)
    if len(kept) > 4 * n:  # sorts few of many
        kept = kept[scores[kept] >= -np.partition(-scores[kept], n - 1)[n - 1]]
    best = kept[np.lexsort((kept, -scores[kept]))][:n]
    return best, scores[best]


class _Had:
    """What rows have already, read by spans, the last of which is kept."""

    def __init__(self, model: Any, exclude: Any):
        self._source = source_of(model, exclude, "exclude")
        self._executor = choose_executor(None, self._source)
        self._spans = np.array([stop for _, stop in spans(self._source.layout())])
        self._held: tuple[int, int, list[np.ndarray]] = 0, 0, []

    def close(self) -> None:
        self._executor.close()

    def columns(self, rows: np.ndarray) -> list[np.ndarray]:
        """The columns that each of some rows has, whose numbers rise."""
        found = []
        for row in rows.tolist():
            start, stop, held = self._held
            if not start <= row < stop:
                start, stop, held = self._read(row)
            found.append(held[row - start])
        return found

    def _read(self, row: int) -> tuple[int, int, list[np.ndarray]]:
        at = int(np.searchsorted(self._spans, row, side="right"))
        start, stop = int(self._spans[at - 1]) if at else 0, int(self._spans[at])
        [panel] = self._executor.read([(self._source.for_rows(start, stop), start, stop)])
        self._held = start, stop, columns_there(panel, zeros=self._source.has_missing)
        return self._held


def source_of(model: Any, given: Any, what: str) -> Source:
    """Return what was given of the rows and columns of a model as a source of its rows.

    Raises
    ------
    InputError
        It has another shape or other names than the model, or cannot be read.
    """
    source = by_rows(with_holes(given, model.unfolding) or open_source(given, row_axes=model.unfolding))
    if source.shape != model.shape:
        raise InputError(f"{what}: {source.address} has shape {source.shape}, the model {model.shape}")
    model.refuse_other_rows(source)
    model.refuse_other_columns(source)
    return source


def columns_there(panel: Panel, *, zeros: bool = False) -> list[np.ndarray]:
    """Return the columns in which each of some rows has an entry.

    What is stored of sparse rows, what is neither NaN nor 0 (or, with `zeros`, no NaN) of dense ones; where entries
    have weights, those above 0.

    Examples
    --------
    >>> [columns.tolist() for columns in columns_there(np.array([[0.0, 2.0, np.nan], [1.0, 3.0, 0.0]]))]
    [[1], [0, 1]]
    """
    rows, weights = (panel.rows, panel.weights) if isinstance(panel, Weighted) else (panel, None)
    if isinstance(rows, np.ndarray):
        there = ~np.isnan(rows) & (zeros | (rows != 0)) if weights is None else weights > 0
        return [np.flatnonzero(row) for row in there]
    observed = np.ones(len(rows.indices), bool) if weights is None else weights > 0
    return [rows.indices[low:high][observed[low:high]] for low, high in pairwise(rows.indptr.tolist())]
