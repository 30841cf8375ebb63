"""The strength from which on a penalty leaves nothing: the unit in which strengths mean the same on any data.

For one component ``s u vᵀ`` with unit vectors and balanced factors the objective is, up to a constant,
``½ s² − a s + x C s^δ`` with ``a = uᵀAv``, x the strength, C the penalty at s = x = 1 and ``δ = 1 / Σ 1/p`` over the
degrees p of both factors. It is nowhere below that of zero once ``x ≥ (a − s/2) s^{1−δ} / C`` at
``s = 2 a (1 − δ) / (2 − δ)``. That x, at its largest over all u and v, is the unit: for L2 on both sides the largest
singular value. Alternating least squares at the present x finds a better pair, or there is none.
"""

from typing import NamedTuple

import numpy as np

from dnmf.fitting.balance import Sizes, balance, sizes_of
from dnmf.fitting.loop import Engine
from dnmf.fitting.terms import terms_for_W
from dnmf.fitting.update import update_H
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.terms import NO_TERMS
from dnmf.passes.work import Work
from dnmf.penalty import Penalty

MOST_READS = 10
SAMPLE_TURNS = 100
CLOSE_ON_SAMPLE, CLOSE = 1e-6, 1e-4  # the strength has settled when a turn raises it by less than this share


class Threshold(NamedTuple):
    """The strength that kills a pair of vectors, and what their scales are to be multiplied by to stand at it."""

    strength: float
    of_W: np.ndarray
    of_H: np.ndarray


class Strongest(NamedTuple):
    """What leaves nothing.

    Attributes
    ----------
    units : (float, float)
        The strengths of L1 and of L2.
    bytes_read : int
        To find them.
    squares : float
        ``‖A‖²``.
    h : ndarray (1, n)
        Of the pair of vectors that dies last (of L1 where there are two), on the scale at which it does.
    """

    units: tuple[float, float]
    bytes_read: int
    squares: float
    h: np.ndarray


def strongest(rows: Engine, engine: Engine, options: FitOptions) -> Strongest:
    """Return the units of the strengths of ``options.penalty``, of scale ``"fraction"``.

    The pair of vectors is found on a sample, whose strongest pair looks the same though it dies at another strength,
    and then followed through reads of all rows, two as a rule, until the strength has settled: it rises from turn to
    turn, and none is too large. Terms on both factors have a unit of their own for L1 and for L2; with L1 on one factor
    and L2 on the other both share one.

    Parameters
    ----------
    rows : Engine
        Over a sample of the rows.
    engine : Engine
        Over all rows.
    options : FitOptions
        Of the fit.
    """
    shapes = options.penalty.shapes()
    start = np.ones((1, engine.source.shape[1]), options.dtype)
    pairs = [Pair(shape, start) for shape in shapes]
    for _ in range(SAMPLE_TURNS):
        if _settled(pairs, rows, options, CLOSE_ON_SAMPLE)[0]:
            break
    statistics = []
    for _ in range(MOST_READS):
        still, found = _settled(pairs, engine, options, CLOSE)
        statistics.append(found)
        if still:
            break
    units = [0.0, 0.0]
    for pair in pairs:
        for i, strengths in enumerate((pair.shape.l1, pair.shape.l2)):
            units[i] = pair.strength if any(strengths) else units[i]
    bytes_read = sum(each.bytes_read for each in statistics)
    return Strongest((units[0], units[1]), bytes_read, statistics[-1].squares, pairs[0].h)


class Pair:
    """A pair of vectors on the way to the one that a penalty kills last; only that of the columns is held.

    Attributes
    ----------
    shape : Penalty
        With strengths of one.
    h : ndarray (1, n)
        On the scale at which the pair is worth as much as nothing.
    strength : float
        That kills it; 0 before the first turn, which has no penalty.
    """

    def __init__(self, shape: Penalty, h: np.ndarray):
        self.shape, self.h, self.strength = shape, h, 0.0

    def follow(self, sums: ModelSums) -> None:
        """Take in what a pass folded for `h`: a better pair, and the strength that kills it."""
        found = threshold(self.shape, sums, self.h)
        sums = sums.scaled(found.of_W)
        h = update_H(sums, (self.h * found.of_H[:, None]).astype(self.h.dtype), self.shape.times(found.strength)).H
        if not (h.any() and sums.s.any()):  # rounding at the very edge: the pair before is good enough
            self.strength = max(self.strength, found.strength)
            return
        found = threshold(self.shape, sums, h)
        self.h, self.strength = (h * found.of_H[:, None]).astype(h.dtype), found.strength


def _settled(pairs: list["Pair"], engine: Engine, options: FitOptions, close: float) -> tuple[bool, Statistics]:
    """Let the pairs follow one more pass; return whether that raised no strength by much, and what the pass folded."""
    before = [pair.strength for pair in pairs]
    statistics = _turn(pairs, engine, options)
    still = all(abs(p.strength - old) <= close * p.strength for p, old in zip(pairs, before, strict=True))
    return still, statistics


def _turn(pairs: list[Pair], engine: Engine, options: FitOptions) -> Statistics:
    """Let every pair follow one pass over the rows, and return what the pass folded."""
    visitors = tuple(
        solve_for_rows(p.h, terms_for_W(p.shape.times(p.strength), p.h, 0.0) if p.strength else NO_TERMS) for p in pairs
    )
    statistics = run_pass(
        engine.executor, engine.source, engine.plan, Work(visitors, options.dtype, check=True), keep=engine.keep,
        rows_back=engine.watch("start"),
    )  # fmt: skip
    for pair, sums in zip(pairs, statistics.models, strict=True):
        if sums.s.any():
            pair.follow(sums)
    return statistics


def threshold(shape: Penalty, sums: ModelSums, h: np.ndarray) -> Threshold:
    """Return the strength at which one component is worth as much as nothing, and the scales of its factors there.

    Parameters
    ----------
    shape : Penalty
        With strengths of one.
    sums : ModelSums
        Of the one column w.
    h : ndarray (1, n)
        The one row.
    """
    size = float(np.sqrt(sums.G[0, 0]) * np.linalg.norm(h.astype(np.float64)))
    a = float(sums.P[:, 0] @ h[0].astype(np.float64)) / size
    degree = 1 / sum(1 / (1 if l1 else 2) for l1 in shape.l1)
    sizes = sizes_of(shape, sums, h)
    C = _least(sizes) / size**degree
    s = 2 * a * (1 - degree) / (2 - degree)
    strength = (a - s / 2) * s ** (1 - degree) / C
    root = np.sqrt((s if s > 0 else a) / size)
    t = balance(sizes.scaled(root, root))
    return Threshold(strength, root * t, root / t)


def _least(sizes: Sizes) -> float:
    """The penalty on the best scale."""
    t = balance(sizes)
    return sizes.scaled(t, 1 / t).total
