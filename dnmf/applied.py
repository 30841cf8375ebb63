"""What a finished factorization says of other rows than those it was fitted on."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.conversion.staging_objects import staged
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.apply import Fixed, by_rows, given_columns, solve_other_rows
from dnmf.fitting.events import Callback
from dnmf.locations import checked_overwrite, refuse_overwrite, why_not_here
from dnmf.options import FitOptions, parse_bytes
from dnmf.passes.choose import choose_executor
from dnmf.passes.rows_out import Columns
from dnmf.passes.terms import Terms
from dnmf.places import Place, absolute, has_home, place_of
from dnmf.schemes.facts import ALL_OBSERVED
from dnmf.schemes.of_options import scheme_of
from dnmf.sources import Source
from dnmf.sources.as_fitted import NOTHING, SAME, Observed, Said
from dnmf.sources.axes import matched_axes, refuse_other_axes, refuse_other_axes_of_rows
from dnmf.sources.columns import way_to_match, with_columns
from dnmf.sources.guard import refuse_to_replace
from dnmf.sources.names import keep_the_order, refuse_other_names
from dnmf.sources.stored_factor import StoredFactor
from dnmf.sources.unfolded import Unfolding
from dnmf.sources.views import View, divided_as_fitted, what_is_seen
from dnmf.written import is_free, why_kept

W_CHUNK_ROWS = 65536


class Applied:
    """The part of :class:`dnmf.Model` that solves for the rows of W of other data; its attributes are the model's."""

    d: np.ndarray
    H: np.ndarray
    h_scale: np.ndarray
    w_scale: np.ndarray
    options: FitOptions
    terms: Terms
    column_names: np.ndarray | None
    inside: np.ndarray | None
    observed: Observed
    view: View
    unfolding: Unfolding | None

    @undisturbed
    def transform(  # noqa: PLR0913  the door to other rows names every option
        self, data: Any, *, missing: str = SAME, mask: Any = None, weights: Any = None, row_weights: Any = None,
        column_weights: Any = None, columns: str = "same", fixed_W: Any = None, out: str | Path | None = None,
        overwrite: bool = False, client: Any = None, memory_limit: Any = None, callbacks: Sequence[Callback] = (),
    ) -> Any:  # fmt: skip
        """Return the rows of W for other rows of data, `H` and `d` kept; the training rows give W again.

        Each row is ``argmin_{w ≥ 0} ½‖a − w diag(d) H‖²``, or the loss of the fit, plus its penalty on W.

        Parameters
        ----------
        data : anything :func:`dnmf.open_source` takes
            (rows, n) with the columns of the fit. They are divided by the `column_scale` of the fit, where it had one
            and a source says none; a `row_scale` has to be given again.
        missing : {"same", "refuse", "nan", "unstored"}
            What of these rows was not observed, as in :func:`dnmf.fit`: a row is solved for from what was seen of it.
            ``"same"``: what was said of the data of the fit (`observed` of the model), or what a source says of
            itself; ``"refuse"``: all of them was observed, whatever was said of the fit's.
        mask, weights : like `data`, optional
            Of these rows, as in :func:`dnmf.fit`. A fit that had some wants them here too, or to be told by `missing`
            what else holds.
        row_weights, column_weights : array, optional
            Of these rows, which count once where none are given; of the columns, by default those of the fit.
        columns : {"same", "match"}
            ``"match"``: data with other columns besides, or in another order; those of the fit are found by name, of
            an array by the labels along each axis.
        fixed_W : array (rows, f), optional
            The first columns of W of these rows, where the fit was given those of its own (Constraints).
        out : path, optional
            Where the workers write the result as a Zarr array, beside it until it is whole; in memory otherwise. It
            holds the names of the rows too, where the data has some.
        overwrite : bool
            Whether a result of an earlier call at `out` is replaced, once the new one is whole; nothing else is.
        client, memory_limit
            As in :func:`dnmf.fit`.
        callbacks : sequence of callables
            Each is handed every :class:`~dnmf.fitting.events.PassProgress`: how far it is.

        Returns
        -------
        dask array (rows, k)

        Raises
        ------
        InputError
            The columns are not those of the fit, the data cannot be used, or what of it was observed is not known; or
            nothing of it was (:class:`~dnmf.errors.NothingObservedError`).
        CheckpointError
            There is something at `out` already that may not be overwritten, or no directory for it.
        """
        from dnmf.sources.dask_array import as_dask_array

        said = Said(missing, mask, weights, row_weights, column_weights)
        values = self.solve(data, said=said, columns=columns, fixed_W=fixed_W, out=out, overwrite=overwrite,
                            client=client, memory_limit=memory_limit, callbacks=callbacks)  # fmt: skip
        return as_dask_array(values, chunk_rows_of(values))

    @undisturbed
    def solve(  # noqa: PLR0913  the same door
        self, data: Any, *, said: Said = NOTHING, columns: str = "same", fixed_W: Any = None,
        out: str | Path | None = None, overwrite: bool = False, client: Any = None, memory_limit: Any = None,
        callbacks: Sequence[Callback] = (),
    ) -> Any:  # fmt: skip
        """Return what :meth:`transform` returns as an ndarray, or as the Zarr array at `out`."""
        if out is None:
            refuse_overwrite("out", overwrite)
        place = None if out is None else free_place(out, overwrite=overwrite)
        source = self.open_rows(data, columns, said)
        with ExitStack() as stack:
            executor, staging = stack.enter_context(closing(choose_executor(client, source))), None
            if place is not None:
                refuse_to_replace(place, source)
                # Under a hidden name until it is whole: what a killed worker leaves out of a Zarr array reads as zeros.
                staging = stack.enter_context(staged(place, "transform", overwrite=overwrite, by_workers=True))
            values = solve_other_rows(
                source, executor, self.options, fixed=self.fixed(source, fixed_W),
                out=None if staging is None else staging.target, memory_bytes=parse_bytes(memory_limit),
                callbacks=callbacks,
            )  # fmt: skip
        return values if place is None else StoredFactor(place)

    def open_rows(self, data: Any, columns: str = "same", said: Said = NOTHING) -> Source:
        """Return data that has the columns of the fit, or with ``"match"`` those among others, as a source of its rows.

        It says what of them was observed: as is `said`, or as was said of the data of the fit. Its columns are divided
        by what those of the fit were, unless it says itself by what.

        Raises
        ------
        InputError
            The columns are not those of the fit, the data cannot be used, what of it was observed is not known, or its
            rows cannot be read one by one.
        """
        opened = self.observed.open_rows(data, said, self.unfolding)
        source = divided_as_fitted(self.with_columns_of_fit(opened, columns), what_is_seen(opened), self.view)
        return self.observed.weighted(source) if self.observed.weighs_columns(opened, said) else source

    def with_columns_of_fit(self, opened: Source, columns: str = "same") -> Source:
        """Return a source of rows that has the columns of the fit, or with ``"match"`` those among others.

        Raises
        ------
        InputError
            The columns are not those of the fit, or its rows cannot be read one by one.
        """
        if not isinstance(columns, str) or columns not in ("same", "match"):
            raise InputError(f"columns={columns!r}: use 'same', or 'match' to find the columns of the fit by name")
        whole = self.view.columns is None and what_is_seen(opened).columns is None
        if columns == "match" and self.unfolding and opened.unfolding and whole:
            return matched_axes(by_rows(opened), self.unfolding)
        if columns == "match":
            return with_columns(by_rows(opened), self.column_names)
        self.refuse_other_columns(opened)
        return by_rows(opened)

    def fixed(self, source: Source, fixed_W: Any = None) -> Fixed:
        """Return what the rows of `source` are solved with; a component that is dead in W takes no part.

        Raises
        ------
        InputError
            Columns of W that were given to the fit are not given here, or have the wrong shape.
        """
        scheme = scheme_of(self.options, ALL_OBSERVED)
        scale = self.w_scale[: scheme.given_columns]
        given = given_columns(source, fixed_W, scale, self.options.dtype, signed=scheme.is_signed("W"))
        taken = self.w_scale > 0
        taken[scheme.given_rows] = True  # other rows may have what those of the fit had not
        factor = np.where(taken, self.h_scale, 0.0)[:, None] * self.H.astype(np.float64)
        inside = np.arange(len(self.d)) if self.inside is None else self.inside
        own = np.lexsort([inside, np.arange(len(self.d)) >= scheme.given_columns])  # given ones first
        return Fixed(factor[own], self.terms, Columns(np.argsort(own), self.row_scale), given)

    @property
    def d_ratio(self) -> np.ndarray:
        """By how much the diagonal differs from that of the factors as rows are solved with them (k,)."""
        scale = self.row_scale * self.h_scale
        return np.divide(self.d, scale, out=np.zeros_like(self.d), where=scale > 0)

    @property
    def row_scale(self) -> np.ndarray:
        """``W diag(row_scale)`` and ``diag(h_scale) H`` are the factors as they were solved for (k,)."""
        given = np.arange(len(self.d)) < scheme_of(self.options, ALL_OBSERVED).given_columns
        return np.where(given, 1.0, self.w_scale)

    def refuse_other_rows(self: Any, source: Source) -> None:
        """Refuse data that has not the rows of the fit, in their order: as many, of the same axes and labels.

        Raises
        ------
        InputError
            They are others.
        """
        rows = source.shape[1] if source.transposed else source.shape[0]
        names = source.column_names() if source.transposed else source.row_names()
        if rows != self.shape[0]:
            raise InputError(
                f"{source.address}: has {rows:,} rows, the model was fitted on {self.shape[0]:,}; give all rows of "
                "what was factorized"
            )
        if source.unfolding and self.unfolding and _alike(self.view.rows, what_is_seen(source).rows):
            refuse_other_axes_of_rows(source.address, source.unfolding, self.unfolding)
        refuse_other_names(source.address, names, self.row_names, "row")

    def refuse_other_columns(self, source: Source) -> None:
        """Refuse data that has not the columns of the fit, in their order: as many, of the same axes and labels.

        Raises
        ------
        InputError
            They are others.
        """
        if source.unfolding and self.unfolding and _alike(self.view.columns, what_is_seen(source).columns):
            remedy = way_to_match if self.view.columns is None else keep_the_order
            refuse_other_axes(source.address, source.unfolding, self.unfolding, remedy=remedy)
        columns = source.shape[0] if source.transposed else source.shape[1]
        names = source.row_names() if source.transposed else source.column_names()
        if columns != self.H.shape[1]:
            raise InputError(
                f"{source.address}: has {columns} columns, the model was fitted on {self.H.shape[1]}"
                f"{way_to_match(names, self.column_names)}"
            )
        refuse_other_names(source.address, names, self.column_names, remedy=way_to_match)


def _alike(chosen: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether the same rows, or columns, were chosen, or all."""
    return chosen is other if chosen is None or other is None else np.array_equal(chosen, other)


def free_place(out: str | Place, *, overwrite: Any = False) -> Place:
    """Return the absolute place of a result that can be written there.

    Raises
    ------
    CheckpointError
        Something is there that may not be overwritten, or there is no directory for it.
    InputError
        It is a URL of another kind than object storage, or no path; or `overwrite` is neither True nor False.
    """
    place = absolute(place_of(out, "out"))
    if not has_home(place):
        raise CheckpointError(f"{out}: its directory does not exist; create {place.parent} first")
    if reason := why_not_here(place):
        raise CheckpointError(f"{out}: {reason}")
    taken = not is_free(place)
    if not checked_overwrite(overwrite) and taken:
        raise CheckpointError(
            f"{out}: exists already; choose another place for the result, or overwrite it (overwrite=True, --overwrite)"
        )
    if taken and (reason := why_kept(place, "transform")):
        raise CheckpointError(f"{out}: {reason}")
    return place


def chunk_rows_of(values: Any) -> int:
    """Return how many rows of a factor are best read at once: those of a stored chunk."""
    if hasattr(values, "chunks"):
        return int(values.chunks[0])
    return max(1, min(len(values), W_CHUNK_ROWS))
