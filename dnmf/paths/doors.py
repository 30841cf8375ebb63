"""The functions people call: path, resume_path, load_path."""

from collections.abc import Mapping, Sequence
from pathlib import Path as Folder
from typing import Any

from dnmf.arithmetic import undisturbed
from dnmf.checkpoint import Generation
from dnmf.constraints import Constraints, checked_constraints
from dnmf.fitting.events import Callback
from dnmf.model import Model
from dnmf.options import CP, MATRIX, FitOptions, parse_bytes, start_asked_for
from dnmf.paths.grid import Cell, PathOptions, checked_strengths
from dnmf.paths.older import as_written_now
from dnmf.paths.result import Path
from dnmf.paths.rows import directions, measured_rows
from dnmf.penalty import Penalty
from dnmf.record import PATH
from dnmf.resources import Resources, checked_callbacks
from dnmf.sources import open_source
from dnmf.studies.face import Face, fit_study, load_study, resume_study
from dnmf.studies.seeds import checked_seeds
from dnmf.studies.waves import StudyRun
from dnmf.tensors import axes_of, refuse_other_than_arrays


class Paths(Face[PathOptions, Path]):
    """Regularization paths, as a kind of study."""

    kind = PATH

    def study(self, record: dict[str, Any]) -> PathOptions:
        """Return the options that a record holds."""
        return PathOptions.from_json(record)

    def result(
        self, study: PathOptions, models: Mapping[Cell, Model], run: StudyRun[Cell], resources: Resources
    ) -> Path:
        """Return the path with its models measured."""
        found = directions(run.place.source, study, client=resources.connected(), memory_limit=resources.memory_bytes,
                           callbacks=resources.callbacks)  # fmt: skip
        folder = run.store.path if run.store else None
        return Path(measured_rows(models, study, found), models, study, run.reads, run.state.passes, folder)

    def restore(self, generation: Generation, folder: Folder) -> Path:
        """Return the path that a finished generation describes."""
        return Path.restore(generation, folder)

    def read(self, store: str | Folder) -> Generation:
        """Return the latest generation of the store of a path, whatever version wrote it."""
        return as_written_now(super().read(store))


@undisturbed
def path(  # noqa: PLR0913  the one door of the room names every option
    source: Any,
    rank: int,
    penalty: Penalty,
    strengths: Any,
    *,
    seeds: Any = 1,
    warm: str = "unpenalized",
    measures: str = "all",
    side: str = "H",
    H: Any = None,
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
    implicit: float = 0.0,
    row_names: Any = None,
    column_names: Any = None,
    row_axes: Any = None,
    structure: str = MATRIX,
    store: str | Folder | None = None,
    overwrite: bool = False,
    resume: str = "never",
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Return a factorization at each strength of a penalty, all sharing every read of the data.

    A pass serves all models that are still running, as many at once as the memory of a worker holds, and one last pass
    writes the W of all of them.

    Parameters
    ----------
    source : path, URL, array, AnnData, dask array, …
        The matrix (m, n); see :func:`dnmf.open_source`.
    rank : int
        Components k of every model.
    penalty : Penalty
        Its strengths are multiplied by each of `strengths`: ``Penalty(l1=1.0)`` on the scale ``"relative"`` goes with
        strengths from 0 to 1.
    strengths : sequence of float
        Taken in rising order. At 0 there is no penalty.
    seeds : int or sequence of int
        How many seeds, from 0 on, or which. Each has a start and a path of its own.
    warm : {"unpenalized", "chain"}
        Where models start. ``"unpenalized"``: from the one without a penalty of their seed (strength 0, which is added
        where it is not among the strengths), so that all strengths run side by side. ``"chain"``: each from the one of
        the strength before, the first one as a fit does, so that a solution is followed through the deaths of its
        components; only the seeds share reads.
    measures : {"all", "cheap"}
        Whether models are compared with k-means centres and the first singular vector too, which takes reads.
    side : {"W", "H"}
        On which factor components are compared with those of other models and with each other.
    H : array (k, n), optional
        Where every seed starts.
    constraints : Constraints, optional
        The same for all models.
    init, solver, sweeps, exact_rows, loss, dtype, tol, max_passes, extrapolate, prune, client, memory_limit, keep
    missing, mask, weights, row_weights, column_weights, implicit
        As in :func:`dnmf.fit`, for each model.
    row_names, column_names : sequence or path, optional
        Names for the rows or columns, in place of those the data has: labels, or a text file with one name a line.
    row_axes : int, str, or sequence of these, optional
        Of an array of more than two axes: those that make the rows (:func:`dnmf.open_source`).
    structure : {"matrix", "cp"}
        ``"cp"``: every model is a nonnegative CP of an array of three or more axes (:func:`dnmf.cp`), the longest of
        which makes the rows unless `row_axes` says another.
    store : path, optional
        A directory, such as ``NAME.dnmf``, or a place on object storage, as in :func:`dnmf.fit`: after every pass all
        models are committed to it, and it holds an ordinary store for each that is finished. Without it every W is kept
        in memory.
    overwrite : bool
        Whether a path in `store` is replaced. It stands until the start of this one is committed; then its models are
        removed, one by one as those of this one come, and all that are left at the end.
    resume : {"never", "auto"}
        As in :func:`dnmf.fit`: whether the same path, begun in `store`, is gone on with.
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
    >>> A = np.random.default_rng(0).random((60, 8))
    >>> found = dnmf.path(A, 3, dnmf.Penalty(l1=1.0), [0, 0.1, 1])
    >>> found.strengths, [row.alive for row in found.rows][::2]
    ((0.0, 0.1, 1.0), [3, 0])
    """
    opened = open_source(
        source, row_names=row_names, column_names=column_names, row_axes=axes_of(structure, row_axes), missing=missing,
        mask=mask, weights=weights, row_weights=row_weights, column_weights=column_weights,
    )  # fmt: skip
    if structure == CP:
        refuse_other_than_arrays(opened)
    seeds, asked = checked_seeds(seeds), checked_constraints(constraints)
    fit = FitOptions(rank, start_asked_for(init, H=H), solver, loss, penalty, dtype, seeds[0], tol, max_passes,
                     extrapolate, prune, asked.limits, implicit=implicit,
                     sweeps=sweeps, exact_rows=exact_rows, structure=structure)  # fmt: skip
    options = PathOptions(fit, checked_strengths(strengths, warm), seeds, warm, side, measures)
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    return fit_study(
        Paths(), options, opened, resources, constraints=asked, H=H, store=store, overwrite=overwrite, resume=resume
    )


@undisturbed
def resume_path(
    store: str | Folder,
    *,
    source: Any = None,
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    force: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Go on with a path from its last committed pass and return it; one that is finished is just loaded.

    The models equal those of an uninterrupted path bit for bit.

    Parameters
    ----------
    store : path
        What ``path`` was given.
    source : optional
        The data, where it is not found under the path it was read from (or was an array in memory).
    client, memory_limit, keep, callbacks
        As in :func:`path`; they may differ from those it was begun with.
    force : bool
        Go on although the data has changed since the path began.

    Raises
    ------
    CheckpointError
        There is nothing to resume, or the data has changed; the message lists the differences.
    """
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    return resume_study(Paths(), store, resources, source=source, force=force, function="dnmf.resume_path")


def load_path(path: str | Folder) -> Path:
    """Return a finished path, or one that :meth:`Path.save` wrote; models are loaded when they are asked for.

    Raises
    ------
    CheckpointError
        There is none, or it is not finished.
    """
    return load_study(Paths(), path)
