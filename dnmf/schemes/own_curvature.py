"""What schemes share whose columns have curvatures of their own: given parts, scale of penalties, factors, starts."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from dnmf.constraints import Guides, without_bounds
from dnmf.kernels.bounds import keep_below
from dnmf.kernels.packed import packed_size
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms, shared_curvature
from dnmf.passes.visitors.visitor import Visitor
from dnmf.schemes.balance import Sizes, balance, balances, scale_of_given, sizes_of
from dnmf.schemes.constrained import NO_PENALTY, Constrained
from dnmf.schemes.given import with_given
from dnmf.schemes.normalized import normalize_rows
from dnmf.schemes.scheme import Factors
from dnmf.schemes.terms import terms_of


@dataclass(frozen=True, eq=False)
class OwnCurvature(Constrained):
    """A loss with L1, L2 and angular penalties in the objective, bounds, and given parts of both factors.

    A subclass says what visits the rows, what sums of a pass come to, and how columns follow from them.

    Attributes
    ----------
    diagonal_curvature : bool
        Whether there is room for the curvature of columns on its diagonal only.
    """

    penalized_sums: ClassVar[tuple[str, ...]] = ("G", "s")  # of which a penalty is made, and that grow with the rows
    diagonal_curvature: bool = field(default=False, kw_only=True)

    @property
    def descends(self) -> bool:
        """The loss and its penalties."""
        return True

    @property
    def free_scale(self) -> bool:
        """Whether the scale between the factors means nothing."""
        return not self.penalty.in_objective

    @property
    def needs_rows(self) -> bool:
        """Where the scale of a start decides what survives a penalty."""
        return balances(self.penalty)

    def curvature_size(self, rank: int) -> int:
        """How many numbers a pass folds for the curvature of a column."""
        return rank if self.diagonal_curvature else packed_size(rank)

    def peak(self, sums: Any) -> float:
        """Nothing: no penalty is measured by the data."""
        del sums
        return 0.0

    def of_data(self, statistics: Statistics) -> float:
        """What a model that explains nothing leaves, as the visitor found it."""
        return float(statistics.models[0].whole)

    @abstractmethod
    def _rows_under(self, terms: Terms, H: np.ndarray, held: int, tolerance: float | None, *, first: bool) -> Visitor:
        """What solves for rows under `terms`, beside `held` columns of W."""

    def visitor(
        self, H: np.ndarray, peak: float = 0.0, tolerance: float | None = None, *, first: bool = False
    ) -> Visitor:
        """Solve for rows, or to a `tolerance`."""
        del peak
        return self._rows_under(self._terms("W"), H, self.given_columns, tolerance, first=first)

    def rows_of_model(self, H: np.ndarray, terms: Terms, held: int) -> Visitor:
        """Solve for rows under the terms of a finished model, beside `held` columns of W."""
        rows = replace(self, diagonal_curvature=True)  # nobody asks for the curvature of its columns
        return rows._rows_under(terms, H, held, None, first=True)

    @property
    def _lenient(self) -> Self:
        """The same without bounds, and with those penalties alone without which rows of few entries are not found."""
        return replace(self.exactly, penalty=NO_PENALTY, limits=without_bounds(self.limits))

    @property
    def unhindered(self) -> Self:
        """The same again, without given columns of W."""
        lenient = self._lenient
        limits = replace(lenient.limits, held=(0, self.limits.held[1]))
        return replace(lenient, limits=limits, guides=Guides(H=self.guides.H))

    def probe(self, H: np.ndarray) -> Visitor:
        """Solve for rows as those that starts are compared by are, as if none were given."""
        lenient = self._lenient
        return lenient._rows_under(lenient._terms("W"), H, 0, None, first=False)

    def start_for(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """The same as for a guess: the first pass solves for rows anyway."""
        return self.guess(sums, H)

    def _terms(self, side: str) -> Terms:
        return terms_of(self.penalty, side, self.limits)

    def _sizes(self, sums: Any, H: np.ndarray) -> Sizes:
        return sizes_of(self.penalty, sums, H)

    def _scale_of_given(self, sums: Any, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By what columns of W and rows of H are multiplied where they are penalized (k,).

        Beside given columns of W on the scale of least penalty, as in all schemes; by counts as they were given.
        """
        if not (self.penalty.counts and self.guides.W_sums is not None):
            return scale_of_given(self.penalty, sums, H, self.limits)
        t = with_given(np.ones(len(H)), self.guides.W_sums)
        return t, 1 / t

    def _value_of_penalty(self, sums: Any, H: np.ndarray) -> float:
        if not self.penalty.active:
            return 0.0
        return self._sizes(sums, H).scaled(*self._scale_of_given(sums, H)).total

    def _side_terms(self, of_H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What penalties of H times `of_H` (k,) add to slopes (k,), and to the curvature of every column (k, k)."""
        terms, k = self._terms("H"), len(of_H)
        added = shared_curvature(terms, k)
        return terms.l1 * of_H, np.zeros((k, k)) if added is None else added * np.outer(of_H, of_H)

    def _hold(self, bounds: tuple[np.ndarray, np.ndarray], h: np.ndarray, of_H: np.ndarray) -> None:
        """Let bounds of columns (n, k) leave given rows of H as they are in `h`, and at zero what has gone there."""
        for bound in bounds:
            bound[:, of_H == 0] = 0
            bound[:, self.given_rows] = h[:, self.given_rows]

    def counted(self, sums: Any, H: np.ndarray) -> tuple[Any, np.ndarray]:
        """Without components that are dead in W, and without given ones that no row or no column has."""
        H = _where(sums.s > 0, H)
        unused = (np.arange(len(H)) < self.given_components) & ~H.any(axis=1)
        return sums.without(unused) if unused.any() else sums, H

    def _without_dead(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """H with zeros for the components that are dead in W, unless their rows are given."""
        kept = sums.s > 0
        kept[self.given_rows] = True
        return _where(kept, H)

    def scale(self, after: np.ndarray, before: np.ndarray, sums: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return both on the scale of least penalty; given columns of W keep theirs, by counts given rows of H too."""
        if not balances(self.penalty):
            return after, before
        t = balance(self._sizes(sums, after))
        t[: self.given_components if self.penalty.counts else self.given_columns] = 1.0
        of_W, of_H = self.limits.upper
        t = t if of_W == np.inf else np.minimum(t, 1.0)
        t = t if of_H == np.inf else np.maximum(t, after.max(axis=1, initial=0) / of_H)
        scale = (1 / t)[:, None]
        return keep_below((after * scale).astype(after.dtype), of_H), (before * scale).astype(after.dtype)

    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Cut off what is too small or above a bound; given rows stay, others sum to one where scale is free."""
        if not self.limits.is_free("H"):
            H = keep_below(np.maximum(H, self._least_of(plain)), self.limits.upper[1])
        H[self.given_rows] = plain[self.given_rows]
        return self._normalized(H)

    def _normalized(self, H: np.ndarray) -> np.ndarray:
        return normalize_rows(H, self.given_columns)[0] if self.free_scale else H

    def factors(self, sums: Any, H: np.ndarray, peak: float, *, transposed: bool) -> Factors:
        """The factors but for W; rows of a transposed one are solved as the columns of H were, with the other terms."""
        del peak
        of_H, h_scale = normalize_rows(self._without_dead(sums, H))
        d = sums.s * h_scale
        if not transposed:
            return Factors(None, d, of_H, h_scale, with_given(sums.s, self.guides.W_sums), self._terms("W"))
        t, over_t = self._scale_of_given(sums, H)
        of_rows, of_columns, given = h_scale * over_t, sums.s * t, self.given_rows
        if self.guides.H is not None:  # rows of the others come with their scale, those that are given without
            of_rows[given] = np.abs(self.guides.H).sum(axis=1, dtype=np.float64)
            of_columns[given] = d[given]
        return Factors(None, d, of_H, of_columns, of_rows, self._terms("H"))

    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start with its given rows, rows brought to sum one where scale is free."""
        return self._normalized(self.with_given_rows(H))

    def ordered(self, H: np.ndarray) -> np.ndarray:
        """Return the start as it is: nothing is pulled to a target."""
        return H

    def settle(self, sums: Any, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return the start on the scale of least penalty."""
        of_all = {name: getattr(sums, name) * (all_rows / rows) for name in self.penalized_sums}
        return self.scale(H, H, replace(sums, **of_all))[0], 0.0


def _where(kept: np.ndarray, H: np.ndarray) -> np.ndarray:
    """H with zeros in the rows that are not kept; itself where all are."""
    return H if kept.all() else np.where(kept[:, None], H, 0).astype(H.dtype)
