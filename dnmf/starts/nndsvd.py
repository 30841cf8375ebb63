"""The start from a singular value decomposition: NNDSVD, from a randomized one in two reads as a rule.

Of ``A ≈ Σ σ u vᵀ`` every pair of singular vectors is cut to its non-negative parts, and the larger pair of parts is a
component (Boutsidis & Gallopoulos 2008, doi:10.1016/j.patcog.2007.09.010):
``h = √(σ ‖u₊‖ ‖v₊‖) v₊ / ‖v₊‖``, or the same with what is negative. Only H is needed: W follows from it in the first
pass. Singular vectors are those of A on what random directions span after a power turn (Halko et al. 2011,
doi:10.1137/090771806). The norms of the parts of the left ones come from the rows on these directions, where memory
holds them, else from a read of their own.
"""

from typing import Any, NamedTuple

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial
from dnmf.kernels.padding import pad_columns
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.visitors.parts import MeasureParts, RunningParts, SumsOfParts
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Work
from dnmf.schemes.of_options import scheme_of
from dnmf.starts.choose import count_directions
from dnmf.starts.start import start_at_random, start_from_H, with_held_columns

LEAST_EIGENVALUE = {"float32": 1e-7, "float64": 1e-13}  # of YᵀY, relative to the largest: what is below is rounding
SMALLEST = 1e-6
"""Of the root of the mean of A, the scale of H: what is below is zero, as in scikit-learn where that mean is 1."""

NOISE = 0.01  # of the mean of A, in the place of zeros
ROWS_AT_ONCE = 2**14
DIRECTIONS_STREAM, NOISE_STREAM = 4, 5


class Singular(NamedTuple):
    """Singular vectors of A on what ``Y = A D`` spans, the largest first.

    Attributes
    ----------
    V : ndarray (n, r)
        Right ones.
    S : ndarray (r,)
        Singular values.
    of_Y : ndarray (directions, r)
        What makes left ones of Y.
    """

    V: np.ndarray
    S: np.ndarray
    of_Y: np.ndarray


def start_from_svd(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return the H of NNDSVD, its zeros filled as ``options.init`` says, behind what is given.

    A component that the decomposition has nothing of, as where the rank is above that of A, is uniform random.

    Parameters
    ----------
    engine : Engine
        Over the source; its plan has room for the directions, and says whether for all rows on them.
    options : FitOptions
        Of the fit.
    guides : Guides
        With the parts that are given.
    """
    scheme = scheme_of(options, engine.facts, guides)
    given = scheme.given_components
    if given == options.rank:
        return start_at_random(engine, options, guides)
    reads = _Reads(engine, options)
    mean, sums = _on_directions(reads)
    found = singular_vectors(sums, LEAST_EIGENVALUE[options.dtype], options.rank - given)
    H = np.zeros((options.rank, engine.source.shape[1]))
    if found.S.size:
        parts = non_negative_parts(found.V, _parts_of_left(reads, sums, found))
        parts[parts < SMALLEST * np.sqrt(mean)] = 0
        H[given : given + len(found.S)] = parts
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

    def one(self, visitor: Visitor, *, last: bool = False) -> Any:
        """Return the sums of one more pass; the `last` one that projects keeps all rows, where the plan has room."""
        engine, first = self.engine, self.squares < 0
        demands = scheme_of(self.options, engine.facts).demands
        work = Work((visitor,), self.options.dtype, check=first, demands=demands)
        statistics: Statistics = run_pass(
            engine.executor, engine.source, engine.plan, work, keep=engine.keep, rows_back=engine.watch("start"),
            targets=("",) if last and engine.plan.projected_rows else (),
        )  # fmt: skip
        self.bytes_read += statistics.bytes_read
        self.squares = statistics.squares if first else self.squares
        return statistics.models[0]


def _on_directions(reads: _Reads) -> tuple[float, ModelSums]:
    """Return the mean of A, and the sums of its projection on directions that are large in it.

    A read turns random directions to what is large; where there are as many as rows or columns, they span all of A as
    they are. Ones are among them, from which the sum of A is known.
    """
    options, shape = reads.options, reads.engine.source.shape
    count = count_directions(options.rank, shape)
    directions = np.random.default_rng([options.seed, DIRECTIONS_STREAM]).standard_normal((shape[1], count))
    directions[:, 0] = 1.0
    onto, turns = _onto(directions, options.dtype), count < min(shape)
    sums: ModelSums = reads.one(onto, last=not turns)
    total = float(sums.s @ onto.V[:, :count].sum(axis=0, dtype=np.float64))
    if turns:
        onto = _onto(sums.P, options.dtype)
        sums = reads.one(onto, last=True)
    return total / (shape[0] * shape[1]), sums


def _onto(directions: np.ndarray, dtype: str) -> ProjectRows:
    """What projects rows on what the directions span; these are not kept, so that they take no room beside the pass."""
    return ProjectRows(pad_columns(np.linalg.qr(directions)[0].astype(dtype)), directions.shape[1])


def singular_vectors(sums: ModelSums, least: float, count: int) -> Singular:
    """Return the `count` largest singular vectors, or as many as there are, of A projected on what Y spans.

    With ``YᵀY = Z Λ Zᵀ`` an orthonormal basis of that is ``Y Z Λ^{-1/2}``, on which A is ``Bᵀ = (AᵀY Z Λ^{-1/2})ᵀ``.

    Parameters
    ----------
    sums : ModelSums
        ``G = YᵀY`` and ``P = AᵀY``.
    least : float
        Eigenvalues of G below so much of the largest are taken for zero.
    count : int
        At most so many.
    """
    values, Z = np.linalg.eigh(sums.G)
    large = values > max(least * values[-1], 0.0)
    basis = Z[:, large] / np.sqrt(values[large])
    B = sums.P @ basis
    squares, U = np.linalg.eigh(B.T @ B)
    squares, U = squares[::-1][:count], U[:, ::-1][:, :count]
    S = np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))
    return Singular(B @ (U / S), S, basis @ U)


def _parts_of_left(reads: _Reads, sums: ModelSums, found: Singular) -> SumsOfParts:
    """Return the squares of the parts of ``A V``, from the rows of Y that were kept, or from one more read."""
    if not sums.kept:
        wide = np.zeros((len(found.V), reads.options.rank), reads.options.dtype)  # as products of the fit, compiled
        wide[:, : len(found.S)] = found.V
        parts: SumsOfParts = reads.one(MeasureParts(pad_columns(wide), wide.shape[1]))
        return parts
    running, of_Y = RunningParts(len(found.S)), found.of_Y * found.S
    for first in sorted(sums.kept):
        Y = sums.kept.pop(first)
        for low in range(0, len(Y), ROWS_AT_ONCE):
            running.add(Y[low : low + ROWS_AT_ONCE].astype(np.float64) @ of_Y)
    return running.finish()


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
    return H


def fill(H: np.ndarray, mean: float, options: FitOptions) -> None:
    """Fill zeros of H (k, n) in place: with the `mean` of A (``"nndsvda"``), or small random numbers (``"nndsvdar"``).

    Rows of zeros are random under every start, and no two of them alike. What fills zeros is that of scikit-learn: it
    grows with A, where all else in H grows with the root of A.
    """
    rng = np.random.default_rng([options.seed, NOISE_STREAM])
    empty = ~H.any(axis=1)
    H[empty] = (np.sqrt(mean) or 1.0) * rng.random((int(empty.sum()), H.shape[1]))
    if options.init == "nndsvda":
        H[H == 0] = mean
    elif options.init == "nndsvdar":
        for row in H:
            zeros = row == 0
            row[zeros] = NOISE * mean * np.abs(rng.standard_normal(int(zeros.sum())))
