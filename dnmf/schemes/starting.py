"""What a start asks of a scheme."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from dnmf.passes.visitors.given import UseGivenRows
from dnmf.passes.visitors.visitor import Visitor


class Startable(ABC):
    """How a fit of a scheme begins: what is raced for on a sample, and how a start becomes its first H."""

    @property
    def power(self) -> float:
        """With which power of its mean the variance of an entry grows: starts are found on data of even variance."""
        return 0.0

    @property
    def power_damps(self) -> bool:
        """Whether columns with little in them are to count for less than their variance says."""
        return False

    @property
    def degree(self) -> float:
        """With which power of the scale of a row its part of the loss grows; 0 where it grows with none.

        Where it does, rows of a sample are drawn as they weigh.
        """
        return 2.0

    @property
    def sample_passes(self) -> int:
        """How many passes of its own a start has on its sample, after those of the stand-in."""
        return 0

    @property
    def sample_times(self) -> int:
        """How many times as large as usual the sample of a start is."""
        return 1

    @property
    @abstractmethod
    def needs_rows(self) -> bool:
        """Whether a start is to be settled (:meth:`settle`) on what a few rows of the data say of it."""

    def of_check(self, squares: float) -> float:
        """Return what a first pass would find out from ``‖A‖²`` alone; negative where that does not tell."""
        del squares
        return -1.0

    @abstractmethod
    def with_given_rows(self, H: np.ndarray) -> np.ndarray:
        """Return `H` (k, n) with the rows that are given in their place."""

    @abstractmethod
    def from_unhindered(self, H: np.ndarray) -> np.ndarray:
        """Return a start of :attr:`unhindered` in the order of this scheme."""

    @abstractmethod
    def of_divided_columns(self, by: np.ndarray) -> Self:
        """Return the same for data whose columns are divided `by` these numbers (n,)."""

    @abstractmethod
    def enter(self, H: np.ndarray) -> np.ndarray:
        """Return a start as a pass may be made with it: with what is given in its place."""

    def raised(self, H: np.ndarray) -> np.ndarray:
        """Return a start of which nothing is where no update would move it; by default it is as it was."""
        return H

    @abstractmethod
    def settle(self, sums: Any, H: np.ndarray, rows: int, all_rows: int) -> tuple[np.ndarray, float]:
        """Return a start on the scale that is best for it, and the `peak` of its first pass.

        Parameters
        ----------
        sums : Any
            Of a pass of :meth:`probe` over some rows.
        H : ndarray (k, n)
            With which that was made.
        rows, all_rows : int
            How many these were, of how many.
        """

    @abstractmethod
    def probe(self, H: np.ndarray) -> Visitor:
        """Return what solves for the rows that belong to a start, without a penalty."""

    @abstractmethod
    def ordered(self, H: np.ndarray) -> np.ndarray:
        """Return the rows of a start in the order in which they are most like those of a target, where there is one."""

    def visitor_of_given(self, columns: int, n_columns: int, dtype: str) -> Visitor:
        """Return what folds given columns of W, for :meth:`guess`, :meth:`start_for` and :meth:`rows_of_given`."""
        del n_columns, dtype
        return UseGivenRows(columns)

    @property
    def cost(self) -> float:
        """How many times what a pass of least squares costs one of this scheme does, roughly: what a race may spend."""
        return 1.0

    @abstractmethod
    def guess(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """Return the H (k, n) that belongs to a W with these sums of :meth:`visitor_of_given`, without a penalty."""

    @abstractmethod
    def start_for(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """Return the start for a given W with these sums of that; `H` has the rows that are given."""

    @abstractmethod
    def rows_of_given(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """Return the best H for the given columns of W alone, with these sums of that."""

    @property
    @abstractmethod
    def unhindered(self) -> Self:
        """The same without penalties, bounds and given columns of W: what starts are compared by."""
