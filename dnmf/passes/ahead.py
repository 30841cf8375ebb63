"""The contract of what is made of columns where their sums are added up, before they come to the fit."""

from abc import ABC, abstractmethod
from typing import Any

from dnmf.passes.statistics import ModelSums


class Ahead(ABC):
    """What follows from G, s and the column's own part of P alone, for each column of an H.

    An executor whose sums lie on workers may have it made there, block of columns after block, and leave P where it
    is: :attr:`ModelSums.ahead` then has the result, with the bits that it has here.

    Attributes
    ----------
    shape : (int, int)
        k and n.
    """

    shape: tuple[int, int]

    @abstractmethod
    def part(self, columns: slice) -> "Ahead":
        """Return the same for some of the columns, whole blocks of :func:`~dnmf.passes.over_columns.blocks_of`."""

    @abstractmethod
    def of(self, sums: ModelSums) -> Any:
        """Return what comes of the columns, from the sums of a whole pass whose P (columns, k) is theirs."""

    @abstractmethod
    def joined(self, parts: list[Any]) -> Any:
        """Return what comes of all columns, from all parts in their order."""
