"""How the scale of a component is shared among any number of factors so that its penalty is least.

With vectors ``t_i x_i`` whose product is fixed, ``Π t_i = S``, the penalty of a component is ``Σ a_i t_i + b_i t_i²``:
a for L1 and b for L2. It is convex in the logs of t, and least where ``a_i t_i + 2 b_i t_i² = β`` for all factors: then
they are balanced (Cohen & Leplat 2025, "Efficient algorithms for regularized nonnegative scale-invariant low-rank
approximation models"). :mod:`dnmf.schemes.balance` has the case of two factors, and of pairs of components.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.penalty import Penalty

MOST_TURNS = 100
ROUNDING = 1e-15


class Shares(NamedTuple):
    """What each factor of each component adds to the penalty at scale one.

    Attributes
    ----------
    ones, twos : ndarray (factors, k)
        Of degree 1 and 2 in its scale: a and b.
    """

    ones: np.ndarray
    twos: np.ndarray

    def scaled(self, t: np.ndarray) -> "Shares":
        """What factors add that are multiplied by t (factors, k)."""
        return Shares(self.ones * t, self.twos * t**2)

    @property
    def of_component(self) -> np.ndarray:
        """The penalty of each component (k,)."""
        found: np.ndarray = (self.ones + self.twos).sum(axis=0)
        return found


def shares_of(vectors: Sequence[np.ndarray], strengths: Sequence[tuple[float, float]]) -> Shares:
    """Return what factors (k, length) add, each with its strengths of L1 and L2: ``l1 Σx + ½ l2 ‖x‖²``."""
    ones = [l1 * X.sum(axis=1, dtype=np.float64) for X, (l1, _) in zip(vectors, strengths, strict=True)]
    squares = (np.einsum("qi,qi->q", X, X, dtype=np.float64) for X in vectors)
    return Shares(np.stack(ones), np.stack([0.5 * l2 * of for of, (_, l2) in zip(squares, strengths, strict=True)]))


def least_shares(terms: Shares, sizes: np.ndarray) -> np.ndarray:
    """Return the t (factors, k) with products `sizes` (k,) for which the penalty is least.

    A component of which a factor is zero, or costs nothing, keeps its scale: all its t are the same.

    Examples
    --------
    >>> import numpy as np
    >>> ridge = Shares(np.zeros((3, 1)), np.array([[1.0], [8.0], [64.0]]))
    >>> least_shares(ridge, np.array([1.0])).ravel().round(3).tolist()
    [2.828, 1.0, 0.354]
    """
    ones, twos = terms
    factors = len(ones)
    alive = ((ones + twos) > 0).all(axis=0) & (sizes > 0)
    t = np.where(sizes > 0, sizes, 1.0)[None] ** (1 / factors) * np.ones((factors, 1))
    if alive.any():
        t[:, alive] = _balanced(ones[:, alive], twos[:, alive], np.log(sizes[alive]))
    return t


def _balanced(a: np.ndarray, b: np.ndarray, log_size: np.ndarray) -> np.ndarray:
    """The same where all factors cost something: the root of a sum of logs that rises with log β by ½ to 1 a factor.

    Newton's method cannot get lost on it; in logs nothing gets too small.
    """
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log(a), np.log(b)
    log_beta = np.zeros(len(log_size))
    for _ in range(MOST_TURNS):
        log_t = _at(log_a, log_b, log_beta)
        with np.errstate(over="ignore", divide="ignore"):
            ratio = np.exp(log_b + log_t - log_a)  # infinite without L1
        slope = (0.5 + 0.5 / (1 + 4 * ratio)).sum(axis=0)
        step = (log_size - log_t.sum(axis=0)) / slope
        log_beta += step
        if np.abs(step).max() <= ROUNDING * np.abs(log_beta).max(initial=1):
            break
    log_t = _at(log_a, log_b, log_beta)
    return np.exp(log_t + (log_size - log_t.sum(axis=0)) / len(a))  # the product as it is to be, whatever was rounded


def _at(log_a: np.ndarray, log_b: np.ndarray, log_beta: np.ndarray) -> np.ndarray:
    """The log of the positive root of ``2 b t² + a t = β``, which is ``2 β / (a + √(a² + 8 b β))``."""
    root = 0.5 * np.logaddexp(2 * log_a, np.log(8) + log_b + log_beta)
    found: np.ndarray = np.log(2) + log_beta - np.logaddexp(log_a, root)
    return found


def common_scale(cross: float, gram: float, terms: Shares) -> float:
    """Return the x > 0 for which the objective of all factors times x has its last local minimum, 1 where it has none.

    With N factors that is ``½ x^2N gram − x^N cross + x c₁ + x² c₂`` up to a constant.

    Parameters
    ----------
    cross, gram : float
        ``⟨A, model⟩`` and ``‖model‖²``.
    terms : Shares
        Of the penalty.
    """
    count = len(terms.ones)
    if not gram > 0:
        return 1.0
    slope = np.zeros(2 * count)  # of falling powers, from 2N − 1 to 0
    slope[0], slope[count] = count * gram, -count * cross
    slope[-1] += float(terms.ones.sum())
    slope[-2] += 2 * float(terms.twos.sum())
    roots = np.roots(slope)
    real = roots[np.abs(roots.imag) <= 1e-9 * np.abs(roots)].real
    return float(real.max()) if real.max(initial=0) > 0 else 1.0


def least_scale(penalty: Penalty, vectors: Sequence[np.ndarray], long: int, weights: np.ndarray) -> np.ndarray:
    """Return by what the vectors (k, length) of all axes are to be multiplied (factors, k) to be penalized least.

    Without a penalty all vectors of a component are to have the same sum.

    Parameters
    ----------
    penalty : Penalty
        Of a CP.
    vectors : sequence of ndarray (k, length)
        Of every axis.
    long : int
        Which is the long one.
    weights : ndarray (k,)
        What the product of its multipliers is to be for each component.
    """
    strengths = strengths_of(penalty, len(vectors), long) if penalty.active else [(1.0, 0.0)] * len(vectors)
    return np.where(weights > 0, least_shares(shares_of(vectors, strengths), weights), 0.0)


def penalty_at_least(
    penalty: Penalty, of_long: tuple[np.ndarray, np.ndarray], short: Sequence[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """Return what each component (k,) of a CP adds to its penalty, on the scale at which that is least.

    Parameters
    ----------
    penalty : Penalty
        Of the CP.
    of_long : (ndarray, ndarray)
        Sums and squared norms (k,) of the vectors of the long axis.
    short : sequence of ndarray (k, length)
        The vectors of all others, in their order.
    weights : ndarray (k,)
        Of the components.

    Raises
    ------
    InputError
        There is no penalty.
    """
    if not penalty.active:
        raise InputError(f"the penalty of this model ({penalty}) is not one of L1 and L2 in an objective")
    ((l1, l2), *of_short), (sums, squares) = penalty.on_each(1 + len(short)), of_long
    others = shares_of(short, of_short)
    terms = Shares(np.vstack([l1 * sums, others.ones]), np.vstack([0.5 * l2 * squares, others.twos]))
    return np.where(weights > 0, terms.scaled(least_shares(terms, weights)).of_component, 0.0)


def strengths_of(penalty: Penalty, count: int, long: int) -> list[tuple[float, float]]:
    """Return the L1 and L2 on each of `count` factors."""
    of_long, *of_short = penalty.on_each(count)
    return [*of_short[:long], of_long, *of_short[long:]]
