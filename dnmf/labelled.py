"""What the rows and columns of a model are: their names, and the shape of the images that they are the pixels of."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from dnmf.arguments import shown, whole
from dnmf.errors import InputError
from dnmf.sources.columns import twice
from dnmf.sources.joined_labels import JoinedLabels, joined_labels
from dnmf.sources.label_values import coordinates_of
from dnmf.sources.name_files import given_names
from dnmf.sources.unfolded import Unfolding
from dnmf.sources.views import View

Pixels = tuple[int, int]
"""Height and width of an image whose pixels, line after line, the entries of a component are."""

Labelling = TypeVar("Labelling", bound=Any)


class Labelled:
    """The part of :class:`dnmf.Model` that says what rows and columns are."""

    shape: Any

    @property
    def lengths(self) -> dict[str, int]:
        """How many rows and columns there are; of a CP the length of each of its factors by the name of the axis."""
        return dict(zip((self.long_axis, "columns"), self.shape, strict=True))

    @property
    def long_axis(self) -> str:
        """What the rows of W lie along: the rows of a matrix."""
        return "rows"

    def with_names(self: Labelling, *, row_names: Any = None, column_names: Any = None) -> Labelling:
        """Return the same model with names given afterwards; a store that it lives in stays as it is.

        Parameters
        ----------
        row_names, column_names : sequence or path, optional
            Labels, or a text file with one name a line; where none are given the model keeps those it has.

        Raises
        ------
        InputError
            There are not as many names as rows or columns.
        """
        given = (("row", row_names), ("column", column_names))
        named = {f"{what}_names": given_names(names, count, f"{what}s")
                 for (what, names), count in zip(given, self.shape, strict=True) if names is not None}  # fmt: skip
        found: Labelling = self._with(**named) if named else self
        return found

    def with_pixels(
        self: Labelling, *, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None
    ) -> Labelling:
        """Return the same model that knows that its rows or columns are pixels: its pictures are then images.

        It is saved with it (:meth:`save`); a store that the model lives in stays as it is.

        Parameters
        ----------
        rows, columns : (int, int), optional
            Height and width of the image whose pixels they are, line after line (``image.ravel()``); where none is
            given the model keeps what it knows.

        Raises
        ------
        InputError
            It is no height and width, or their product is not how many rows or columns there are.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> frames = np.random.default_rng(0).random((20, 4, 6))
        >>> model = dnmf.fit(frames.reshape(20, -1), rank=2).with_pixels(columns=(4, 6))
        >>> model.column_pixels
        (4, 6)
        """
        given = (("row", rows), ("column", columns))
        known = {f"{what}_pixels": checked_pixels(f"{what}s", pixels, count, what)
                 for (what, pixels), count in zip(given, self.shape, strict=True) if pixels is not None}  # fmt: skip
        found: Labelling = self._with(**known) if known else self
        return found

    def joined_labels(self: Any, side: str) -> JoinedLabels | None:
        """Return names of columns (``"H"``) or rows (``"W"``) by the labels of the several axes that they are made of.

        None where they are one axis, have names of their own, were chosen, or none of their axes has labels.
        """
        named, seen = (self.column_names, self.view.columns) if side == "H" else (self.row_names, self.view.rows)
        if self.unfolding is None or named is not None or seen is not None:
            return None
        return joined_labels(self.unfolding, self.unfolding.columns if side == "H" else self.unfolding.rows)

    def to_xarray(self: Any) -> Any:
        """Return the factors as an ``xarray.Dataset``, with the axes and labels of the data.

        ``W`` lies over the axes of the rows and ``component``, ``H`` over ``component`` and those of the columns; they
        and ``d`` multiply as in the model. A W on disk is read when it is asked for. Axes without a name are called
        ``axis_0``, …, those of a matrix ``row`` and ``column``. Labels that all are numbers, dates or spans of time are
        such coordinates.

        Raises
        ------
        InputError
            xarray is not installed, or an axis is called as something else in the dataset is.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> cube = np.random.default_rng(0).random((20, 4, 6))
        >>> dict(dnmf.fit(cube, rank=2, row_axes=0).to_xarray().sizes)
        {'axis_0': 20, 'component': 2, 'axis_1': 4, 'axis_2': 6}
        """
        try:
            import xarray
        except ImportError as error:
            raise InputError("to_xarray needs xarray: pip install xarray") from error
        (of_rows, of_columns), k = axes_of(self.unfolding, self.shape, self.view), self.rank
        refuse_names_taken_twice([*of_rows, *of_columns, "component", "W", "d", "H"])
        labels = {**labels_along(of_rows, self.row_names), **labels_along(of_columns, self.column_names)}
        if self.unfolding and self.unfolding.coords:
            known = zip(self.unfolding.called, self.unfolding.coords, strict=True)
            labels |= {dim: each for dim, each in known if each is not None and dim in {**of_rows, **of_columns}}
        return xarray.Dataset(
            {
                "W": ((*of_rows, "component"), self.W.reshape((*of_rows.values(), k))),
                "d": ("component", self.d),
                "H": (("component", *of_columns), self.H.reshape((k, *of_columns.values()))),
            },
            coords={dim: coordinates_of(each) for dim, each in labels.items()},
        )


def refuse_names_taken_twice(names: list[str]) -> None:
    """Refuse names of axes and variables of a dataset of which two are the same.

    Raises
    ------
    InputError
        There are such.
    """
    again = twice(names)
    if again:
        raise InputError(f"to_xarray: {again[0]!r} would be an axis and a part of the model, or two; rename the axis")


def axes_of(unfolding: Unfolding | None, shape: tuple[int, int], view: View) -> tuple[dict[str, int], dict[str, int]]:
    """Return the lengths of the axes of rows and of columns by name: one axis of a matrix, and of some of several."""
    rows, columns = {"row": shape[0]}, {"column": shape[1]}
    if unfolding is None:
        return rows, columns
    all_rows, all_columns = (
        {unfolding.called[axis]: unfolding.shape[axis] for axis in axes} for axes in (unfolding.rows, unfolding.columns)
    )
    return (all_rows if view.rows is None else rows), (all_columns if view.columns is None else columns)


def labels_along(axes: dict[str, int], names: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the names of rows or columns that are one axis, by its name."""
    return {} if names is None or len(axes) > 1 else {next(iter(axes)): names}


def restored_pixels(said: Any) -> tuple[Pixels | None, Pixels | None]:
    """Return what the record of a model says of its rows and of its columns; those of before say nothing."""
    of_rows, of_columns = ((None if each is None else (each[0], each[1])) for each in said or (None, None))
    return of_rows, of_columns


def checked_pixels(name: str, pixels: Any, count: int, what: str) -> Pixels:
    """Return the height and width of images.

    Parameters
    ----------
    name : str
        What they were given as, for messages.
    pixels : (int, int)
        What was given.
    count : int
        How many rows or columns there are.
    what : {"row", "column"}
        Which they are.

    Raises
    ------
    InputError
        They are not those of so many.
    """
    pair = tuple(pixels) if isinstance(pixels, (tuple, list)) else ()
    if len(pair) != 2:
        raise InputError(f"{name}={shown(pixels)}: give (height, width) of the images")
    height, width = (whole(name, length, least=1) for length in pair)
    if height * width != count:
        raise InputError(f"{name}=({height}, {width}): {height * width} pixels, but there are {count} {what}s")
    return height, width
