"""What has to read data: how well a model explains other rows, and the first singular vector to compare with."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np

from dnmf.api import fit
from dnmf.arithmetic import at_least_zero, undisturbed
from dnmf.fitting.apply import measure_other_rows
from dnmf.fitting.events import Callback
from dnmf.fitting.meter import as_part
from dnmf.measures.columns import checked_side
from dnmf.measures.components import refuse_no_model
from dnmf.model import Model
from dnmf.options import parse_bytes
from dnmf.passes.choose import choose_executor
from dnmf.resources import checked_callbacks
from dnmf.sources import open_source
from dnmf.sources.as_fitted import SAME, Said

MOST_PASSES = 200
TOLERANCE = 1e-14  # of the objective, whose error is that of the vector squared


@undisturbed
def relative_error(  # noqa: PLR0913  a door to other rows
    model: Model, data: Any, client: Any = None, memory_limit: Any = None, fixed_W: Any = None, *,
    missing: str = SAME, mask: Any = None, weights: Any = None, row_weights: Any = None, column_weights: Any = None,
    columns: str = "same",
) -> float:  # fmt: skip
    """Return ``‖A − W diag(d) H‖ / ‖A‖`` for other rows of data, W solved for them, in one read; 0 where A is zero.

    Of a model of another loss it is the root of the share of that loss which is not explained, measured against
    predicting the mean of each row; of counts ``1 − relative_error²`` is the share of their deviance that is explained.

    W is that of :meth:`dnmf.Model.transform`, with the penalty of the fit, but it is kept nowhere: a pass adds up what
    is left of each row. Of dense data it is right to the rounding of the fit's dtype, however small; of sparse data it
    is a difference of sums in float64, and what is below 1e-7 is rounding.

    Parameters
    ----------
    model : Model
        With its H and d.
    data : anything :func:`dnmf.open_source` takes
        (rows, n) with the columns of the fit.
    client, memory_limit
        As in :func:`dnmf.fit`.
    fixed_W, columns, missing, mask, weights, row_weights, column_weights
        As in :meth:`dnmf.Model.transform`: the error is that of what was observed, by default as the fit was told.

    Raises
    ------
    InputError
        The columns are not those of the fit, the data cannot be used, or what of it was observed is not known or
        nothing.
    """
    said = Said(missing, mask, weights, row_weights, column_weights)
    left, squares = _twice_the_loss(model, data, client, memory_limit, fixed_W, columns=columns, said=said)
    return float(np.sqrt(at_least_zero(left) / squares)) if squares > 0 else 0.0


@undisturbed
def loss(  # noqa: PLR0913  a door to other rows
    model: Model, data: Any, client: Any = None, memory_limit: Any = None, fixed_W: Any = None, *,
    missing: str = SAME, mask: Any = None, weights: Any = None, row_weights: Any = None, column_weights: Any = None,
    columns: str = "same",
) -> float:  # fmt: skip
    """Return the loss of other rows of data, W solved for them, in one read: that of the fit, without penalties.

    ``½‖A − W diag(d) H‖²``, or what the model was fitted with; of counts twice this is the deviance of rows that were
    held out.

    Parameters
    ----------
    model, data, client, memory_limit, fixed_W, columns, missing, mask, weights, row_weights, column_weights
        As in :func:`relative_error`.

    Raises
    ------
    InputError
        As in :func:`relative_error`.
    """
    said = Said(missing, mask, weights, row_weights, column_weights)
    return _twice_the_loss(model, data, client, memory_limit, fixed_W, columns=columns, said=said)[0] / 2


def _twice_the_loss(
    model: Model, data: Any, client: Any, memory_limit: Any, fixed_W: Any, *, columns: str, said: Said
) -> tuple[float, float]:
    """That of the model, and that of one which explains nothing."""
    refuse_no_model(model)
    source = model.open_rows(data, columns, said)
    with closing(choose_executor(client, source)) as executor:
        return measure_other_rows(
            source, executor, model.options, fixed=model.fixed(source, fixed_W), weights=model.d_ratio,
            memory_bytes=parse_bytes(memory_limit),
        )  # fmt: skip


@undisturbed
def first_singular_vector(
    source: Any, client: Any = None, memory_limit: Any = None, side: str = "H", *, callbacks: Sequence[Callback] = ()
) -> np.ndarray:
    """Return the first singular vector of a non-negative matrix, of norm 1: right (n,), or left (m,) for ``"W"``.

    By Perron and Frobenius it is not negative, so it is the component of the best model of rank 1, which is fitted
    here in float64 from a start that is positive everywhere: alternating least squares are then power iterations. Where
    the first two singular values are close, its direction hardly matters to the error, and converges slowly. Of a
    matrix of zeros it is zero.

    Parameters
    ----------
    source, client, memory_limit
        As in :func:`dnmf.fit`.
    side : {"H", "W"}
        Which of the pair.
    callbacks : sequence of callables
        Each is handed every :class:`~dnmf.fitting.events.PassProgress`: how far a read is.

    Raises
    ------
    InputError
        The data cannot be used.
    """
    checked_side(side)
    opened = open_source(source)
    columns = opened.shape[0] if opened.transposed else opened.shape[1]
    model = fit(
        opened, 1, H=np.ones((1, columns)), dtype="float64", tol=TOLERANCE, max_passes=MOST_PASSES, client=client,
        memory_limit=memory_limit, callbacks=as_part(checked_callbacks(callbacks), "measure"),
    )  # fmt: skip
    vector = model.H[0] if side == "H" else model.read_W()[:, 0]
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm else vector
