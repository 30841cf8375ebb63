"""The functions people call for a consensus: consensus, resume_consensus, load_consensus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dnmf.arithmetic import undisturbed
from dnmf.constraints import Constraints, checked_constraints
from dnmf.ensembles.consensus_options import ConsensusOptions, checked_best, checked_density
from dnmf.ensembles.consensus_result import Consensus, ConsensusFace
from dnmf.fitting.apply import by_rows
from dnmf.fitting.events import Callback
from dnmf.options import FitOptions, parse_bytes
from dnmf.penalty import Penalty
from dnmf.resources import Resources, checked_callbacks
from dnmf.sources import open_source
from dnmf.studies.face import fit_study, load_study, resume_study
from dnmf.studies.seeds import checked_seeds


@undisturbed
def consensus(  # noqa: PLR0913  the one door of the room names every option
    source: Any,
    rank: int,
    *,
    seeds: Any = 20,
    best: float = 0.5,
    density: float = 0.5,
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
    store: str | Path | None = None,
    overwrite: bool = False,
    resume: str = "never",
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    callbacks: Sequence[Callback] = (),
) -> Consensus:
    """Return what models of the same data from several seeds agree on, all sharing every read of it.

    As in cNMF (Kotliar et al. 2019, doi:10.7554/eLife.43803): rows of H of the models are brought to unit length; those
    whose mean distance to the nearest others (0.3 times as many as there are models) is `density` or more are left out;
    the others are clustered by k-means, and the median of each cluster is a component. One read finds the W that
    belongs to the medians and makes an exact step of H, a second one writes W. Unlike there only the `best` half of the
    models counts: the others often ended in another minimum, and a median over two minima is near neither.

    Parameters
    ----------
    source : path, URL, array, AnnData, dask array, …
        The matrix (m, n); see :func:`dnmf.open_source`. A sparse one stored by columns is turned in memory if it is
        small, else refused: components are compared by their rows of H.
    rank : int
        Components k of every model, and of the consensus.
    seeds : int or sequence of int
        How many seeds, from 0 on, or which.
    best : float
        The share of the models that count, those with the lowest objectives; 1 for all, as in cNMF.
    density : float
        From which distance to its nearest others on a component is left out; 2 leaves none out.
    seed : int
        Of the clustering, and of the sample where models begin on one.
    penalty, constraints, init, solver, sweeps, exact_rows, loss, dtype, tol, max_passes, extrapolate, prune
        As in :func:`dnmf.fit`, for each model; `init` is ``"sample"`` or ``"random"``, which ``"auto"`` is here: seeds
        that begin on one sample end in the same few minima, the lowest not always among them.
    missing, mask, weights, row_weights, column_weights, row_names, column_names, client, memory_limit, keep
        As in :func:`dnmf.fit`.
    store : path, optional
        A directory, such as ``NAME.dnmf``, or a place on object storage, as in :func:`dnmf.fit`: after every pass all
        models are committed to it, and in the end it holds an ordinary store of the consensus.
    overwrite : bool
        Whether an earlier consensus in `store` is replaced.
    resume : {"never", "auto"}
        As in :func:`dnmf.fit`.
    callbacks : sequence of callables
        Each is handed every event (:mod:`dnmf.fitting.events`).

    Raises
    ------
    InputError
        The data or an option cannot be used, or too few components of the models are alike.
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
    >>> found = dnmf.consensus(A, 4, seeds=6)
    >>> found.share_kept, found.silhouette > 0.95, found.rank
    (1.0, True, 4)
    """
    opened = by_rows(open_source(
        source, row_names=row_names, column_names=column_names, row_axes=row_axes, missing=missing, mask=mask,
        weights=weights, row_weights=row_weights, column_weights=column_weights,
    ))  # fmt: skip
    asked = checked_constraints(constraints)
    init = "random" if init == "auto" else init
    fit = FitOptions(rank, init, solver, loss, penalty or Penalty(), dtype, seed, tol, max_passes, extrapolate,
                     prune, asked.limits, sweeps=sweeps, exact_rows=exact_rows)  # fmt: skip
    options = ConsensusOptions(fit, checked_seeds(seeds), checked_density(density), checked_best(best))
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    return fit_study(
        ConsensusFace(), options, opened, resources, constraints=asked, store=store, overwrite=overwrite, resume=resume
    ).consensus


@undisturbed
def resume_consensus(
    store: str | Path,
    *,
    source: Any = None,
    client: Any = None,
    memory_limit: str | int | None = None,
    keep: str = "auto",
    force: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Consensus:
    """Go on with a consensus from its last committed pass and return it; one that is finished is just loaded.

    It equals one that was not interrupted bit for bit.

    Parameters
    ----------
    store : path
        What :func:`consensus` was given.
    source : optional
        The data, where it is not found under the path it was read from (or was an array in memory).
    client, memory_limit, keep, callbacks
        As in :func:`consensus`; they may differ from those it was begun with.
    force : bool
        Go on although the data has changed since it began.

    Raises
    ------
    CheckpointError
        There is nothing to resume, or the data has changed; the message lists the differences.
    """
    resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
    function = "dnmf.resume_consensus"
    return resume_study(ConsensusFace(), store, resources, source=source, force=force, function=function).consensus


def load_consensus(path: str | Path) -> Consensus:
    """Return a finished consensus from its store; W is read when it is asked for.

    Raises
    ------
    CheckpointError
        There is none, or it is not finished.
    """
    return load_study(ConsensusFace(), path).consensus
