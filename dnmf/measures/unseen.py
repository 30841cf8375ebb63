"""How far a model is from entries that were held out of its fit."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import is_finite, shown
from dnmf.arithmetic import undisturbed
from dnmf.arrays import taken_as_array
from dnmf.callers import warn_caller
from dnmf.errors import InputError, UnsolvedWarning
from dnmf.fitting.apply import by_rows
from dnmf.losses import loss_named, refuse_other_parameters
from dnmf.measures.components import refuse_no_model
from dnmf.memory import MOST_ENTRIES
from dnmf.model import Model
from dnmf.passes.check import refuse_bad_weights
from dnmf.passes.choose import choose_executor
from dnmf.passes.entries import Entries, entries_of, parts_of
from dnmf.passes.visitors.visitor import Block
from dnmf.plain import dense
from dnmf.predictions import predicted_in_order
from dnmf.sources import Source, Weighted, open_source
from dnmf.sources.observed import observed, with_holes
from dnmf.sources.opening import opened_beside
from dnmf.sources.rows import Panel
from dnmf.sources.spans import spans
from dnmf.sources.unfolded import WhereMore

Clip = tuple[float, float] | None


class HeldOut(NamedTuple):
    """How far a model is from entries that it was not fitted on.

    Attributes
    ----------
    entries : int
        How many there are.
    rmse : float
        The root of the mean of ``(a − p)²``.
    mae : float
        The mean of ``|a − p|``.
    loss : float
        The mean of the loss of the fit: ``½ (a − p)²`` for least squares, ``a log(a / p) − a + p`` for counts (half of
        their deviance). Infinite where a count was predicted to be zero and is not.
    """

    entries: int
    rmse: float
    mae: float
    loss: float


@undisturbed
def held_out(model: Model, held: Any, *, mask: Any = None, weights: Any = None, clip: Clip = None) -> HeldOut:
    """Return how far a model is from entries of its rows and columns that were held out of the fit.

    Parameters
    ----------
    model : Model
        Fitted without them. Its W is read by the rows of `held`.
    held : sparse or dense matrix, path, or (rows, columns, values)
        Of the shape of the model: what is stored of a sparse matrix, what is no NaN of a dense one; or three arrays of
        one length, rows and columns as in :meth:`dnmf.Model.predict`. Of a CP an array with its axes, too, or one of
        places for each axis and the values. What is stored, and dask arrays, are read a part at a time.
    mask : like `held`, optional
        True where an entry was held out; of a sparse matrix also what it does not store, which then counts as zero.
    weights : like `held`, optional
        How much each entry counts in the means, finite and not negative. Which entries were held out is said by the
        others; one of weight 0 is left out.
    clip : (float, float), optional
        Predictions are cut to these, as ratings go from 1 to 5.

    Returns
    -------
    HeldOut
        Root mean square error, mean absolute error, and mean loss.

    Raises
    ------
    InputError
        There are no entries, they are not of the rows and columns of the model, or cannot be read; or the model was
        fitted with ``implicit=``, so that it predicts preferences, not values.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> A = np.outer(np.arange(1.0, 21), np.arange(1.0, 11))
    >>> hidden = np.random.default_rng(0).random(A.shape) < 0.2
    >>> model = dnmf.fit(A, 1, mask=~hidden)
    >>> found = dnmf.measures.held_out(model, A, mask=hidden)
    >>> found.entries, round(found.rmse, 2)
    (37, 0.0)
    """
    refuse_no_model(model)
    refuse_preferences(model, "held_out")
    refuse_other_parameters(model.options.loss, model.options.loss_parameters)
    sums = _Sums(model, _checked_clip(clip))
    if isinstance(held, tuple) and len(held) in {1 + count for count in model.indices_of_entry}:
        if mask is not None or weights is not None:
            raise InputError("held_out: mask= and weights= are for a matrix, not for (rows, columns, values)")
        sums.add_places(held[:-1], held[-1])
    else:
        source = _source_of(model, held, mask, weights)
        with closing(choose_executor(None, source)) as executor:
            for start, stop in spans(source.layout()):
                [panel] = executor.read([(source.for_rows(start, stop), start, stop)])
                sums.add_rows(source, start, panel)
    return sums.means()


def _checked_clip(clip: Any) -> Clip:
    if clip is None:
        return None
    pair = tuple(clip) if isinstance(clip, (tuple, list)) else ()
    if len(pair) != 2 or not all(map(is_finite, pair)) or pair[0] > pair[1]:
        raise InputError(f"clip={shown(clip)}: give the least and the largest value that predictions are cut to")
    return pair


class _Sums:
    """What is added up over entries."""

    def __init__(self, model: Model, clip: Clip):
        self.model, self.clip, self.HT = model, clip, (model.d[:, None] * model.H).T
        self.kind, self.chunk_rows = loss_named(model.options.loss), model.chunk_rows
        self._held = -1, np.empty((0, model.rank))
        self.entries, self.weight, self.squares, self.off, self.loss = 0, 0.0, 0.0, 0.0, 0.0
        self.unforeseen = 0  # entries whose loss is infinite

    def add_places(self, places: Sequence[Any], values: Any) -> None:
        with taken_as_array("values", values):
            a = np.asarray(dense(values, "values"))
        p = self.model.predict(*places)
        if a.shape != p.shape or a.dtype.kind not in "buif":
            raise InputError(f"held_out: values of shape {a.shape} and dtype {a.dtype} for pairs of shape {p.shape}")
        self.add(a.ravel().astype(np.float64), p.ravel(), np.ones(a.size))

    def add_rows(self, source: Source, start: int, panel: Panel) -> None:
        values, weights = panel if isinstance(panel, Weighted) else (panel, None)
        if isinstance(panel, Weighted):
            refuse_bad_weights(source, start, panel)
        for part in parts_of(Block(values, start, None, weights), MOST_ENTRIES):
            self._add_entries(part.at, entries_of(part, np.dtype(np.float64), zero_is_free=False))

    def _add_entries(self, at: int, entries: Entries) -> None:
        rows, weights = at + entries.row_of, entries.weighted(np.ones(len(entries.a)))
        for low in range(0, len(rows), MOST_ENTRIES):  # of a row that is longer than that
            some = slice(low, low + MOST_ENTRIES)
            p = predicted_in_order(self._rows_of_W, self.chunk_rows, rows[some], entries.indices[some], self.HT)
            self.add(entries.a[some], p, weights[some])

    def _rows_of_W(self, first: int, stop: int) -> np.ndarray:
        """Rows that lie in one chunk of W, which is kept until those of another are asked for."""
        at = first // self.chunk_rows * self.chunk_rows
        if at != self._held[0]:
            self._held = at, self.model.read_W(at, at + self.chunk_rows)
        return self._held[1][first - at : stop - at]

    def add(self, a: np.ndarray, p: np.ndarray, weights: np.ndarray) -> None:
        if not np.isfinite(a).all():
            raise InputError("held_out: a value that is not finite is among the entries that were held out")
        p = p if self.clip is None else np.clip(p, *self.clip)
        loss = self.kind.entire(a, p)
        self.entries += int(np.count_nonzero(weights))
        self.weight += float(weights.sum())
        self.squares += float(weights @ np.square(a - p))
        self.off += float(weights @ np.abs(a - p))
        self.loss += float(weights @ loss)
        self.unforeseen += int(np.count_nonzero(np.isinf(loss) & (weights > 0)))

    def means(self) -> HeldOut:
        if not self.weight:
            raise InputError("held_out: no entries were held out; give those that the fit has not seen")
        if self.unforeseen:
            warn_caller(
                f"held_out: {self.unforeseen:,} of {self.entries:,} entries are predicted to be 0 and are not, so that "
                "their mean loss is infinite; compare rmse, or fit fewer components, or one whose fixed_W is ones, "
                "which predicts something everywhere",
                UnsolvedWarning,
            )
        rmse = float(np.sqrt(self.squares / self.weight))
        return HeldOut(self.entries, rmse, self.off / self.weight, self.loss / self.weight)


def refuse_preferences(model: Model, measure: str) -> None:
    """Refuse a model of implicit feedback in a measure of values, which is called so.

    Raises
    ------
    InputError
        It is one.
    """
    if model.options.implicit:
        raise InputError(f"{measure}: a fit with implicit= predicts whether there is something, from 0 to 1, no values")


def _source_of(model: Model, held: Any, mask: Any, weights: Any) -> Source:
    source = with_holes(held, model.unfolding) or open_source(held, row_axes=model.unfolding)
    if not isinstance(held, Source) or not source.has_missing or mask is not None or weights is not None:
        beside = {"mask": mask, "weights": weights}
        given = opened_beside(beside, row_axes=WhereMore(source.unfolding.rows) if source.unfolding else None)
        missing = "nan" if not source.sparse else "unstored" if mask is None else "refuse"
        source = observed(source, missing, **given)
    source = by_rows(source)
    if source.shape != model.shape:
        raise InputError(
            f"{source.address}: has shape {source.shape}, the model {model.shape}; held out are entries of rows that "
            "the model was fitted on (for other rows: dnmf.measures.relative_error, or Model.transform)"
        )
    model.refuse_other_rows(source)
    model.refuse_other_columns(source)
    return source
