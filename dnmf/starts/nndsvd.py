"""The start from a singular value decomposition: NNDSVD, from a randomized one in two or three reads.

Of ``A ≈ Σ σ u vᵀ`` every pair of singular vectors is cut to its non-negative parts, and the larger pair of parts is a
component (Boutsidis & Gallopoulos 2008, doi:10.1016/j.patcog.2007.09.010):
``h = √(σ ‖u₊‖ ‖v₊‖) v₊ / ‖v₊‖``, or the same with what is negative. Only H is needed: W follows from it in the first
pass. The right singular vectors are those of A on what random directions span after a power turn (Halko et al. 2011,
doi:10.1137/090771806); the norms of the parts of the left ones take a last read.
"""

from typing import Any

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial
from dnmf.kernels.padding import pad_columns
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.visitors.parts import MeasureParts, SumsOfParts
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Work
from dnmf.schemes.of_options import scheme_of
from dnmf.starts.choose import count_directions
from dnmf.starts.start import start_at_random, start_from_H, with_held_columns

LEAST_EIGENVALUE = {"float32": 1e-7, "float64": 1e-13}  # of YᵀY, relative to the largest: what is below is rounding
SMALLEST = 1e-6  # of an entry: what is below is taken for zero, as in scikit-learn
NOISE = 0.01  # of the mean of A, in the place of zeros
DIRECTIONS_STREAM, NOISE_STREAM = 4, 5


def start_from_svd(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return the H of NNDSVD, its zeros filled as ``options.init`` says, behind what is given.

    A component that the decomposition has nothing of, as where the rank is above that of A, is uniform random.

    Parameters
    ----------
    engine : Engine
        Over the source; its plan has room for the directions.
    options : FitOptions
        Of the fit.
    guides : Guides
        With the parts that are given.
    """
    scheme = scheme_of(options, engine.facts, guides)
    given, (n_rows, n_columns) = scheme.given_components, engine.source.shape
    if given == options.rank:
        return start_at_random(engine, options, guides)
    reads = _Reads(engine, options)
    H, mean, V = np.zeros((options.rank, n_columns)), 0.0, right_singular_vectors(reads, options.rank - given)
    if V.size:
        parts = _measured_parts(reads, V)
        H[given : given + V.shape[1]], mean = non_negative_parts(V, parts), parts.total / (n_rows * n_columns)
    fill(H[given:], mean, options)
    begun = start_from_H(engine, H, options, guides)
    squares = begun.squares if begun.squares >= 0 else scheme.of_check(reads.squares)
    begun = begun._replace(bytes_read=reads.bytes_read + begun.bytes_read, squares=squares)
    return with_held_columns(begun, engine, options, guides)


class _Reads:
    """Passes on the way to a start: the first one checks the values."""

    def __init__(self, engine: Engine, options: FitOptions):
        self.engine, self.options = engine, options
        self.bytes_read, self.squares = 0, -1.0

    def one(self, visitor: Visitor) -> Any:
        """Return the sums of one more pass."""
        engine, first = self.engine, self.squares < 0
        demands = scheme_of(self.options, engine.facts).demands
        work = Work((visitor,), self.options.dtype, check=first, demands=demands)
        statistics: Statistics = run_pass(
            engine.executor, engine.source, engine.plan, work, keep=engine.keep, rows_back=engine.watch("start")
        )
        self.bytes_read += statistics.bytes_read
        self.squares = statistics.squares if first else self.squares
        return statistics.models[0]


def right_singular_vectors(reads: _Reads, count: int) -> np.ndarray:
    """Return the largest right singular vectors of A (n, count or fewer, where A has fewer), in float64.

    It takes two reads, the first of which turns random directions to what is large in A; one where there are as many
    directions as rows or columns, which span all of A as they are.
    """
    options, shape = reads.options, reads.engine.source.shape
    directions = count_directions(options.rank, shape)
    rng = np.random.default_rng([options.seed, DIRECTIONS_STREAM])
    onto = _onto(rng.standard_normal((shape[1], directions)), options.dtype)
    if directions < min(shape):
        onto = _onto(reads.one(onto).P, options.dtype)
    return vectors_of(reads.one(onto), LEAST_EIGENVALUE[options.dtype])[:, :count]


def _onto(V: np.ndarray, dtype: str) -> ProjectRows:
    """What projects rows on what V spans; V itself is not kept, so that it takes no room beside the pass."""
    return ProjectRows(pad_columns(np.linalg.qr(V)[0].astype(dtype)), V.shape[1])


def _measured_parts(reads: _Reads, V: np.ndarray) -> SumsOfParts:
    """The parts of ``A V`` (n, r), zeros behind them: as wide as the products of a pass, whose code is compiled."""
    wide = np.zeros((len(V), reads.options.rank), reads.options.dtype)
    wide[:, : V.shape[1]] = V
    parts: SumsOfParts = reads.one(MeasureParts(pad_columns(wide), wide.shape[1]))
    return parts


def vectors_of(sums: ModelSums, least: float) -> np.ndarray:
    """Return the right singular vectors (n, r or fewer), the largest first, of A projected on what ``Y = A V`` spans.

    With ``YᵀY = Z Λ Zᵀ`` an orthonormal basis of that is ``Y Z Λ^{-1/2}``, on which A is ``(AᵀY Z Λ^{-1/2})ᵀ``.

    Parameters
    ----------
    sums : ModelSums
        ``G = YᵀY`` and ``P = AᵀY``.
    least : float
        Eigenvalues of G below so much of the largest are taken for zero.
    """
    values, Z = np.linalg.eigh(sums.G)
    large = values > max(least * values[-1], 0.0)
    B = sums.P @ (Z[:, large] / np.sqrt(values[large]))
    squares, U = np.linalg.eigh(B.T @ B)
    return (B @ (U / np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))))[:, ::-1]


def non_negative_parts(V: np.ndarray, parts: SumsOfParts) -> np.ndarray:
    """Return the H (r, n) of NNDSVD for right singular vectors V (n, r) and the `parts` of ``A V``.

    As ``A v = σ u``, ``√(σ ‖u₊‖ ‖v₊‖)`` is the root of ``‖(A v)₊‖ ‖v₊‖``. The first pair has one sign.
    """
    H = np.zeros(V.shape[::-1])
    for q, (v, above, below) in enumerate(zip(V.T, np.sqrt(parts.above), np.sqrt(parts.below), strict=False)):
        if q == 0:
            H[q] = np.sqrt(np.hypot(above, below)) * np.abs(v)
            continue
        up, down = np.maximum(v, 0), np.maximum(-v, 0)
        sizes = np.linalg.norm(up), np.linalg.norm(down)
        part, size, of_u = (up, sizes[0], above) if above * sizes[0] > below * sizes[1] else (down, sizes[1], below)
        H[q] = np.sqrt(of_u / size) * part if size > 0 else 0
    H[H < SMALLEST] = 0
    return H


def fill(H: np.ndarray, mean: float, options: FitOptions) -> None:
    """Fill zeros of H (k, n) in place: with the `mean` of A (``"nndsvda"``), or small random numbers (``"nndsvdar"``).

    Rows of zeros are random under every start, and no two of them alike.
    """
    rng = np.random.default_rng([options.seed, NOISE_STREAM])
    empty = ~H.any(axis=1)
    H[empty] = (mean or 1.0) * rng.random((int(empty.sum()), H.shape[1]))
    if options.init == "nndsvda":
        H[H == 0] = mean
    elif options.init == "nndsvdar":
        for row in H:
            zeros = row == 0
            row[zeros] = NOISE * mean * np.abs(rng.standard_normal(int(zeros.sum())))
