"""A finished nonnegative CP: a model whose rows of H are products, with one factor for each axis of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.arguments import is_whole, shown, whole
from dnmf.array_places import rows_and_columns
from dnmf.errors import InputError
from dnmf.labelled import refuse_names_taken_twice
from dnmf.model import Model
from dnmf.options import CP, FitOptions
from dnmf.places import Place
from dnmf.schemes.modes import vectors_of
from dnmf.schemes.shares import least_scale, penalty_at_least
from dnmf.sources.label_values import coordinates_of
from dnmf.sources.name_files import given_names
from dnmf.sources.unfolded import Unfolding
from dnmf.strengths import SIDES
from dnmf.tables import Table, summary_of, top_entries


@dataclass(frozen=True)
class CPModel(Model):
    """``A ≈ Σ_q weights_q · w_q ∘ x_q ∘ y_q ∘ …``: what :func:`dnmf.cp` returns and :func:`dnmf.load` reads.

    It is the :class:`Model` of the unfolded array too, ``W · diag(d) · H``: the axis that makes its rows has the factor
    W, and each row of H is the product of the vectors of all other axes. So it has what a model has: `history`,
    `transform` of new slabs, `predict`, `save`.
    """

    def __repr__(self) -> str:
        sizes = " × ".join(str(length) for length in self.lengths.values())
        return f"<dnmf.CPModel {sizes}, rank {self.rank}{', ' * bool(self.history)}{self.summary}>"

    def _repr_html_(self) -> str:
        sizes = " × ".join(f"{length:,} {name}" for name, length in self.lengths.items())
        return summary_of(f"dnmf.CPModel {sizes}", self)

    @property
    def _unfolded(self) -> Unfolding:
        assert self.unfolding is not None, "the data of a CP model has more than two axes"
        return self.unfolding

    @property
    def short_axes(self) -> int:
        """Of how many factors the rows of H are products."""
        return len(self._unfolded.columns)

    @property
    def weights(self) -> np.ndarray:
        """What each component sums to over all entries, (k,): its vectors sum to one."""
        return self.d

    @property
    def lengths(self) -> dict[str, int]:
        """The length of each factor by the name of its axis, in the order of the axes of the data.

        Axes without a name are called ``axis_0``, …; several that make the rows together have one factor, named
        ``"y, x"``.
        """
        return self._unfolded.lengths_of(self.shape[0])

    @property
    def long_axis(self) -> str:
        """The name of the axis, or of the axes, that the rows of W lie along."""
        return self._unfolded.long_axis

    @cached_property
    def _short(self) -> dict[str, np.ndarray]:
        vectors = vectors_of(self.H, self._unfolded.of_columns)
        called = (self._unfolded.called[axis] for axis in self._unfolded.columns)
        return {name: X.T for name, X in zip(called, vectors, strict=True)}

    @property
    def factors(self) -> dict[str, np.ndarray]:
        """The factor (length, k) of each axis by its name, in the order of :attr:`lengths`: columns sum to one.

        That of the long axis is read into memory; ``W`` is it as a dask array.
        """
        return {name: self.factor(name) for name in self.lengths}

    def factor(self, axis: str | int) -> np.ndarray:
        """Return the factor (length, k) of an axis, by its name or its number among :attr:`lengths`.

        Raises
        ------
        InputError
            There is no such axis.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> cube = np.einsum("i,j,k->ijk", [1.0, 2, 3, 4], [1.0, 3], [2.0, 2])
        >>> dnmf.cp(cube, rank=1).factor(1).round(3).tolist()
        [[0.25], [0.75]]
        """
        found = self.axis_named(axis)
        return self.read_W() if found == self.long_axis else self._short[found]

    @property
    def indices_of_entry(self) -> tuple[int, ...]:
        """How many indices say which entry is meant: one for each axis, or a row and a column of the unfolded array."""
        return len(self._unfolded.shape), *super().indices_of_entry

    def predict(self, rows: Any, columns: Any = None, *more: Any) -> np.ndarray:
        """Return what the model says of entries, in float64: one index, or array of these, for each axis of the data.

        Parameters
        ----------
        rows, columns, *more : array of int, or of labels
            The places along each axis, in the order of the axes: ``predict(i, j, k)``; of shapes that go together as in
            numpy. Two alone are rows and columns of the unfolded array, as of a matrix.

        Raises
        ------
        InputError
            There is not one for each axis, one is not there, or their shapes do not go together.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> cube = np.einsum("i,j,k->ijk", [1.0, 2, 3, 4], [1.0, 3], [2.0, 2])
        >>> dnmf.cp(cube, rank=1).predict([3, 0], [1, 0], [0, 0]).round(3).tolist()
        [24.0, 2.0]
        """
        given = [rows, *([] if columns is None and not more else [columns]), *more]
        if len(given) not in self.indices_of_entry:
            raise InputError(
                f"predict: {len(given)} of the places are given; give one, or an array, for each of "
                f"{', '.join(self._unfolded.called)}, or two: the rows and columns of the unfolded array"
            )
        return super().predict(*self.places_of(given))

    def places_of(self, given: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of rows and columns of the unfolded array, given as :meth:`predict` has it.

        Raises
        ------
        InputError
            One is not there, or their shapes do not go together.
        """
        if len(given) == len(SIDES):
            return super().places_of(given)
        known = zip(self._unfolded.called, self._unfolded.coords, strict=False)
        labels = {**{name: each for name, each in known if name != self.long_axis}, **self._labels()}
        return rows_and_columns(self._unfolded, given, labels, self.shape[0], self.view.rows)

    def scaled_factors(self) -> dict[str, np.ndarray]:
        """Return the factors with the scale of the components in them: their products are the model, without weights.

        Under a penalty they are those of its objective, each component on the scale at which it is penalized least;
        without one all vectors of a component have the same sum.
        """
        factors = self.factors
        t = least_scale(self.penalty, [X.T for X in factors.values()], self._long, self.d)
        return {name: X * of for (name, X), of in zip(factors.items(), t, strict=True)}

    def penalty_of_components(self, squares: np.ndarray) -> np.ndarray:
        """Return what each component (k,) adds to the penalty, on the scale at which that is least.

        Parameters
        ----------
        squares : ndarray (k,)
            The squared norms of the columns of W, of which only the sum is known: one.

        Raises
        ------
        InputError
            There is no penalty.
        """
        short = [X.T for X in self._short.values()]
        return penalty_at_least(self.penalty, ((self.d > 0).astype(np.float64), squares), short, self.d)

    @property
    def _long(self) -> int:
        """Which of the factors is that of the long axis."""
        return list(self.lengths).index(self.long_axis)

    def axis_named(self, axis: str | int) -> str:
        """Return the name of an axis that has a factor, by its name or its number among :attr:`lengths`.

        Raises
        ------
        InputError
            There is no such axis.
        """
        names = list(self.lengths)
        numbered = is_whole(axis) and -len(names) <= int(axis) < len(names)
        found = names[int(axis)] if numbered else axis
        if not isinstance(found, str) or found not in names:
            raise InputError(f"axis={shown(axis)}: there is a factor for each of {', '.join(map(repr, names))}")
        return found

    def top(self, count: int = 10, side: str | int = "H", *, names: Any = None) -> Table:
        """Return the strongest entries of each component along an axis, with their labels and shares.

        Parameters
        ----------
        count : int
            How many of each component, at most; entries that are zero are left out.
        side : str or int
            The axis, by name or number; ``"W"`` is the long one, and ``"H"`` the columns of the unfolded array.
        names : sequence or path, optional
            Labels along the axis, where the data had none, or other ones.

        Raises
        ------
        InputError
            There is no such axis, `count` is not at least 1, or there are not as many names as entries.
        """
        if side in SIDES and side not in self.lengths:
            return super().top(count, side, names=names)
        name = self.axis_named(side)
        if name == self.long_axis:  # which may be longer than memory
            return replace(super().top(count, "W", names=names), what=name)
        factor = self.factor(name)
        labels: Any = self.labels_along(name) if names is None else given_names(names, len(factor), f"labels of {name}")
        return Table(tuple(top_entries([(0, factor.T)], labels, whole("count", count, least=1))), name)

    def strongest(self, count: int = 10, side: str = "H") -> list[Table]:
        """Return the tables of :meth:`top` of all short axes; with ``"W"``, that of the long one."""
        return [self.top(count, self.long_axis)] if side == "W" else [self.top(count, name) for name in self._short]

    def to_tensorly(self) -> Any:
        """Return weights and factors as tensorly's ``CPTensor``, the factors in the order of the axes of the data.

        Raises
        ------
        InputError
            tensorly is not installed.
        """
        try:
            from tensorly.cp_tensor import CPTensor
        except ImportError as error:
            raise InputError("to_tensorly needs tensorly: pip install tensorly") from error
        return CPTensor((self.weights, list(self.factors.values())))

    def to_xarray(self) -> Any:
        """Return an ``xarray.Dataset`` of ``weights`` and, for each axis, ``factor_NAME`` over it and ``component``.

        The factor of two long axes together is ``factor_y_x`` over both of them, unless rows were chosen. Labels that
        all are numbers, dates or spans of time are such coordinates. A W on disk is read when it is asked for.

        Raises
        ------
        InputError
            xarray is not installed, or an axis is called as something else in the dataset is.
        """
        try:
            import xarray
        except ImportError as error:
            raise InputError("to_xarray needs xarray: pip install xarray") from error
        of_rows, labels = self._axes_of_rows, self._labels()
        W = self.W.reshape((*of_rows.values(), self.rank)) if len(of_rows) > 1 else self.W
        factors: dict[str, Any] = {name: ((name, "component"), self.factor(name)) for name in self._short}
        factors[self.long_axis] = ((*of_rows, "component"), W)
        called = {name: "factor_" + "_".join(of_rows if name == self.long_axis else [name]) for name in self.lengths}
        axes = [*of_rows, *self._short]
        refuse_names_taken_twice([*axes, "component", "weights", *called.values()])
        variables = {called[name]: factors[name] for name in self.lengths}
        return xarray.Dataset(
            {"weights": ("component", self.weights), **variables},
            coords={name: coordinates_of(labels[name]) for name in axes if name in labels},
        )

    @property
    def _axes_of_rows(self) -> dict[str, int]:
        """The lengths of the axes that make the rows by name; of rows that were chosen those of one."""
        if self.view.rows is not None:
            return {self.long_axis: self.shape[0]}
        return {self._unfolded.called[axis]: self._unfolded.shape[axis] for axis in self._unfolded.rows}

    def save(self, path: str | Path) -> "CPModel":
        """Write the model to a new store and return it as it is there; see :meth:`Model.save`."""
        store = super().save(path).path
        assert store is not None
        return CPModel.restore(checkpoint.read_latest(store), store)

    def with_labels(self, labels: Mapping[str, Any]) -> "CPModel":
        """Return the same model with labels along some of its axes, which its tables and pictures show.

        They are saved with it (:meth:`save`), of axes of up to 10,000 entries; a store that it lives in stays as it is.

        Parameters
        ----------
        labels : mapping of str to sequence or path
            By the name of an axis: labels, or a text file with one a line. Of axes that are the long one together by
            the name of each, or of both (``"y, x"``) for labels of all their entries.

        Raises
        ------
        InputError
            There is no such axis, or there are not as many labels as entries.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> model = dnmf.cp(np.einsum("i,j,k->ijk", [1.0, 2, 3], [1.0, 3], [2.0, 2]), rank=1)
        >>> model.with_labels({"axis_1": ["low", "high"]}).top(1, "axis_1").names()
        {0: ['high']}
        """
        if not isinstance(labels, Mapping):
            raise InputError(f"labels: give those of axes by the names of these, not a {type(labels).__name__}")
        unfolding = self._unfolded
        coords = list(unfolding.coords) or [None] * len(unfolding.shape)
        rows = self.row_names
        for axis, given in labels.items():
            name = axis if axis in self._axes_of_rows else self.axis_named(axis)
            known = given_names(given, {**self._axes_of_rows, **self.lengths}[name], f"labels of {name}")
            if name == self.long_axis:
                rows = known
            else:
                coords[unfolding.called.index(name)] = known
        found: Any = self._with(unfolding=replace(unfolding, coords=tuple(coords)), row_names=rows)
        return found

    def labels_along(self, axis: str | int) -> np.ndarray | None:
        """Return the labels along an axis that has a factor; None where there are none.

        Raises
        ------
        InputError
            There is no such axis.
        """
        labels = self._labels().get(self.axis_named(axis))
        return None if labels is None else np.asarray(labels.tolist())

    def _labels(self) -> dict[str, np.ndarray]:
        """The labels along the axes that have some, each of those that are the long one together among them."""
        known = zip(self._unfolded.called, self._unfolded.coords, strict=False)
        axes = {*self._short, *(self._axes_of_rows if self.view.rows is None else ())}  # of chosen rows there are names
        labels = {name: each for name, each in known if each is not None and name in axes}
        return labels if self.row_names is None else {**labels, self.long_axis: self.row_names}


def kind_of(options: FitOptions) -> type[Model]:
    """Return which model a fit with these options has."""
    return CPModel if options.structure == CP else Model


def restored(generation: checkpoint.Generation, path: Place) -> Model:
    """Return the model that a finished generation of a store describes; see :meth:`Model.restore`."""
    return kind_of(FitOptions.from_json(generation.record["options"])).restore(generation, path)
