"""Long tables with three and more columns of names: sparse arrays with as many axes, as matrices that know them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dnmf.arguments import shown
from dnmf.conversion.folded import Folding
from dnmf.conversion.frames import Frame
from dnmf.conversion.long_columns import LongColumns
from dnmf.conversion.long_entries import LongEntries, LongTable
from dnmf.conversion.streams import Triplets, TripletStream
from dnmf.errors import InputError
from dnmf.sources.unfolded import MOST_LABELS, Unfolding, unfolding_of


def open_long_array(table: LongTable, spool: Path, row_axes: Any, *, adds_up: bool) -> TripletStream:
    """Return the array in a long table as a matrix: each axis has the names of its column as labels.

    Parameters
    ----------
    table : LongText or LongParquet
        The table.
    spool : Path
        For the entries: 4 bytes for each name and 8 for the value.
    row_axes : int, str, or sequence of these
        The axes that make the rows, by number or by what their columns are called; ``"longest"`` for the longest.
    adds_up : bool
        Whether values of the same place are added up; refused otherwise.

    Raises
    ------
    InputError
        There are no such axes, or the matrix would have too many columns; a line that is no entry is named.
    """
    _refuse_other_axes(table.path, table.columns, row_axes)
    entries, address = LongEntries(table, spool / "entries"), str(table.path)
    labels = [entries.names(axis) for axis in range(len(entries.shape))]
    unfolding = unfolding_of(address, entries.shape, row_axes, table.columns.axes, labels)
    assert unfolding is not None
    folding = Folding(address, unfolding)

    def blocks(limit: int) -> Iterator[Triplets]:
        return (folding.triplets(*block) for block in entries.blocks(limit))

    rows, columns = (_frame(entries, axes) for axes in (unfolding.rows, unfolding.columns))
    return TripletStream(
        address=address, shape=unfolding.matrix_shape, dtype=entries.dtype, target_dtype=entries.target_dtype,
        rows=rows, columns=columns, notes=_without_labels(address, unfolding), unfolding=unfolding,
        stored=entries.count, blocks=blocks, keeps_zeros=table.columns.value is not None,
        twice=None if adds_up else lambda row, column: entries.twice(unfolding.place(row, column)),
    )  # fmt: skip


def _refuse_other_axes(path: Path, columns: LongColumns, row_axes: Any) -> None:
    """Refuse axes that are not there before the table is read, which tells how long they are."""
    axes = len(columns.keys)
    try:
        unfolding_of(str(path), (1,) * axes, row_axes, columns.axes)
    except InputError:
        named = ", ".join(columns.axes or map(str, range(axes)))
        raise InputError(
            f"{path}: row_axes={shown(row_axes)}: say which of the axes {named} make the rows, by name or number, or "
            "'longest' (--row-axes longest); the others make the columns, one at least"
        ) from None


def _frame(entries: LongEntries, axes: tuple[int, ...]) -> Frame:
    """What is known of the rows, or the columns: the names along the axis that makes them, nothing of several."""
    return entries.frame(axes[0]) if len(axes) == 1 else Frame()


def _without_labels(address: str, unfolding: Unfolding) -> tuple[str, ...]:
    """Say which axes have too many labels to be kept with the matrix; those of its rows lie beside it."""
    kept = unfolding.rows if len(unfolding.rows) == 1 else ()
    return tuple(
        f"{address}: the names along {unfolding.name_of(axis)} are not kept: there are {length:,}, of an axis that "
        f"does not make the rows alone at most {MOST_LABELS:,} are"
        for axis, length in enumerate(unfolding.shape)
        if length > MOST_LABELS and axis not in kept
    )
