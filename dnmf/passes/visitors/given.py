"""Rows of W that are given: nothing is solved for."""

from dataclasses import dataclass

from dnmf.kernels.padding import pad_columns
from dnmf.passes.rows_out import RowsOut
from dnmf.passes.sums import RunningSums
from dnmf.passes.visitors.visitor import Block, Visitor


@dataclass(frozen=True)
class UseGivenRows(Visitor):
    """Adds up rows of W as they are given, `columns` of them."""

    columns: int

    @property
    def rank(self) -> int:
        """Columns of the given W."""
        return self.columns

    def visit(self, block: Block, sums: RunningSums, out: RowsOut | None) -> None:
        """Add the block and its given rows."""
        del out  # whoever gave them has them
        assert block.given is not None, "no rows of W were given"
        sums.add(block.rows, pad_columns(block.given))
