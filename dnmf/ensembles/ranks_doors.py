"""The functions people call for several ranks: ranks, resume_ranks, load_ranks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnmf.arithmetic import undisturbed
from dnmf.checkpoint import Generation
from dnmf.constraints import Constraints, checked_constraints
from dnmf.ensembles.ranks_options import Cell, RanksOptions, checked_folds, checked_ranks
from dnmf.ensembles.ranks_result import Ranks
from dnmf.ensembles.ranks_rows import measured_ranks, shares_of_folds
from dnmf.ensembles.ranks_rule import NOTHING_HELD_OUT, suggest
from dnmf.errors import InputError
from dnmf.fitting.events import Callback
from dnmf.model import Model
from dnmf.options import CP, MATRIX, FitOptions, parse_bytes
from dnmf.penalty import Penalty
from dnmf.record import RANKS
from dnmf.resources import Resources, checked_callbacks
from dnmf.sources import open_source
from dnmf.studies.face import Face, fit_study, load_study, resume_study
from dnmf.studies.seeds import checked_seeds
from dnmf.studies.waves import StudyRun
from dnmf.tensors import axes_of, refuse_other_than_arrays


class RanksFace(Face[RanksOptions, Ranks]):
    """Ranks, as a kind of study."""

    kind = RANKS

    def study(self, record: dict[str, Any]) -> RanksOptions:
        """Return the options that a record holds."""
        return RanksOptions.from_json(record)

    def result(
        self, study: RanksOptions, models: Mapping[Cell, Model], run: StudyRun[Cell], resources: Resources
    ) -> Ranks:
        """Return the ranks compared."""
        del resources
        ended, folder = run.state.ended, run.store.path if run.store else None
        rows = measured_ranks(study, ended)
        found = NOTHING_HELD_OUT
        if study.folds:
            shares = {rank: shares_of_folds(study, ended, rank) for rank in study.ranks}
            found = suggest(shares, {row.rank: row.found for row in rows})
        return Ranks(rows, found.rank, found.reason, models, study, run.reads, run.state.passes, folder,
                     ended if folder is None else None)  # fmt: skip

    def restore(self, generation: Generation, folder: Path) -> Ranks:
        """Return what a finished generation describes."""
        return Ranks.restore(generation, folder)


@undisturbed
def ranks(  # noqa: PLR0913  the one door of the room names every option
    source: Any,
    ranks: Any,
    *,
    seeds: Any = 6,
    folds: int = 4,
    seed: int = 0,
    penalty: Penalty | None = None,
    constraints: Constraints | None = None,
    init: str = "auto",
    solver: str = "cd",
    sweeps: int = 1,
    exact_rows: bool = True,
    loss: str = "frobenius",
    dtype: str = "float32",
    tol: float = 1e-4,
    max_passes: int = 100,
    extrapolate: bool = True,
    prune: str = "rule",
    missing: str = "refuse",
    mask: Any = None,
    weights: Any = None,
    row_weights: Any = None,
    column_weights: Any = None,
    row_names: Any = None,
    column_names: Any = None,
    row_axes: Any = None,
    structure: str = MATRIX,
    store: str | Path | None = None,
    overwrite: bool = False,
    resume: str = "never",
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    callbacks: Sequence[Callback] = (),
) -> Ranks:
    """Return models of several ranks, which of them to take, and why, all sharing every read of the data.

    A pass serves all models that are still running, as many at once as the memory of a worker holds: those of all of
    the data, one for each seed, and those of which a fold is held out. A fold is some rows in some columns: rows of W
    are found without these columns and columns of H without these rows, so that neither has seen what it predicts
    (bi-cross-validation, Owen & Perry 2009, doi:10.1214/08-AOAS227). Where entries may be missing it is some of those
    that were observed. The error in what was held out follows from the sums of each pass, without another read.

    Parameters
    ----------
    source : path, URL, array, AnnData, dask array, …
        The matrix (m, n); see :func:`dnmf.open_source`.
    ranks : sequence of int
        Which to try, such as ``range(2, 16)``.
    seeds : int or sequence of int
        How many seeds, from 0 on, or which: models of all of the data at each rank. How alike they are is the
        stability, and the best of them is the model of the rank.
    folds : int
        How many parts are held out, one after the other; 0 for none, and then no rank is suggested.
    seed : int
        Of the folds, and of the sample that all models begin on.
    penalty, constraints, init, solver, sweeps, exact_rows, loss, dtype, tol, max_passes, extrapolate, prune
        As in :func:`dnmf.fit`, for each model; `init` is ``"auto"``, ``"sample"`` or ``"random"``.
    missing, mask, weights, row_weights, column_weights, row_names, column_names, client, memory_limit, keep
        As in :func:`dnmf.fit`.
    structure : {"matrix", "cp"}
        ``"cp"``: models are nonnegative CPs of an array of three or more axes (:func:`dnmf.cp`). A fold is then some
        slabs at some places along the longest of the short axes.
    store : path, optional
        A directory, such as ``NAME.dnmf``, or a place on object storage, as in :func:`dnmf.fit`: after every pass all
        models are committed to it, and it holds an ordinary store for the best one of each rank. Without it their W
        are kept in memory.
    overwrite : bool
        Whether what a call of this function left in `store` is replaced.
    resume : {"never", "auto"}
        As in :func:`dnmf.fit`.
    callbacks : sequence of callables
        Each is handed every event (:mod:`dnmf.fitting.events`).

    Raises
    ------
    InputError
        The data or an option cannot be used.
    BudgetError
        A worker's memory cannot hold what the work needs, not even for one model at a time.
    CheckpointError
        The store holds something already, or cannot be written.
    ClusterError
        The workers or the scheduler were lost for good.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> rng = np.random.default_rng(0)
    >>> A = rng.random((300, 4)) ** 4 @ rng.random((4, 60)) ** 4 * rng.gamma(20, 1 / 20, (300, 60))
    >>> found = dnmf.ranks(A, range(2, 8), seeds=3)
    >>> found.suggested, found.model().rank
    (4, 4)
    """
    opened = open_source(
        source, row_names=row_names, column_names=column_names, row_axes=axes_of(structure, row_axes), missing=missing,
        mask=mask, weights=weights, row_weights=row_weights, column_weights=column_weights,
    )  # fmt: skip
    if structure == CP:
        refuse_other_than_arrays(opened)
    if checked_folds(folds) and min(opened.shape) == 1 and not opened.has_missing:  # then entries may be
        raise InputError(f"{opened.address}: of one row or column nothing can be held out; say folds=0 (--folds 0)")
    asked, tried = checked_constraints(constraints), checked_ranks(ranks)
    fit = FitOptions(tried[-1], init, solver, loss, penalty or Penalty(), dtype, seed, tol, max_passes, extrapolate,
                     prune, asked.limits, sweeps=sweeps, exact_rows=exact_rows, structure=structure)  # fmt: skip
    options = RanksOptions(fit, tried, checked_seeds(seeds), checked_folds(folds))
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    return fit_study(
        RanksFace(), options, opened, resources, constraints=asked, store=store, overwrite=overwrite, resume=resume
    )


@undisturbed
def resume_ranks(
    store: str | Path,
    *,
    source: Any = None,
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    force: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Ranks:
    """Go on from the last committed pass and return what was found; what is finished is just loaded.

    Table and models equal those of a call that was not interrupted bit for bit.

    Parameters
    ----------
    store : path
        What :func:`ranks` was given.
    source : optional
        The data, where it is not found under the path it was read from (or was an array in memory).
    client, memory_limit, keep, callbacks
        As in :func:`ranks`; they may differ from those it was begun with.
    force : bool
        Go on although the data has changed since it began.

    Raises
    ------
    CheckpointError
        There is nothing to resume, or the data has changed; the message lists the differences.
    """
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    return resume_study(RanksFace(), store, resources, source=source, force=force, function="dnmf.resume_ranks")


def load_ranks(path: str | Path) -> Ranks:
    """Return what was found of ranks, from its store; models are loaded when they are asked for.

    Raises
    ------
    CheckpointError
        There is nothing of the kind, or it is not finished.
    """
    return load_study(RanksFace(), path)
