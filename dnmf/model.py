"""A finished factorization: the factors, how they were found, and what they say of other rows."""

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from dnmf import checkpoint
from dnmf.applied import Applied, chunk_rows_of
from dnmf.arguments import choice, is_whole, shown, whole
from dnmf.arrays import taken_as_array
from dnmf.course import Course
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.history import PassRecord
from dnmf.implicit import Implicit, implicit_of
from dnmf.labelled import Labelled, Pixels, restored_pixels
from dnmf.options import FitOptions
from dnmf.passes.rows_out import write_rows
from dnmf.passes.terms import NO_TERMS, Terms
from dnmf.penalty import Penalty
from dnmf.places import Place, absolute
from dnmf.predictions import Predicts
from dnmf.recommendations import Recommends
from dnmf.schemes.facts import ALL_OBSERVED
from dnmf.schemes.of_options import scheme_of
from dnmf.sources.as_fitted import EVERYTHING, Observed
from dnmf.sources.names import Carried
from dnmf.sources.stored_factor import AbsentFactor, StoredFactor
from dnmf.sources.unfolded import Unfolding
from dnmf.sources.views import EVERYTHING_SEEN, View
from dnmf.strengths import SIDES
from dnmf.tables import Table, summary_html, top_entries


@dataclass(frozen=True)
class Model(Applied, Predicts, Recommends, Course, Labelled):
    """``A ≈ W · diag(d) · H``: what :func:`dnmf.fit` returns and :func:`dnmf.load` reads.

    Attributes
    ----------
    d : ndarray (k,)
        The diagonal: the weight of each component, float64.
    H : ndarray (k, n)
        Rows sum to one (a dead component's is zero).
    h_scale : ndarray (k,)
        Rows are solved with ``diag(h_scale) H``; for a penalty in the objective that is its factor H.
    w_scale : ndarray (k,)
        What the solution of a row is divided by to become a row of W.
    terms : Terms
        What the penalty on W came to in numbers: subtracted from the right-hand sides, and added to the Gram matrix.
    units : (float, float)
        The strengths of L1 and L2 that leave nothing, where the penalty was given as a fraction of them.
    history : tuple of PassRecord
        One for each pass.
    options : FitOptions
        What the fit was asked for.
    stop_reason : str
        Why it ended.
    row_names, column_names : ndarray of text or None
        Names carried over from the data; those in a store are read when they are asked for.
    path : pathlib.Path or None
        The store the model lives in.
    address : str
        Where the data was, or what it was called.
    order : ndarray (k,) or None
        The column of `stored_W` that is each component, where it is not in the same place (:meth:`reordered`).
    inside : ndarray (k,) or None
        The component of the fit, inside, that each component is, where it is not in the same place: rows are solved in
        the order of the fit, so that those of the fit give W again.
    observed : Observed
        What was said of the entries of the data: `missing`, whether there were a mask and weights, and the weights of
        columns. Rows of other data are taken so too (:meth:`transform`).
    best_seed : int or None
        The seed of its start: that of the options, or with `restarts` the one whose fit was the best, ``fit(…,
        seed=best_seed)``. None where that was not noted.
    view : View
        What of the data the fit saw: its choice of rows and columns (`rows`, `columns`: numbers, in order), and what
        they were divided by (`row_scale`, `column_scale`); None each where that is everything, as it is.
    row_pixels, column_pixels : (int, int) or None
        Height and width of the image whose pixels the rows or columns are, where that is known (:meth:`with_pixels`).
    unfolding : Unfolding or None
        Which axes of the data rows and columns were made of, where it had more than two.
    """

    stored_W: Any
    d: np.ndarray
    H: np.ndarray
    h_scale: np.ndarray
    w_scale: np.ndarray
    options: FitOptions
    terms: Terms = NO_TERMS
    units: tuple[float, ...] = (1.0, 1.0)
    history: tuple[PassRecord, ...] = ()
    stop_reason: str = ""
    row_names: Carried = Carried()  # noqa: RUF009  a descriptor: each model has its own
    column_names: Carried = Carried()  # type: ignore[assignment]  # noqa: RUF009
    path: Place | None = None
    address: str = ""
    order: np.ndarray | None = None
    inside: np.ndarray | None = None
    observed: Observed = EVERYTHING
    best_seed: int | None = None
    view: View = EVERYTHING_SEEN
    row_pixels: Pixels | None = None
    column_pixels: Pixels | None = None
    unfolding: Unfolding | None = None

    def __repr__(self) -> str:
        m, n = self.shape
        return f"<dnmf.Model {m} × {n}, rank {self.rank}{', ' * bool(self.history)}{self.summary}>"

    def _repr_html_(self) -> str:
        return summary_html(self)

    @property
    def rank(self) -> int:
        """How many components, k."""
        return len(self.d)

    @property
    def penalty(self) -> Penalty:
        """The penalty of the fit, a fraction as the strengths it came to."""
        return self.options.penalty.in_units(self.units)

    @property
    def implicit_penalty(self) -> Implicit | None:
        """What the penalty amounts to for the rank-one terms, where it has a closed form; see ``dnmf/implicit.py``."""
        return implicit_of(self.penalty, self.short_axes)

    @property
    def short_axes(self) -> int:
        """Of how many factors the rows of H are products: one where they are what they are."""
        return 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix that was factorized."""
        return int(self.stored_W.shape[0]), int(self.H.shape[1])

    @property
    def W(self) -> Any:
        """The row factor as a dask array (m, k); columns sum to one. Read from disk only when computed."""
        from dnmf.sources.dask_array import as_dask_array

        stored = as_dask_array(self.stored_W, self.chunk_rows)
        return stored if self.order is None else stored[:, self.order]

    def read_W(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The row factor (m, k), or its rows `start:stop`, as one array in memory.

        Raises
        ------
        InputError
            A number of a row is no whole number.
        """
        for name, row in (("start", start), ("stop", stop)):
            if row is not None and not is_whole(row):
                raise InputError(f"{name}={shown(row)}: a whole number, or None")
        rows = np.asarray(self.stored_W[start:stop])
        return rows if self.order is None else np.take(rows, self.order, axis=1)

    @property
    def chunk_rows(self) -> int:
        """How many rows of W are best read at once: those of a stored chunk."""
        return chunk_rows_of(self.stored_W)

    def top(self, count: int = 10, side: str = "H", *, names: Any = None) -> Table:
        """Return the strongest columns (or rows) of each component with their names and shares.

        Parameters
        ----------
        count : int
            How many of each component, at most; entries that are zero are left out.
        side : {"H", "W"}
            ``"H"`` for columns, ``"W"`` for rows: W is read once, a chunk at a time.
        names : sequence or path, optional
            Of all columns (or rows), where the data had none, or other ones: labels, or a text file with one a line.

        Raises
        ------
        InputError
            There is no such side, `count` is not at least 1, or there are not as many names as columns (or rows).

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> model = dnmf.fit(np.outer([1.0, 2], [3.0, 0, 1]), rank=1, column_names=["a", "b", "c"])
        >>> model.top(2).names()
        {0: ['a', 'c']}
        >>> model.top(1, names=["x", "y", "z"]).names()
        {0: ['x']}
        """
        count = whole("count", count, least=1)
        if choice("side", side, SIDES) == "H":
            named = self.with_names(column_names=names)
            called = named.joined_labels(side) or named.column_names
            return Table(tuple(top_entries([(0, self.H)], called, count)), "column")
        named, starts = self.with_names(row_names=names), range(0, self.shape[0], self.chunk_rows)
        blocks = ((start, self.read_W(start, start + self.chunk_rows).T) for start in starts)
        return Table(tuple(top_entries(blocks, named.joined_labels(side) or named.row_names, count)), "row")

    def strongest(self, count: int = 10, side: str = "H") -> list[Table]:
        """Return the tables that say what components are made of: here that of :meth:`top` alone."""
        return [self.top(count, side)]

    def without_W(self) -> "Model":
        """The same model without W and names of rows that lie in this process; a W in a store is its path anyway."""
        if not isinstance(self.stored_W, np.ndarray):
            return self
        return self._with(stored_W=AbsentFactor(self.shape[0], self.rank), row_names=None)

    def save(self, path: str | Path) -> "Model":
        """Write the model to a new store and return it as it is there.

        Raises
        ------
        CheckpointError
            The place is taken or cannot be written; nothing of the model is left there.
        """
        with checkpoint.fresh_store(path, "model") as store:
            saved = self.with_W_in(store.path)._with(path=store.path)
            store.commit(max(1, len(self.history)), saved.record(), saved.arrays())
            return Model.restore(checkpoint.read_latest(store.path), store.path)

    def with_W_in(self, folder: Place) -> "Model":
        """The same model with W copied, chunk by chunk, to a new Zarr array in `folder`."""
        target, shape = folder / f"W-{uuid.uuid4().hex[:12]}.zarr", (self.shape[0], self.rank)
        write_rows(target, shape, self.chunk_rows, self.options.dtype, self.read_W)
        return self._with(stored_W=StoredFactor(target), order=None)

    def reordered(self, order: Any) -> "Model":
        """The same model with its components in another order; W is not read, its columns are taken as they come.

        The result lives in no store (`path` is None) until it is saved.

        Parameters
        ----------
        order : array of int (k,)
            The component of this model for each of the new one: a permutation.

        Raises
        ------
        InputError
            `order` is not a permutation of all components.
        """
        with taken_as_array("order", order):
            order, own = np.asarray(order), np.arange(self.rank)
        if order.dtype.kind not in "ui" or not np.array_equal(np.sort(order, axis=None), own) or order.ndim != 1:
            raise InputError(f"order={order.tolist()}: give each component, 0 to {self.rank - 1}, once")
        if np.array_equal(order, own):
            return self
        held = scheme_of(self.options, ALL_OBSERVED).given_columns
        if not np.array_equal(order[:held], own[:held]):
            raise InputError(f"order={order.tolist()}: the first {held} components have their W given and stay first")
        stored = order.astype(np.intp) if self.order is None else self.order[order]
        return self._with(
            d=self.d[order], H=self.H[order], h_scale=self.h_scale[order], w_scale=self.w_scale[order], path=None,
            order=None if np.array_equal(stored, own) else stored,
            inside=order.astype(np.intp) if self.inside is None else self.inside[order],
        )  # fmt: skip

    def _transposed(self) -> "Model":
        """The model with W and H exchanged, both in memory; how rows are solved stays as it is."""
        H = np.ascontiguousarray(self.read_W().T)
        names = self.held_names()
        return self._with(
            stored_W=np.ascontiguousarray(self.H.T), H=H, row_names=names["column_names"],
            column_names=names["row_names"], order=None, row_pixels=self.column_pixels, column_pixels=self.row_pixels,
        )  # fmt: skip

    def _with(self, **changes: Any) -> "Model":
        """The same model with other values; names that were not read yet stay so."""
        return replace(self, **{**self.held_names(), **changes})

    def held_names(self) -> dict[str, Any]:
        """The names by attribute, those that were not read yet as what reads them."""
        return {name: vars(Model)[name].held(self) for name in ("row_names", "column_names")}

    @property
    def W_name(self) -> str:
        """Name of the array of W in the model's store; empty while W is in memory, or stored in another order."""
        is_stored = isinstance(self.stored_W, StoredFactor) and self.order is None
        return self.stored_W.path.name if is_stored else ""

    def record(self) -> dict[str, Any]:
        """The model as JSON values, its arrays apart."""
        return {
            "status": "done",
            "address": self.address,
            "W": self.W_name,
            "options": self.options.to_json(),
            "history": [record.to_json() for record in self.history],
            "stop_reason": self.stop_reason,
            "observed": self.observed.to_json(),
            "best_seed": self.best_seed,
            "pixels": [self.row_pixels, self.column_pixels],
            "unfolding": self.unfolding.to_json() if self.unfolding else {},
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the model by name, W apart."""
        named = {"row_names": self.row_names, "column_names": self.column_names}
        kept = {name: values for name, values in named.items() if values is not None}
        scales = {"h_scale": self.h_scale, "w_scale": self.w_scale, "terms": np.array(self.terms),
                  "units": np.array(self.units)}  # fmt: skip
        others = {"inside": self.inside, "column_weights": self.observed.column_weights}
        return {"d": self.d, "H": self.H, **scales, **kept, **{n: v for n, v in others.items() if v is not None},
                **self.view.arrays()}  # fmt: skip

    @classmethod
    def restore(cls, generation: checkpoint.Generation, path: Place) -> Self:
        """The model that a finished generation of the store at `path` describes.

        Raises
        ------
        CheckpointError
            Its W is missing or not complete.
        """
        path = absolute(path)  # stays where it is when the working directory changes
        record, arrays = generation.record, generation.arrays
        W = StoredFactor(path / record["W"])
        if absent := W.count_absent():
            raise CheckpointError(f"{W.path}: {absent} chunks of W are missing; was a part of the store deleted?")
        return cls.described(W, record, {**arrays, **generation.texts}, path)

    @classmethod
    def described(cls, W: Any, record: dict[str, Any], arrays: dict[str, Any], path: Place | None = None) -> Self:
        """The model with this W that :meth:`record` and :meth:`arrays` described."""
        said = record.get("observed", record.get("run", {}).get("observed", {}))
        of_rows, of_columns = restored_pixels(record.get("pixels"))
        return cls(
            W, arrays["d"], arrays["H"], arrays["h_scale"], arrays["w_scale"],
            FitOptions.from_json(record["options"]), Terms.restore(arrays["terms"]), tuple(arrays["units"].tolist()),
            tuple(PassRecord.from_json(entry) for entry in record["history"]),
            record["stop_reason"], arrays.get("row_names"), arrays.get("column_names"), path, record.get("address", ""),
            inside=arrays.get("inside"), observed=Observed.restore(said, arrays.get("column_weights")),
            best_seed=record.get("best_seed"), view=View.restore(arrays),
            row_pixels=of_rows, column_pixels=of_columns, unfolding=Unfolding.from_json(record.get("unfolding")),
        )  # fmt: skip
