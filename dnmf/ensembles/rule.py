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

FOUND = 0.7  # cosine from which on a direction of two folds is the same: more of it is than is not
ERRORS = 2.0  # standard errors of paired differences within which two ranks predict alike
SHARE = 0.005  # of the fall of the held-out error from the first rank to the best one: less than that is nothing
CLEARLY = 3.0  # standard errors from which on it speaks against a rank that another one predicts better
SPREAD = 2  # by so much may the number of directions found again differ between larger ranks
NEXT = 3  # ranks, from the first unbeaten one on, whose numbers of directions are looked at


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
    matters, nor how alike they are, nor that they may be mixed with each other where a factorization is not unique.
    """
    bases = [np.linalg.qr(H.T.astype(np.float64))[0] for H in of_folds]
    cosines = [np.linalg.svd(a.T @ b, compute_uv=False) for a, b in combinations(bases, 2)]
    return int((np.min(cosines, axis=0) > least).sum())


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
    def se(self) -> np.ndarray:
        """The standard error of the difference of each rank to the best one, fold by fold."""
        paired = self.errors - self.errors[self.best]
        se: np.ndarray = paired.std(axis=1, ddof=1) / np.sqrt(self.errors.shape[1])
        return se

    @property
    def unbeaten(self) -> list[int]:
        """The ranks that predict as well as the best one."""
        nothing = SHARE * (self.mean[0] - self.mean[self.best])
        excess = self.mean - self.mean[self.best]
        return [k for k, e, se in zip(self.ranks, excess, self.se, strict=True) if e <= max(ERRORS * se, nothing)]

    def is_beaten(self, rank: int) -> bool:
        """Whether another rank predicts clearly better."""
        at = self.ranks.index(rank)
        return bool(self.mean[at] - self.mean[self.best] > CLEARLY * self.se[at])


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
    first, last = seen.unbeaten[0], seen.last
    if first == last or seen.found[last] == last:
        return Suggestion(
            None,
            f"no clear rank: the held-out error still falls at {last}, the largest rank tried, where "
            f"{_count(seen.found[last])} found again by every fold; try larger ranks",
        )
    whole = [k for k in seen.unbeaten if seen.found[k] == k]
    return _all_found_again(seen, whole[-1]) if whole and whole[-1] > 1 else _as_many_as_found(seen, first)


def _all_found_again(seen: Evidence, rank: int) -> Suggestion:
    """The suggestion of the largest rank of which all is found again."""
    if seen.lowest == seen.last and seen.is_beaten(rank):
        return Suggestion(
            None,
            f"no clear rank: {rank} components are found again by every fold, but the held-out error falls on, a "
            f"little and steadily, up to {seen.last}, the largest rank tried",
        )
    above = next(k for k in seen.ranks if k > rank)
    error = (
        "its held-out error is the lowest"
        if rank == seen.lowest
        else f"no rank has a held-out error that is clearly lower (the lowest is that of {seen.lowest})"
    )
    return Suggestion(
        rank, f"all {rank} components are found again by every fold, of {above} only {seen.found[above]}; {error}"
    )


def _as_many_as_found(seen: Evidence, first: int) -> Suggestion:
    """The suggestion of as many components as are found again, whatever the rank from the `first` unbeaten one on."""
    beyond = [seen.found[k] for k in seen.ranks if k >= first]
    few = sorted(beyond[:NEXT])
    components = few[(len(few) - 1) // 2]
    if components <= 1:
        return Suggestion(
            None,
            "no clear rank: nothing beyond one component, the sizes of rows and columns, is found again by every fold",
        )
    if max(beyond[: NEXT + 1]) - min(beyond[: NEXT + 1]) > SPREAD:
        return Suggestion(
            None,
            f"no clear rank: the held-out error hardly falls beyond {first}, but how many components are found again "
            f"by every fold keeps changing with the rank, between {min(beyond)} and {max(beyond)}",
        )
    if components in seen.ranks and seen.is_beaten(components):
        return Suggestion(
            None,
            f"no clear rank: {components} components are found again by every fold, but rank {seen.lowest} predicts "
            "clearly better",
        )
    rank = min(seen.ranks, key=lambda k: (abs(k - components), k != first, k))
    tried = "" if components in seen.ranks else f"; that rank was not tried, and {rank} is nearest"
    return Suggestion(
        rank,
        f"the held-out error no longer falls beyond {first}, and whatever the rank beyond it, {_count(components)} "
        f"found again by every fold{tried}",
    )


def _count(number: int) -> str:
    return "one component is" if number == 1 else f"{number} components are"
