"""Arrays of more than two axes as matrices: some of the axes make the rows, all others the columns."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from dnmf.arguments import is_whole, shown
from dnmf.errors import InputError
from dnmf.sources.names import names_of

PLANE = 2  # axes
LONGEST = "longest"
LEAST_AXES = 3  # of what is no matrix yet
MOST_LABELS = 10_000  # of an axis, that a record carries


STORED = "dnmf_axes"  # the attribute of a stored matrix that says which axes of an array it was made of


class WhereMore(tuple[int, ...]):
    """Axes that make the rows of an array of more than two; a matrix, which was unfolded before, is taken as it is."""

    __slots__ = ()


@dataclass(frozen=True)
class Unfolding:
    """Which axes of an array make the rows of a matrix, and which its columns: each side with its last axis fastest.

    Attributes
    ----------
    shape : tuple of int
        Of the array.
    rows : tuple of int
        The axes that make the rows, in this order; all others make the columns, in theirs.
    dims : tuple of str
        What the axes are called; empty where they have no names.
    coords : tuple
        The labels along each axis, or None of one that has none; empty where none are known.
    """

    shape: tuple[int, ...]
    rows: tuple[int, ...]
    dims: tuple[str, ...] = ()
    coords: tuple[np.ndarray | None, ...] = field(default=(), compare=False)

    @property
    def columns(self) -> tuple[int, ...]:
        """The axes that make the columns."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.rows)

    @property
    def in_order(self) -> bool:
        """Whether the rows are those of the first axes as they lie, so that nothing is moved."""
        return self.rows == tuple(range(len(self.rows)))

    @property
    def of_rows(self) -> tuple[int, ...]:
        """The lengths of the axes of the rows."""
        return tuple(self.shape[axis] for axis in self.rows)

    @property
    def of_columns(self) -> tuple[int, ...]:
        """The lengths of the axes of the columns."""
        return tuple(self.shape[axis] for axis in self.columns)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return math.prod(self.of_rows), math.prod(self.of_columns)

    def __str__(self) -> str:
        names = self.dims or range(len(self.shape))
        rows, columns = (
            _listed([self.shape[axis] for axis in axes], [names[axis] for axis in axes])
            for axes in (self.rows, self.columns)
        )
        return f"{rows} make the rows, {columns} the columns"

    @property
    def called(self) -> tuple[str, ...]:
        """The names of all axes, ``axis_0``, … where they have none."""
        return self.dims or tuple(f"axis_{axis}" for axis in range(len(self.shape)))

    @property
    def long_axis(self) -> str:
        """The name of the axis, or of the axes, that make the rows."""
        return ", ".join(self.called[axis] for axis in self.rows)

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths by the names of axes, in their order; those that make the rows together are one.

        Examples
        --------
        >>> Unfolding((2, 3, 4), rows=(1, 2)).lengths
        {'axis_0': 2, 'axis_1, axis_2': 12}
        """
        return {", ".join(self.called[axis] for axis in axes): math.prod(self.shape[axis] for axis in axes)
                for axes in self.factors}  # fmt: skip

    @property
    def factors(self) -> list[tuple[int, ...]]:
        """The axes of each factor of a CP, in their order: those that make the rows together have one."""
        return sorted([self.rows, *((axis,) for axis in self.columns)])

    def lengths_of(self, rows: int) -> dict[str, int]:
        """Return the same of data with so many rows, where some were chosen."""
        return {**self.lengths, self.long_axis: rows}

    def name_of(self, axis: int) -> str:
        """What an axis is called in messages."""
        return f"axis {self.dims[axis]!r}" if self.dims else f"axis {axis}"

    @property
    def images(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Height and width of the image whose pixels rows or columns are; None where these are not made of two axes."""
        rows, columns = (None if len(of) != PLANE else (of[0], of[1]) for of in (self.of_rows, self.of_columns))
        return rows, columns

    @property
    def labels(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Names of rows and of columns: the labels of the one axis that either is made of, None of several."""
        rows, columns = (self.labels_along(axes[0]) if len(axes) == 1 else None for axes in (self.rows, self.columns))
        return rows, columns

    def labels_along(self, axis: int) -> np.ndarray | None:
        """Return the labels along an axis, None where it has none."""
        return self.coords[axis] if self.coords else None

    def labelled_axes(self, *, rows: bool = False, columns: bool = False) -> tuple[str, ...]:
        """Return the names of the axes along which there are labels: known ones, or those of rows and columns.

        Examples
        --------
        >>> Unfolding((2, 3, 2), rows=(1,)).labelled_axes(rows=True, columns=True)
        ('axis_1',)
        """
        known = {axis for axis, each in enumerate(self.coords) if each is not None}
        known |= {axes[0] for there, axes in ((rows, self.rows), (columns, self.columns)) if there and len(axes) == 1}
        return tuple(self.called[axis] for axis in sorted(known))

    def steps(self, axes: tuple[int, ...]) -> dict[int, int]:
        """Return how far apart neighbours along each axis of the rows, or of the columns, are in the matrix.

        Examples
        --------
        >>> Unfolding((2, 3, 4), rows=(1,)).steps((0, 2))
        {2: 1, 0: 4}
        """
        steps, step = {}, 1
        for axis in reversed(axes):
            steps[axis], step = step, step * self.shape[axis]
        return steps

    def place(self, row: int, column: int) -> tuple[int, ...]:
        """Return the coordinates in the array of an entry of the matrix.

        Examples
        --------
        >>> Unfolding((2, 3, 2), rows=(1,)).place(2, 1)
        (0, 2, 1)
        """
        at = [0] * len(self.shape)
        for axes, left in ((self.rows, int(row)), (self.columns, int(column))):
            for axis in reversed(axes):
                left, at[axis] = divmod(left, self.shape[axis])  # noqa: PLW2901  what the slower axes make
        return tuple(at)

    def place_in_words(self, row: int, column: int) -> str:
        """Return the same by the names of the axes."""
        return ", ".join(f"{name} {at}" for name, at in zip(self.called, self.place(row, column), strict=True))

    def matrix(self, array: Any) -> Any:
        """Return an array of this shape (numpy, dask, ``sparse``) as the matrix; a view where that is possible.

        Examples
        --------
        >>> import numpy as np
        >>> Unfolding((2, 3, 2), rows=(1,)).matrix(np.arange(12).reshape(2, 3, 2)).tolist()
        [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
        """
        moved = array if self.in_order else array.transpose((*self.rows, *self.columns))
        return moved.reshape(self.matrix_shape)

    def rows_among(self, names: Sequence[str]) -> tuple[str | int, ...]:
        """Return the axes of the rows among those of other data: by name where these have them, else by number."""
        named = tuple(self.dims[axis] for axis in self.rows) if self.dims else ()
        return named if named and all(name in names for name in named) else self.rows

    def with_labels_of(self, other: "Unfolding") -> "Unfolding":
        """Return the same with the labels of another array with these axes, where that has some."""
        pairs = zip_longest(self.coords, other.coords)
        return replace(self, coords=tuple(mine if given is None else given for mine, given in pairs))

    def other_labels(self, other: "Unfolding") -> list[str]:
        """Return the names of the axes along which both have labels, and not the same."""
        pairs = zip(self.called, self.coords, other.coords, strict=False)
        return [name for name, mine, given in pairs
                if mine is not None and given is not None and not np.array_equal(mine, given)]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; labels of very long axes are left out."""
        short = (each is not None and len(each) <= MOST_LABELS for each in self.coords)
        coords = [each.tolist() if keep and each is not None else None
                  for keep, each in zip(short, self.coords, strict=True)]  # fmt: skip
        return {"shape": list(self.shape), "rows": list(self.rows), "dims": list(self.dims), "coords": coords}

    @classmethod
    def from_json(cls, said: dict[str, Any] | None) -> "Unfolding | None":
        """What :meth:`to_json` wrote; None of nothing."""
        if not said:
            return None
        coords = tuple(None if each is None else names_of(each) for each in said["coords"])
        return cls(tuple(said["shape"]), tuple(said["rows"]), tuple(said["dims"]), coords)


def unfolding_of(
    address: str, shape: Sequence[int], row_axes: Any, dims: Sequence[Any] = (),
    coords: Sequence[np.ndarray | None] = (),
) -> Unfolding | None:  # fmt: skip
    """Return how an array of more than two axes becomes a matrix; None where it has no more, whatever is asked for.

    Parameters
    ----------
    address : str
        What it is called in messages.
    shape : sequence of int
        Its lengths.
    row_axes : int, str, or sequence of these, or None
        The axes that make the rows, by number or by name; ``"longest"`` for the longest one, of several the first. Or
        an :class:`Unfolding`: those that make its rows, by name where both have names.
    dims : sequence, optional
        What its axes are called; those that are not text have no name.
    coords : sequence, optional
        The labels along each axis, None where there are none.

    Raises
    ------
    InputError
        It has more than two axes and nobody says which make the rows, or there is no such axis, or one is named twice,
        or none is left for the columns; or nothing is in it.
    """
    lengths, names = tuple(map(int, shape)), _names(dims, len(shape))
    if len(lengths) < LEAST_AXES:
        return None
    if 0 in lengths:
        raise InputError(f"{address}: the array is empty (shape {' × '.join(map(str, lengths))})")
    if row_axes is None:
        first = repr(names[0]) if names else 0
        raise InputError(
            f"{address}: an array of {len(lengths)} axes ({_listed(lengths, names)}), where a matrix has rows and "
            f"columns; say which axes make the rows, the others make the columns: row_axes={first} (--row-axes "
            f"{names[0] if names else 0}), or dnmf.open_source(data, row_axes={first}); dnmf.cp (dnmf cp; of paths and "
            "ranks structure='cp', --structure cp) finds a factor for each axis"
        )
    if isinstance(row_axes, Unfolding):
        row_axes = row_axes.rows_among(names)
    given = row_axes if isinstance(row_axes, (tuple, list)) else [row_axes]
    rows = tuple(_axis(address, each, lengths, names) for each in given)
    if len(set(rows)) < len(rows) or not rows or len(rows) >= len(lengths):
        raise InputError(
            f"{address}: row_axes={shown(row_axes)}: name each axis of the rows once, and leave one for the columns, "
            f"of {_listed(lengths, names)}"
        )
    return Unfolding(lengths, rows, names, tuple(coords))


def stored_unfolding(
    address: str, attributes: Mapping[str, Any], shape: tuple[int, int], row_axes: Any
) -> Unfolding | None:
    """Return which axes of an array a stored matrix was made of, by its attributes; None where they say nothing.

    Raises
    ------
    InputError
        They do not fit the matrix, or others are asked for as rows than make them.
    """
    said = attributes.get(STORED)
    if said is None:
        return None
    try:
        found = Unfolding.from_json(dict(said))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{address}: its attribute {STORED} is damaged; convert the array again") from error
    if found is None or found.matrix_shape != shape:
        raise InputError(f"{address}: its attribute {STORED} is of a matrix of another shape; convert the array again")
    as_it_is = row_axes is None or isinstance(row_axes, (WhereMore, Unfolding))
    as_it_is = as_it_is or row_axes in (LONGEST, (LONGEST,))
    if not as_it_is:
        asked = unfolding_of(address, found.shape, row_axes, found.dims)
        if asked is not None and asked.rows != found.rows:
            raise InputError(
                f"{address}: {found}, as it was converted; for row_axes={shown(row_axes)} convert the array again with "
                "these (dnmf convert IN OUT --row-axes AXES)"
            )
    return found


def _names(dims: Sequence[Any], count: int) -> tuple[str, ...]:
    """The names of axes where all have one of their own."""
    known = [each for each in dims if isinstance(each, str) and each]
    return tuple(known) if len(set(known)) == count else ()


def _axis(address: str, asked: Any, lengths: tuple[int, ...], names: tuple[str, ...]) -> int:
    if isinstance(asked, str) and asked in names:
        return names.index(asked)
    if isinstance(asked, str) and asked == LONGEST:
        return lengths.index(max(lengths))
    if isinstance(asked, str) and re.fullmatch("-?[0-9]+", asked):  # of the command line
        asked = int(asked)
    if is_whole(asked) and -len(lengths) <= asked < len(lengths):
        return int(asked) % len(lengths)
    raise InputError(f"{address}: row_axes: there is no axis {shown(asked)} among {_listed(lengths, names)}")


def _listed(lengths: Sequence[int], names: Sequence[str | int]) -> str:
    """Axes in words."""
    labels = names or range(len(lengths))
    return ", ".join(f"{label}: {length:,}" for label, length in zip(labels, lengths, strict=True))
