"""A finished factorization: the factors, how they were found, and what they say of other rows."""

import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.apply import Fixed, by_rows, given_columns, solve_other_rows
from dnmf.fitting.events import PassRecord
from dnmf.implicit import Implicit, implicit_of
from dnmf.options import FitOptions, parse_bytes
from dnmf.passes.choose import choose_executor
from dnmf.passes.problem import NO_TERMS, Terms
from dnmf.passes.rows_out import create_rows_array, missing_chunks, open_for_writing
from dnmf.penalty import Penalty
from dnmf.sources import Source, open_source
from dnmf.sources.names import refuse_other_names

W_CHUNK_ROWS = 65536
MOST_NAMES = 5_000_000


@dataclass(frozen=True)
class Model:
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
    row_names, column_names : ndarray of str or None
        Names carried over from the data.
    path : pathlib.Path or None
        The store the model lives in.
    address : str
        Where the data was, or what it was called.
    order : ndarray (k,) or None
        The column of `stored_W` that is each component, where it is not in the same place (:meth:`reordered`).
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
    row_names: np.ndarray | None = None
    column_names: np.ndarray | None = None
    path: Path | None = None
    address: str = ""
    order: np.ndarray | None = None

    def __repr__(self) -> str:
        m, n = self.shape
        return (
            f"<dnmf.Model {m} × {n}, rank {self.rank}, relative error {self.relative_error:.4f}, "
            f"{self.reads:.1f} reads>"
        )

    @property
    def rank(self) -> int:
        """How many components, k."""
        return len(self.d)

    @property
    def penalty(self) -> Penalty:
        """The penalty of the fit, a fraction as the strengths it came to."""
        penalty = self.options.penalty
        return penalty.times(self.units) if penalty.scale == "fraction" else penalty

    @property
    def implicit_penalty(self) -> Implicit | None:
        """What the penalty amounts to for the rank-one terms, where it has a closed form; see :mod:`dnmf.implicit`."""
        return implicit_of(self.penalty)

    @property
    def alive(self) -> int:
        """How many components are not zero."""
        return self.history[-1].alive

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
        """The row factor (m, k), or its rows `start:stop`, as one array in memory."""
        rows = np.asarray(self.stored_W[start:stop])
        return rows if self.order is None else np.take(rows, self.order, axis=1)

    @property
    def chunk_rows(self) -> int:
        """How many rows of W are best read at once: those of a stored chunk."""
        return _chunk_rows(self.stored_W)

    @property
    def relative_error(self) -> float:
        """``‖A − W diag(d) H‖ / ‖A‖``."""
        return self.history[-1].relative_error

    @property
    def reads(self) -> float:
        """How often the data was read, in multiples of its size, the start included."""
        return self.history[-1].reads

    def transform(self, data: Any, *, fixed_W: Any = None, out: str | Path | None = None, client: Any = None,
                  memory_limit: Any = None) -> Any:  # fmt: skip
        """Return the rows of W for other rows of data, `H` and `d` kept; the training rows give W again.

        Each row is ``argmin_{w ≥ 0} ½‖a − w diag(d) H‖²`` plus the fit's penalty on W.

        Parameters
        ----------
        data : anything :func:`dnmf.open_source` takes
            (rows, n) with the columns of the fit.
        fixed_W : array (rows, f), optional
            The first columns of W of these rows, where the fit was given those of its own (Constraints).
        out : path, optional
            Where the workers write the result as a Zarr array; in memory otherwise.
        client, memory_limit
            As in :func:`dnmf.fit`.

        Returns
        -------
        dask array (rows, k)

        Raises
        ------
        InputError
            The columns are not those of the fit, or the data cannot be used.
        CheckpointError
            There is something at `out` already.
        """
        from dnmf.sources.dask_array import as_dask_array

        values = self.solve(data, fixed_W=fixed_W, out=out, client=client, memory_limit=memory_limit)
        return as_dask_array(values, _chunk_rows(values))

    def solve(self, data: Any, *, fixed_W: Any = None, out: str | Path | None = None, client: Any = None,
              memory_limit: Any = None) -> Any:  # fmt: skip
        """Return what :meth:`transform` returns as an ndarray, or as the Zarr array at `out`."""
        if "://" in str(out):
            raise InputError(f"{out}: the result is written to a local or shared directory, not to a URL")
        if out is not None and Path(out).exists():
            raise CheckpointError(f"{out}: exists already; choose another place for the result")
        source = self.open_rows(data)
        place = None if out is None else str(Path(out).absolute())
        with closing(choose_executor(client, source)) as executor:
            return solve_other_rows(
                source, executor, self.options, fixed=self.fixed(source, fixed_W), out=place,
                memory_bytes=parse_bytes(memory_limit),
            )  # fmt: skip

    def open_rows(self, data: Any) -> Source:
        """Return data that has the columns of the fit as a source of its rows.

        Raises
        ------
        InputError
            The columns are not those of the fit, the data cannot be used, or its rows cannot be read one by one.
        """
        source = open_source(data)
        self._check_columns(source)
        return by_rows(source)

    def fixed(self, source: Source, fixed_W: Any = None) -> Fixed:
        """Return what the rows of `source` are solved with; a component that is dead in W takes no part.

        Raises
        ------
        InputError
            Columns of W that were given to the fit are not given here, or have the wrong shape.
        """
        scale = self.w_scale[: self.options.limits.held[0]]
        given = given_columns(source, fixed_W, scale, self.options.dtype, signed=self.options.limits.is_free("W"))
        # Other rows may have what those of the fit had not.
        given_H = np.arange(self.rank) < self.options.limits.held[1]
        factor = np.where((self.w_scale > 0) | given_H, self.h_scale, 0.0)[:, None] * self.H.astype(np.float64)
        return Fixed(factor, self.terms, self.row_scale, given)

    @property
    def weights(self) -> np.ndarray:
        """By how much the diagonal differs from that of the factors as rows are solved with them (k,)."""
        scale = self.row_scale * self.h_scale
        return np.divide(self.d, scale, out=np.zeros_like(self.d), where=scale > 0)

    @property
    def row_scale(self) -> np.ndarray:
        """``W diag(row_scale)`` and ``diag(h_scale) H`` are the factors as they were solved for (k,)."""
        given = np.arange(self.rank) < self.options.limits.held[0]
        return np.where(given, 1.0, self.w_scale)

    def _check_columns(self, source: Source) -> None:
        columns = source.shape[0] if source.transposed else source.shape[1]
        if columns != self.shape[1]:
            raise InputError(f"{source.address}: has {columns} columns, the model was fitted on {self.shape[1]}")
        names = source.row_names() if source.transposed else source.column_names()
        refuse_other_names(source.address, names, self.column_names)

    def save(self, path: str | Path) -> "Model":
        """Write the model to a new store and return it as it is there.

        Raises
        ------
        CheckpointError
            The place is taken or cannot be written.
        """
        with checkpoint.Store(path) as store:
            if checkpoint.exists(path):
                raise CheckpointError(f"{path}: holds a run already; choose another place for the model")
            saved = replace(self.with_W_in(store.path), path=store.path)
            store.commit(max(1, len(self.history)), saved.record(), saved.arrays())
            return Model.restore(checkpoint.read_latest(store.path), store.path)

    def with_W_in(self, folder: Path) -> "Model":
        """The same model with W copied, chunk by chunk, to a new Zarr array in `folder`."""
        import zarr

        target = folder / f"W-{uuid.uuid4().hex[:12]}.zarr"
        create_rows_array(str(target), (self.shape[0], self.rank), self.chunk_rows, self.options.dtype)
        array = open_for_writing(str(target))
        for start in range(0, array.shape[0], array.chunks[0]):
            stop = min(start + array.chunks[0], array.shape[0])
            array[start:stop] = self.read_W(start, stop)
        return replace(self, stored_W=zarr.open_array(str(target), mode="r"), order=None)

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
        order, own = np.asarray(order), np.arange(self.rank)
        if order.dtype.kind not in "ui" or not np.array_equal(np.sort(order, axis=None), own) or order.ndim != 1:
            raise InputError(f"order={order.tolist()}: give each component, 0 to {self.rank - 1}, once")
        if np.array_equal(order, own):
            return self
        held = self.options.limits.held[0]
        if not np.array_equal(order[:held], own[:held]):
            raise InputError(f"order={order.tolist()}: the first {held} components have their W given and stay first")
        stored = order.astype(np.intp) if self.order is None else self.order[order]
        return replace(
            self, d=self.d[order], H=self.H[order], h_scale=self.h_scale[order], w_scale=self.w_scale[order], path=None,
            order=None if np.array_equal(stored, own) else stored,
        )  # fmt: skip

    def transposed(self) -> "Model":
        """The model with W and H exchanged, both in memory; how rows are solved stays as it is."""
        H = np.ascontiguousarray(self.read_W().T)
        return replace(
            self, stored_W=np.ascontiguousarray(self.H.T), H=H, row_names=self.column_names,
            column_names=self.row_names, order=None,
        )  # fmt: skip

    @property
    def W_name(self) -> str:
        """Name of the array of W in the model's store; empty while W is in memory, or stored in another order."""
        if isinstance(self.stored_W, np.ndarray) or self.order is not None:
            return ""
        return Path(self.stored_W.store.root).name

    def record(self) -> dict[str, Any]:
        """The model as JSON values, its arrays apart."""
        return {
            "status": "done",
            "address": self.address,
            "W": self.W_name,
            "options": self.options.to_json(),
            "history": [record.to_json() for record in self.history],
            "stop_reason": self.stop_reason,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the model by name, W apart."""
        named = {"row_names": self.row_names, "column_names": self.column_names}
        kept = {name: values for name, values in named.items() if values is not None and len(values) <= MOST_NAMES}
        scales = {"h_scale": self.h_scale, "w_scale": self.w_scale, "terms": np.array(self.terms),
                  "units": np.array(self.units)}  # fmt: skip
        return {"d": self.d, "H": self.H, **scales, **kept}

    @classmethod
    def restore(cls, generation: checkpoint.Generation, path: Path) -> "Model":
        """The model that a finished generation of the store at `path` describes.

        Raises
        ------
        CheckpointError
            Its W is missing or not complete.
        """
        import zarr

        record, arrays = generation.record, generation.arrays
        place = path / record["W"]
        if not place.exists() or missing_chunks(str(place)):
            raise CheckpointError(f"{place}: W is missing or not complete; was a part of the store deleted?")
        return cls(
            zarr.open_array(str(place), mode="r"), arrays["d"], arrays["H"], arrays["h_scale"], arrays["w_scale"],
            FitOptions.from_json(record["options"]), Terms.restore(arrays["terms"]), tuple(arrays["units"].tolist()),
            tuple(PassRecord.from_json(entry) for entry in record["history"]),
            record["stop_reason"], arrays.get("row_names"), arrays.get("column_names"), path, record.get("address", ""),
        )  # fmt: skip


def _chunk_rows(values: Any) -> int:
    if hasattr(values, "chunks"):
        return int(values.chunks[0])
    return max(1, min(len(values), W_CHUNK_ROWS))
