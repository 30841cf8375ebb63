"""The programs that are compared: each is a function from a matrix, a rank, a seed and a number of iterations.

A further peer is one more function and one more entry in :func:`peers`.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from benchmarks import rcppml

MOST_BYTES = 2_000_000_000  # of what a program makes of a sparse matrix; it is not run where it makes more


class Cost(NamedTuple):
    """What a program says of itself where it runs in a process of its own.

    Attributes
    ----------
    cpu_s, wall_s : float
        Of the factorization alone.
    added_bytes : int or None
        Peak of the process less what it took before; None where the system does not tell.
    """

    cpu_s: float
    wall_s: float
    added_bytes: int | None


class Found(NamedTuple):
    """What a peer found.

    Attributes
    ----------
    W, H : ndarray
        Factors with ``A ≈ W H``.
    iterations : int
        Passes or iterations that were made.
    reads : float or None
        How often A was read.
    bytes_read : int or None
        The same in bytes, where the program counts it itself.
    own : Cost or None
        What it cost, where it cannot be seen from outside.
    """

    W: np.ndarray
    H: np.ndarray
    iterations: int
    reads: float | None = None
    bytes_read: int | None = None
    own: Cost | None = None


Run = Callable[[Any, int, int, int], Found]  # matrix, rank, seed, iterations


@dataclass(frozen=True)
class Peer:
    """A program under its settings.

    Attributes
    ----------
    name : str
        For the tables.
    run : callable
        From its usual start; this is what a quality costs.
    plain : callable
        From a start that costs the same each time: the difference of two runs is what their iterations cost.
    grid : tuple of int
        Numbers of iterations that are tried, ascending.
    seeds, fewest_seeds : int
        Most seeds, and how many are run whatever they take.
    missing : callable
        Why it cannot be run here; empty where it can.
    makes_bytes : callable
        What it makes of a sparse matrix, given a rank, beyond what every program needs.
    optional : bool
        Whether it is left out of the quick suite unless it is named.
    """

    name: str
    run: Run
    plain: Run
    grid: tuple[int, ...]
    seeds: int = 3
    fewest_seeds: int = 1
    missing: Callable[[], str] = str
    makes_bytes: Callable[[Any, int], int] | None = None
    optional: bool = True

    def why_not(self, matrix: Any, rank: int) -> str:
        """Return why it is not run on this matrix; empty where it is."""
        made = self.makes_bytes(matrix, rank) if self.makes_bytes and scipy.sparse.issparse(matrix) else 0
        too_much = f"would make {made / 1e9:.1f} GB of this sparse matrix" if made > MOST_BYTES else ""
        return self.missing() or too_much


def run_dnmf(matrix: Any, rank: int, seed: int, iterations: int, *, init: str = "auto") -> Found:
    """Factorize with dnmf in this process; it counts its reads itself, those of the start included."""
    import dnmf

    model = dnmf.fit(matrix, rank, seed=seed, max_passes=iterations, tol=0.0, init=init)
    return Found(
        model.read_W() * model.d, model.H, len(model.history), model.reads, model.history[-1].bytes_read
    )  # fmt: skip


def run_sklearn(matrix: Any, rank: int, seed: int, iterations: int, *, init: str | None = None) -> Found:
    """Factorize with scikit-learn's coordinate descent; an iteration multiplies with the data twice."""
    from sklearn.decomposition import NMF

    model = NMF(rank, solver="cd", init=init, max_iter=iterations, tol=0, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged: that is what is asked for
        W = model.fit_transform(matrix)
    return Found(W, model.components_, int(model.n_iter_), 2.0 * model.n_iter_)


def run_minibatch(matrix: Any, rank: int, seed: int, iterations: int, *, init: str | None = None) -> Found:
    """Factorize with scikit-learn's MiniBatchNMF in its default batches; an iteration is one round of all batches."""
    from sklearn.decomposition import MiniBatchNMF

    model = MiniBatchNMF(rank, init=init, max_iter=iterations, tol=0, max_no_improvement=None, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W = model.fit_transform(matrix)
    return Found(W, model.components_, int(model.n_iter_), float(model.n_iter_))


def run_nmf_torch(matrix: Any, rank: int, seed: int, iterations: int, *, init: str = "nndsvdar") -> Found:
    """Factorize with nmf-torch's halsvar (its default), which takes dense matrices only.

    Its function ``run_nmf`` fails below ten iterations; the class beneath it does not.
    """
    import torch
    from nmf.nmf_models import NMFBatchHALS

    dense = torch.from_numpy(matrix.toarray() if scipy.sparse.issparse(matrix) else matrix)
    model = NMFBatchHALS(
        n_components=rank, init=init, beta_loss=2.0, tol=0.0, random_state=seed, alpha_W=0.0, l1_ratio_W=0.0,
        alpha_H=0.0, l1_ratio_H=0.0, fp_precision="float", device_type="cpu", n_jobs=1, max_iter=iterations,
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()) as said:
        W = model.fit_transform(dense)
    ended = re.search(r"onverged after (\d+) iteration", said.getvalue())
    done = int(ended.group(1)) if ended else iterations
    return Found(W.numpy(), model.W.numpy(), done, 2.0 * done)


def run_torchnmf(matrix: Any, rank: int, seed: int, iterations: int) -> Found:
    """Factorize with torchnmf's multiplicative updates for the Frobenius norm."""
    import torch
    from torchnmf.nmf import NMF

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = NMF(matrix.shape, rank)
    done = model.fit(_as_tensor(matrix), beta=2, tol=0, max_iter=iterations)
    return Found(model.H.detach().numpy(), model.W.detach().numpy().T, done, 2.0 * done)


def _as_tensor(matrix: Any) -> Any:
    import torch

    if not scipy.sparse.issparse(matrix):
        return torch.from_numpy(matrix)
    entries = matrix.tocoo()
    return torch.sparse_coo_tensor(np.stack(entries.coords), entries.data, matrix.shape, check_invariants=False)


def run_rcppml(matrix: Any, rank: int, seed: int, iterations: int) -> Found:
    """Factorize with RcppML in R; it measures itself, without the exchange of files."""
    done = rcppml.factorize(matrix, rank, seed, iterations)
    own = Cost(done["cpu_s"], done["wall_s"], done["added_bytes"])
    return Found(done["W"], done["H"], done["iterations"], 2.0 * done["iterations"], own=own)


def not_installed(name: str) -> str:
    """Return that a package is not installed; nothing where it is."""
    try:
        version(name)
    except PackageNotFoundError:
        return "not installed"
    return ""


def _dense_bytes(matrix: Any, rank: int) -> int:  # noqa: ARG001  the same signature for every peer
    return 4 * matrix.shape[0] * matrix.shape[1]


def _value_by_component_bytes(matrix: Any, rank: int) -> int:
    return 4 * matrix.nnz * rank


def iteration_grid(first: int, last: int = 2000, ratio: float = 1.15) -> tuple[int, ...]:
    """Return whole numbers from `first` to `last`, each about `ratio` times the one before.

    Examples
    --------
    >>> iteration_grid(5, 20)
    (5, 6, 7, 8, 9, 10, 12, 14, 16, 18)
    """
    numbers = [first]
    while (following := max(numbers[-1] + 1, round(numbers[-1] * ratio))) <= last:
        numbers.append(following)
    return tuple(numbers)


def peers() -> list[Peer]:
    """Return what is compared, whether it is installed or not; the first is the one that the others are set beside."""
    torch_missing, torchnmf_missing = partial(not_installed, "nmf-torch"), partial(not_installed, "torchnmf")
    return [
        Peer("dnmf", run_dnmf, run_dnmf, iteration_grid(1, 100), 9, 9, optional=False),
        Peer("scikit-learn cd", run_sklearn, partial(run_sklearn, init="random"), iteration_grid(1),
             fewest_seeds=3, optional=False),
        Peer("scikit-learn MiniBatchNMF", run_minibatch, partial(run_minibatch, init="random"), iteration_grid(1),
             optional=False),
        Peer("nmf-torch halsvar", run_nmf_torch, partial(run_nmf_torch, init="random"), iteration_grid(1),
             missing=torch_missing, makes_bytes=_dense_bytes),
        Peer("torchnmf MU", run_torchnmf, run_torchnmf, iteration_grid(1), missing=torchnmf_missing,
             makes_bytes=_value_by_component_bytes),
        Peer("RcppML", run_rcppml, run_rcppml, iteration_grid(1), missing=rcppml.missing),
    ]  # fmt: skip
