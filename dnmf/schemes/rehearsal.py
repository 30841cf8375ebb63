"""Runs every compiled kernel of a fit once, on three rows: what a worker takes is measured after that."""

from dataclasses import dataclass, replace

import numpy as np

from dnmf.constraints import Limits
from dnmf.kernels import nnls
from dnmf.kernels.packed import have_minimum
from dnmf.kernels.padding import pad_columns, padded
from dnmf.kernels.scan import indices_in_range
from dnmf.losses import like_one_of_ours, loss_named
from dnmf.options import FitOptions
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.work import Work
from dnmf.penalty import Penalty
from dnmf.plan import Group
from dnmf.schemes.facts import Facts
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.scheme import Scheme
from dnmf.sources.memory import MemorySource
from dnmf.sources.observed_rows import ObservedSource
from dnmf.sources.rows import CsrRows, Weighted
from dnmf.sources.source import Source

COLUMNS, NAME, GROUP = 3, "three rows", Group(0, 3, ((0, 3),))


@dataclass(frozen=True)
class Kernels:
    """What decides which kernels a fit needs: compiled code is made for dtypes and for the width of the factors.

    Attributes
    ----------
    rank : int
        k.
    dtype : str
        Of the computation.
    values, indices : str
        Dtypes of the values and, for a sparse source, of the columns as they are read; ``""`` for a dense one.
    directions : int
        On which the data is projected for a start; 0 where it is not.
    bounded : bool
        Whether factors have upper bounds.
    loss : str
        Its name.
    weights : str
        Dtype of the weights of entries; ``""`` where they have none.
    missing, implicit : bool
        Whether not all entries were observed; whether what is there is trusted more.
    given : bool
        Whether a start, or more, is given.
    evened : bool
        Whether a start is found on data that is divided by something, so that its variance is even.
    solver : str
        How columns are found; a start always finds them exactly.
    exact_rows : bool
        Whether rows are exact in passes too.
    """

    rank: int
    dtype: str
    values: str = "float32"
    indices: str = ""
    directions: int = 0
    bounded: bool = False
    loss: str = "frobenius"
    weights: str = ""
    missing: bool = False
    implicit: bool = False
    given: bool = False
    evened: bool = False
    solver: str = "cd"
    exact_rows: bool = True

    @classmethod
    def of(cls, source: Source, options: FitOptions) -> "Kernels":
        """The kernels that a fit of `source` needs."""
        limits = options.limits
        return cls(
            options.rank, options.dtype, str(source.dtype), str(source.index_dtype) if source.sparse else "",
            bounded=limits.bounded, loss=options.loss, weights=str(source.weight_dtype) if source.weighted else "",
            missing=source.has_missing, implicit=options.implicit > 0,
            given=options.init == "given" or limits.held[0] > 0,
            evened=scheme_of(options, Facts.of(source)).power > 0, solver=options.solver, exact_rows=options.exact_rows,
        )  # fmt: skip

    def alike(self) -> "Kernels":
        """The same for all ranks of a width and all losses of callers, which a process need not know."""
        rank, directions = padded(self.rank), padded(self.directions)
        return replace(self, rank=rank, directions=directions, loss=like_one_of_ours(self.loss))

    def load(self) -> None:
        """Read a tiny Zarr array, visit three rows as each pass of a fit does, and solve for columns with the sums."""
        import zarr

        np.asarray(zarr.create_array({}, data=np.eye(COLUMNS))[:])
        if self.indices:
            indices_in_range(np.arange(COLUMNS, dtype=self.indices), COLUMNS)  # as where a store is read
        source = self._source()
        for diagonal in (True, False):
            scheme = scheme_of(self._options, Facts(self.missing, diagonal))
            self._fit(scheme, source)
            if self.solver != FitOptions.solver:
                self._fit(scheme.unhindered, source)
        self._fit(scheme.stand_in, self._rows("float32") if self.evened else source)
        if self.given:
            self._take_given(scheme, source)
        if self.directions:
            self._project(scheme, source)
        loss = loss_named(self.loss)
        if not loss.shared_curvature and loss.fused is None:  # three rows are solved before they come to it
            have_minimum(np.ones((1, 1), self.dtype), np.ones((1, 1), bool))
        # With given rows of H, and under a rule, columns are solved in float64, whatever the dtype.
        nnls.solve_rows(np.eye(2), np.ones((1, 2)), np.ones((1, 2)), 1e-6, 1)

    @property
    def _options(self) -> FitOptions:
        limits = Limits(upper=(1.0, 1.0)) if self.bounded else Limits()
        scale = "objective" if self.bounded else Penalty().scale
        return FitOptions(
            self.rank, loss=self.loss, dtype=self.dtype, penalty=Penalty(scale=scale), limits=limits,
            implicit=float(self.implicit), solver=self.solver, exact_rows=self.exact_rows,
        )  # fmt: skip

    def _fit(self, scheme: Scheme, source: Source) -> None:
        """Passes and updates as of a fit: first, in between and last."""
        H = scheme.enter(np.full((self.rank, COLUMNS), 0.5, self.dtype))
        for first, last in ((True, False), (False, True)):
            work = Work((scheme.visitor(H, first=first),), self.dtype, check=True, residual=last)
            statistics = visit_group(source, GROUP, work)
            scheme.measure(statistics.models[0], H, scheme.of_data(statistics))
            scheme.update(statistics.models[0], H)

    def _take_given(self, scheme: Scheme, source: Source) -> None:
        """A start from a given W."""
        visitor = scheme.visitor_of_given(self.rank, COLUMNS, self.dtype)
        W, H = np.ones((COLUMNS, self.rank), self.dtype), np.ones((self.rank, COLUMNS), self.dtype)
        scheme.guess(visit_group(source, GROUP, Work((visitor,), self.dtype, check=True), W).models[0], H)

    def _project(self, scheme: Scheme, source: Source) -> None:
        """A start from a surrogate: the rows on directions, and a fit of what that leaves."""
        V = pad_columns(np.ones((COLUMNS, self.directions), self.dtype))
        visit_group(source, GROUP, Work((ProjectRows(V, self.directions),), self.dtype))
        self._fit(scheme, MemorySource(np.eye(COLUMNS, dtype=self.dtype)))

    def _source(self) -> Source:
        """The rows with what is known of them."""
        source, ones = self._rows(self.values), np.ones((COLUMNS, COLUMNS), bool)
        if self.missing and self.indices:
            ObservedSource(source, "unstored", MemorySource(ones), None).read(0, COLUMNS)  # as with a mask
        if self.weights:
            rows = self._rows(self.values, holes=False).read(0, COLUMNS)
            of_each = np.ones(COLUMNS if self.indices else (COLUMNS, COLUMNS), self.weights)
            of_each[-1:] = 0.5  # less than one is folded in float64
            source = MemorySource.of_rows(Weighted(rows, of_each), COLUMNS, NAME)
        source.has_missing, source.weighted = self.missing, bool(self.weights)
        return source

    def _rows(self, values: str, *, holes: bool = True) -> MemorySource:
        if self.indices:
            each = np.arange(COLUMNS, dtype=self.indices)
            return MemorySource.of_rows(CsrRows(np.ones(COLUMNS, values), each, np.arange(COLUMNS + 1)), COLUMNS, NAME)
        rows = np.eye(COLUMNS, dtype=values) + np.ones(1, values)  # a loss may need all of them above zero
        if holes and self.missing and rows.dtype.kind == "f":
            rows[0, 1] = np.nan
        return MemorySource.of_rows(rows, COLUMNS, NAME)
