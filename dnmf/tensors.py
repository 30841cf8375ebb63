"""Nonnegative CP of N-way arrays that do not fit in memory: the door."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.api import fit_opened
from dnmf.arguments import shown
from dnmf.arithmetic import undisturbed
from dnmf.arrays import taken_as, taken_as_array
from dnmf.cp_model import CPModel
from dnmf.errors import InputError
from dnmf.fitting.events import Callback
from dnmf.options import CP, FitOptions, parse_bytes, start_asked_for
from dnmf.penalty import Penalty
from dnmf.resources import Resources, checked_callbacks
from dnmf.schemes.modes import products_of
from dnmf.sources import Source, open_source
from dnmf.sources.unfolded import LONGEST, PLANE, Unfolding

LARGE = 1e30  # beyond which, and below its inverse, numbers of single precision are near to their end


@undisturbed
def cp(  # noqa: PLR0913  the door names every option
    source: Any,
    rank: int,
    *,
    init: str = "auto",
    solver: str = "cd",
    sweeps: int = 1,
    exact_rows: bool = True,
    loss: str = "frobenius",
    penalty: Penalty | None = None,
    prune: str = "rule",
    dtype: str = "float32",
    seed: int = 0,
    restarts: int = 1,
    tol: float = 1e-4,
    max_passes: int = 100,
    max_seconds: float | None = None,
    extrapolate: bool = True,
    factors: Any = None,
    missing: str = "refuse",
    mask: Any = None,
    weights: Any = None,
    row_weights: Any = None,
    column_weights: Any = None,
    implicit: float = 0.0,
    row_axes: Any = LONGEST,
    row_names: Any = None,
    store: str | Path | None = None,
    overwrite: bool = False,
    resume: str = "never",
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    callbacks: Sequence[Callback] = (),
) -> CPModel:
    """Return the nonnegative CP ``A ≈ Σ_q weights_q · w_q ∘ x_q ∘ y_q ∘ …`` of an array of three or more axes.

    Minimizes ``½‖A − Σ_q …‖²_F``, or another loss, with all factors ``≥ 0`` (canonical polyadic decomposition,
    PARAFAC; of counts under Kullback–Leibler CP-APR), over the entries that were observed. A pass reads the
    data once, slab after slab along its long axis, solves for the rows of that factor and updates all others, which
    are alternated in memory. Columns of every factor sum to one; `weights` carry the scale.

    Parameters
    ----------
    source : path, URL, array, DataArray, …
        The array, as for :func:`dnmf.open_source`.
    rank : int
        Components k, at most all lengths but the largest multiplied: so many make any array. There may be more of them
        than the longest axis is long.
    init : {"auto", "sample", "surrogate", "random", "normal"}
        Where the factors of the short axes start: see :func:`dnmf.fit`. A start is brought to the nearest products.
    solver, sweeps, exact_rows
        How each factor is found from the sums of a pass, as in :func:`dnmf.fit`: exactly, or by sweeps of ``"hals"``,
        ``"mu"``, …
    loss : str
        As in :func:`dnmf.fit`: ``"frobenius"``, ``"kullback-leibler"`` for counts, … Under another than least squares
        the short factors take a few steps of Newton's method from the sums of a pass, or with ``solver="mu"`` those of
        multiplicative updates, which never rise.
    penalty : Penalty, optional
        ``Penalty(l1=…, l2=…, scale="objective")``: a number for the factors of all axes, a pair for that of the
        long axis and for each of the others, or one for the long axis and one for each other, in their order.
        Added is ``Σ l1 ΣX + ½ l2 ‖X‖²`` over the factors X, on the scale among them at which it is least; so it
        takes whole components away. With scale ``"fraction"`` strengths are fractions of what leaves nothing,
        found in a few reads more. Ridge on all of N factors is, for the components, ``½ N l2 Σ_q (‖w_q‖ ‖x_q‖
        …)^(2/N)``. Fractions are for least squares of all entries.
    prune : {"rule", "refit", "off"}
        What happens to components that the penalty makes worse than nothing, as in :func:`dnmf.fit`.
    dtype, seed, restarts, tol, max_passes, max_seconds, extrapolate
        As in :func:`dnmf.fit`. CP has more local minima than a matrix factorization: several `restarts`, which share
        their reads, find the best one more often.
    factors : sequence of array, or mapping, optional
        Where the factors of the short axes start: arrays (length, k) in the order of the axes, or by name. That of the
        long axis is a function of them, and may be left out.
    missing, mask, weights, row_weights, column_weights, implicit
        As in :func:`dnmf.fit`, with the axes of the array: which entries were observed, or how much each counts. Row
        weights are those of slabs along the long axis.
    row_axes : int, str, or sequence of these
        The long axis, by number or by name: slabs along it are read, and its factor is solved for in the pass. All
        other axes are short: their lengths multiplied, times k numbers, are kept in memory. Several axes have one
        factor together.
    row_names, store, overwrite, resume, client, memory_limit, keep, callbacks
        As in :func:`dnmf.fit`; :func:`dnmf.resume` and :func:`dnmf.load` go on with a store and read it.

    Returns
    -------
    CPModel

    Raises
    ------
    InputError
        The data is a matrix, or it or an option cannot be used.
    BudgetError
        A worker's memory cannot hold what the work needs; so it is where an axis that should be long is not.
    CheckpointError
        The store holds a run already, or cannot be written.
    ClusterError
        The workers or the scheduler were lost for good.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> cube = np.einsum("i,j,k->ijk", [1.0, 2, 3, 4], [1.0, 3], [2.0, 2])
    >>> model = dnmf.cp(cube, rank=1)
    >>> {axis: factor.shape for axis, factor in model.factors.items()}
    {'axis_0': (4, 1), 'axis_1': (2, 1), 'axis_2': (2, 1)}
    """
    opened = open_source(
        source, row_names=row_names, row_axes=row_axes, missing=missing, mask=mask, weights=weights,
        row_weights=row_weights, column_weights=column_weights,
    )  # fmt: skip
    refuse_other_than_arrays(opened)
    options = FitOptions(
        rank, start_asked_for(init, factors=factors), solver, loss, Penalty() if penalty is None else penalty,
        dtype=dtype, seed=seed, tol=tol, max_passes=max_passes, extrapolate=extrapolate, prune=prune,
        restarts=restarts, sweeps=sweeps, exact_rows=exact_rows, max_seconds=max_seconds, structure=CP,
        implicit=implicit,
    )  # fmt: skip
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    H = None if factors is None else start_of(factors, opened.unfolding, rank)
    model = fit_opened(opened, options, resources, H=H, store=store, overwrite=overwrite, resume=resume)
    assert isinstance(model, CPModel)
    return model


def start_of(factors: Any, unfolding: Unfolding | None, rank: int) -> np.ndarray:
    """Return the H (k, n) whose rows are the products of given factors.

    Raises
    ------
    InputError
        There is not one for each short axis, or one has another shape or is none of numbers that are not negative.
    """
    assert unfolding is not None
    short = {unfolding.called[axis]: unfolding.shape[axis] for axis in unfolding.columns}
    axes = [*unfolding.called, ", ".join(unfolding.called[axis] for axis in unfolding.rows)]
    named = factors if isinstance(factors, Mapping) else _in_order(factors, unfolding)
    missing, unknown = [name for name in short if name not in named], [each for each in named if each not in axes]
    if missing or unknown:
        wrong = f"there is none of {', '.join(missing)}" if missing else f"there is no axis {shown(unknown[0])}"
        raise InputError(f"factors: {wrong}; give one (length, k) for each of {', '.join(short)}")
    H = products_of([_factor(name, named[name], (length, rank)).T for name, length in short.items()])
    largest = H.max(initial=0)
    return H / largest if largest and not 1 / LARGE < largest < LARGE else H  # the scale of all is found with the start


def _factor(name: str, given: Any, shape: tuple[int, int]) -> np.ndarray:
    """A factor in float64."""
    with taken_as_array(f"factors: that of {name}", given):
        X = np.asarray(given)
    if X.shape != shape or X.dtype.kind not in "buif":
        raise InputError(f"factors: that of {name} has dtype {X.dtype} and shape {X.shape}, expected {shape} numbers")
    if not (np.isfinite(X).all() and (X >= 0).all()):
        raise InputError(f"factors: that of {name} holds a value that is negative or not finite")
    return X.astype(np.float64)


def _in_order(factors: Any, unfolding: Unfolding) -> dict[str, Any]:
    """Given factors by name: of all axes, or of the short ones."""
    with taken_as("a sequence of arrays", "factors", factors):
        given = list(factors)
    short = [unfolding.called[axis] for axis in unfolding.columns]
    axes = list(unfolding.lengths) if len(given) == len(unfolding.lengths) else short
    if len(given) != len(axes):
        raise InputError(f"factors: {len(given)} are given, for {len(short)} short axes")
    return dict(zip(axes, given, strict=True))


def axes_of(structure: str, row_axes: Any) -> Any:
    """Return which axes make the rows where nobody says it: of a CP the longest one."""
    return LONGEST if structure == CP and row_axes is None else row_axes


def refuse_other_than_arrays(source: Source) -> None:
    """Refuse what has no two axes beside the long one, or of which columns are left out.

    Raises
    ------
    InputError
        It is a matrix, or some columns of an array.
    """
    unfolding = source.unfolding
    if unfolding is None:
        raise InputError(
            f"{source.address}: is a matrix; dnmf.fit (dnmf fit) factorizes it, CP is for arrays of three or more axes"
        )
    if len(unfolding.columns) < PLANE:
        raise InputError(
            f"{source.address}: {unfolding}: CP needs two axes beside those of the rows; name fewer axes in row_axes "
            "(--row-axes), or use dnmf.fit"
        )
    seen = source.shape[::-1] if source.transposed else source.shape
    if seen[1] != unfolding.matrix_shape[1] or source.transposed:
        raise InputError(f"{source.address}: CP takes all columns of an array, stored by its rows; choose no columns")
