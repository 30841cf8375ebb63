"""The strength from which on a penalty leaves nothing: the unit in which strengths mean the same on any data.

For one component ``s u vᵀ`` with unit vectors and balanced factors the objective is, up to a constant,
``½ s² − a s + x C s^δ`` with ``a = uᵀAv``, x the strength, C the penalty at s = x = 1 and ``δ = 1 / Σ 1/p`` over the
degrees p of both factors. It is nowhere below that of zero once ``x ≥ (a − s/2) s^{1−δ} / C`` at
``s = 2 a (1 − δ) / (2 − δ)``. That x, at its largest over all u and v, is the unit: for L2 on both sides the largest
singular value. Alternating least squares at the present x finds a better pair, or there is none.
"""

from typing import NamedTuple

import numpy as np

from dnmf.options import CP, FitOptions
from dnmf.passes.statistics import ModelSums
from dnmf.passes.visitors.visitor import Visitor
from dnmf.penalty import Penalty
from dnmf.schemes.balance import Sizes, balance, sizes_of
from dnmf.schemes.facts import Facts
from dnmf.schemes.khatri_rao import KhatriRao
from dnmf.schemes.of_options import least_squares
from dnmf.schemes.penalized_cp import PenalizedKhatriRao
from dnmf.schemes.scheme import Scheme


class Threshold(NamedTuple):
    """The strength that kills a pair of vectors, and what their scales are to be multiplied by to stand at it."""

    strength: float
    of_W: np.ndarray
    of_H: np.ndarray


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

    @property
    def scheme(self) -> Scheme:
        """Least squares under the penalty at its present strength."""
        return self.scheme_at(self.strength)

    def scheme_at(self, strength: float) -> Scheme:
        """Least squares under the penalty at a strength."""
        return least_squares(self.shape.times(strength))

    def threshold(self, sums: ModelSums, h: np.ndarray) -> Threshold:
        """Return the strength at which the pair behind these sums is worth as much as nothing."""
        return threshold(self.shape, sums, h)

    @property
    def visitor(self) -> Visitor:
        """What visits the rows in the next turn."""
        return self.scheme.visitor(self.h)

    @property
    def units(self) -> tuple[float, float]:
        """The strengths of L1 and of L2 that it stands for, 0 where the penalty has none."""
        return tuple(self.strength if any(pair) else 0.0 for pair in (self.shape.l1, self.shape.l2))  # type: ignore[return-value]

    def follow(self, sums: ModelSums) -> None:
        """Take in what a pass folded for `h`: a better pair, and the strength that kills it."""
        found = self.threshold(sums, self.h)
        sums = sums.scaled(found.of_W)
        h = (self.h * found.of_H[:, None]).astype(self.h.dtype)
        h = self.scheme_at(found.strength).update(sums, h).H
        if not (h.any() and sums.s.any()):  # rounding at the very edge: the pair before is good enough
            self.strength = max(self.strength, found.strength)
            return
        found = self.threshold(sums, h)
        self.h, self.strength = (h * found.of_H[:, None]).astype(h.dtype), found.strength


class PairOfProducts(Pair):
    """The same of an array: a row of H that is a product, with a penalty on each of its vectors.

    Parameters
    ----------
    shape, h
        As those of :class:`Pair`.
    lengths : tuple of int
        Of the axes that the columns are made of.
    """

    def __init__(self, shape: Penalty, h: np.ndarray, lengths: tuple[int, ...]):
        super().__init__(shape, h)
        self.lengths = lengths

    def scheme_at(self, strength: float) -> Scheme:
        """CP under the penalty at a strength."""
        if not strength:
            return KhatriRao(lengths=self.lengths)
        return PenalizedKhatriRao(self.shape.times(strength), lengths=self.lengths)

    def threshold(self, sums: ModelSums, h: np.ndarray) -> Threshold:
        """Return the strength at which the component is worth as much as nothing, and the scales of its factors."""
        of_shape = PenalizedKhatriRao(self.shape, lengths=self.lengths)
        size = float(np.sqrt(sums.G[0, 0]) * np.linalg.norm(h.astype(np.float64)))
        a = float(sums.P[:, 0] @ h[0].astype(np.float64)) / size
        degree = 1 / sum(1 / (1 if l1 else 2) for l1, _ in self.shape.on_each(1 + len(self.lengths)))
        s = 2 * a * (1 - degree) / (2 - degree)
        t, penalty = of_shape.least_shares_at(sums, h, s / size)
        return Threshold((a - s / 2) * s / penalty, t[0], np.prod(t[1:], axis=0))


def pairs_for(options: FitOptions, facts: Facts, start: np.ndarray) -> list[Pair]:
    """Return the pairs whose strengths are the units of a fraction; of a CP they are products."""
    shapes = options.penalty.shapes()
    if options.structure == CP:
        return [PairOfProducts(shape, start, facts.lengths) for shape in shapes]
    return [Pair(shape, start) for shape in shapes]


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
