"""Which rank the held-out errors speak for, and the components that every fold finds again; and why.

Each fold has an H of its own, fitted to other rows than those of the other folds. What is in the data is found by all
of them; what one component more makes of noise, or of a few odd rows, is not. So the rank is the largest one of which
*all* is found again, provided that no other rank predicts clearly better. How often that is right: docs/ranks.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

FOUND = 0.7  # cosine from which on a direction is the same in two folds: more of it is shared than is not
ERRORS = 2.0  # standard errors of paired differences within which two ranks predict alike; and so do they
SHARE = 0.005  # where they differ by less than this of the fall from the smallest rank to the best one
CLEARLY, MUCH = 3.0, 0.05  # the same, by more than both of which another rank predicts clearly better
NEAR = 2  # up to so many ranks beyond the first unbeaten one directions are counted where of none all are found again


class Suggestion(NamedTuple):
    """A rank with its reason.

    Attributes
    ----------
    rank : int or None
        One of those tried; None where none is clearly the one.
    reason : str
        In words.
    """

    rank: int | None
    reason: str


NOTHING_HELD_OUT = Suggestion(
    None, "no clear rank: nothing was held out (folds=0), so that nothing says how well a rank predicts"
)


def directions_found(of_folds: Sequence[np.ndarray], least: float = FOUND) -> int:
    """Return how many directions of the row space of H (k, n) every pair of folds has in common.

    Principal cosines of row spaces (Björck & Golub 1973, doi:10.2307/2005662): neither order nor scale of components
    matters, nor how alike they are, nor that they may be mixed with each other where a factorization is not unique. In
    few columns any two spaces share some: the rank should be below a third of the columns. Components that are zero
    span nothing.
    """
    bases = [np.linalg.qr(H[H.any(axis=1)].T.astype(np.float64))[0] for H in of_folds]
    cosines = [np.linalg.svd(a.T @ b, compute_uv=False) for a, b in combinations(bases, 2)]
    return int(min((found > least).sum() for found in cosines))


@dataclass(frozen=True)
class Evidence:
    """What is known of each rank.

    Attributes
    ----------
    ranks : list of int
        Rising.
    errors : ndarray (ranks, folds)
        Of each rank the held-out error of each fold, as a share of what was held out.
    found : dict
        Of each rank, how many directions all folds have in common.
    """

    ranks: list[int]
    errors: np.ndarray
    found: dict[int, int]

    @cached_property
    def mean(self) -> np.ndarray:
        """The held-out error of each rank."""
        return self.errors.mean(axis=1)

    @cached_property
    def best(self) -> int:
        """Where the lowest one is."""
        return int(self.mean.argmin())

    @property
    def lowest(self) -> int:
        """The rank with the lowest held-out error."""
        return self.ranks[self.best]

    @property
    def last(self) -> int:
        """The largest rank."""
        return self.ranks[-1]

    @cached_property
    def excess(self) -> np.ndarray:
        """By how much each rank predicts worse than the best one."""
        found: np.ndarray = self.mean - self.mean[self.best]
        return found

    @cached_property
    def se(self) -> np.ndarray:
        """The standard error of that, from the differences fold by fold."""
        paired = self.errors - self.errors[self.best]
        se: np.ndarray = paired.std(axis=1, ddof=1) / np.sqrt(self.errors.shape[1])
        return se

    def _beyond(self, errors: float, share: float) -> np.ndarray:
        """Which ranks predict worse than the best one by more than both."""
        return self.excess > np.maximum(errors * self.se, share * self.excess[0])

    @property
    def unbeaten(self) -> list[int]:
        """The ranks that predict as well as the best one."""
        return [rank for rank, beyond in zip(self.ranks, self._beyond(ERRORS, SHARE), strict=True) if not beyond]

    def is_beaten(self, rank: int) -> bool:
        """Whether another rank predicts clearly better than one that was tried."""
        return rank in self.ranks and bool(self._beyond(CLEARLY, MUCH)[self.ranks.index(rank)])


def suggest(errors: Mapping[int, Sequence[float]], found: Mapping[int, int]) -> Suggestion:
    """Return the rank to take.

    Parameters
    ----------
    errors : mapping
        Of each rank, the held-out error of each fold as a share of what was held out, in the same order of folds.
    found : mapping
        Of each rank, :func:`directions_found` of its folds.
    """
    ranks = sorted(errors)
    seen = Evidence(ranks, np.array([errors[k] for k in ranks], np.float64), {k: int(found[k]) for k in ranks})
    if not np.isfinite(seen.errors).all():
        return _unclear("in some fold there was nothing that could be predicted; use fewer folds, or none (folds=0)")
    first, last = seen.unbeaten[0], seen.last
    if len(ranks) == 1:
        return _unclear(f"{last} is the only rank tried, and there is none to compare it with; try some on either side")
    if first == last:
        return _unclear(f"the held-out error still falls at {last}, the largest rank tried; try larger ones")
    if seen.found[last] == last:
        return _unclear(
            f"even of {last}, the largest rank tried, every fold finds all components again; try larger ones"
        )
    whole = max((k for k in seen.unbeaten if seen.found[k] == k), default=0)
    return _all_found_again(seen, whole) if whole > 1 else _as_many_as_found(seen, first)


def _all_found_again(seen: Evidence, rank: int) -> Suggestion:
    """The suggestion of the largest rank of which all is found again."""
    above = next(k for k in seen.ranks if k > rank)
    error = "the lowest" if rank == seen.lowest else f"about as low as the lowest (at {seen.lowest})"
    return Suggestion(
        rank,
        f"every fold finds all {rank} components again, but only {seen.found[above]} of {above}; the held-out error "
        f"is {error}",
    )


def _as_many_as_found(seen: Evidence, first: int) -> Suggestion:
    """The suggestion of as many components as are found again, whatever the rank from the `first` unbeaten one on."""
    few = sorted(seen.found[k] for k in seen.ranks if first <= k <= first + NEAR)
    components, smallest = few[(len(few) - 1) // 2], seen.ranks[0]
    if components <= 1:
        return _unclear(
            "of whatever rank, every fold finds only one component again (the sizes of rows and columns)"
            if components
            else "no fold finds again what another one has found"
        )
    if components < smallest:
        return _unclear(
            f"every fold finds only {components} of {smallest} components again, the smallest rank tried, and the "
            "held-out error falls no further; try smaller ones"
        )
    if seen.is_beaten(components):
        return _unclear(f"every fold finds {components} components again, but {seen.lowest} predict clearly better")
    rank = min(seen.ranks, key=lambda k: (abs(k - components), k != first, k))
    tried = "" if components in seen.ranks else f"; {components} was not tried, {rank} is next to it"
    return Suggestion(
        rank,
        f"beyond {first} the held-out error falls by no more than the folds differ in it, and of more components every "
        f"fold finds {components} again{tried}",
    )


def _unclear(why: str) -> Suggestion:
    return Suggestion(None, f"no clear rank: {why}")
