"""Columns of H that are measured and solved for where their sums are added up."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from dnmf.passes.ahead import Ahead
from dnmf.passes.over_columns import blocks_of
from dnmf.passes.statistics import ModelSums
from dnmf.schemes.scheme import SolvedColumns
from dnmf.schemes.slopes import Slopes, sum_of_slopes


class SolvesColumns(Protocol):
    """A scheme whose columns are apart: what it says of some of them is what it says of them among all."""

    def slopes(self, sums: ModelSums, H: np.ndarray) -> Slopes:
        """Return what is measured of columns of H, from the sums whose P is theirs."""

    def solve(self, sums: ModelSums, H: np.ndarray) -> SolvedColumns:
        """Return their solutions."""


class SolvedPart(NamedTuple):
    """What came of some columns: slopes of each block, and their solutions."""

    slopes: list[Slopes]
    solved: SolvedColumns


class SolvedAll(NamedTuple):
    """What came of all columns."""

    slopes: Slopes
    solved: SolvedColumns


@dataclass(frozen=True, eq=False)
class SolvedAhead(Ahead):
    """Slopes and solutions of columns under least squares, block of columns after block of columns.

    Attributes
    ----------
    scheme : SolvesColumns
        What is minimized.
    H : ndarray (k, n)
        The factor that the pass is made with.
    """

    scheme: SolvesColumns
    H: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """k and n."""
        k, n = self.H.shape
        return k, n

    def part(self, columns: slice) -> "SolvedAhead":
        """The same for some of the columns."""
        return replace(self, H=np.ascontiguousarray(self.H[:, columns]))

    def of(self, sums: ModelSums) -> SolvedPart:
        """What comes of them."""
        slopes, solved = [], []
        for columns in blocks_of(*self.shape):
            of_block, H = replace(sums, P=sums.P[columns]), np.ascontiguousarray(self.H[:, columns])
            slopes.append(self.scheme.slopes(of_block, H))
            solved.append(self.scheme.solve(of_block, H))
        return SolvedPart(slopes, _beside(solved))

    def joined(self, parts: list[SolvedPart]) -> SolvedAll:
        """What comes of all."""
        of_blocks = [slopes for part in parts for slopes in part.slopes]
        return SolvedAll(sum_of_slopes(of_blocks), _beside([part.solved for part in parts]))


def _beside(parts: list[SolvedColumns]) -> SolvedColumns:
    H, finished, unsolved = zip(*parts, strict=True)
    return SolvedColumns(np.concatenate(H, axis=1), sum(finished), sum(unsolved))
