"""Loads every compiled kernel a pass uses, so that a measurement of memory or time starts after it."""

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import dnmf
from dnmf.checksums import crc32c_of
from dnmf.kernels import nnls
from dnmf.kernels.own_gram import solve_own_rows
from dnmf.kernels.packed import completed, times_packed
from dnmf.kernels.padding import pad_columns, padded
from dnmf.losses import loss_named
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.terms import Terms
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.curved import SolveCurvedRows
from dnmf.passes.visitors.observed import SolveObservedRows
from dnmf.passes.visitors.project import ProjectRows
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.sources.memory import MemorySource
from dnmf.sources.observed_rows import ObservedSource
from dnmf.sources.rows import CsrRows, Rows
from dnmf.sources.source import Source

COMPILE_TIMEOUT_S = 300
LOCK_WAIT_S, LOCK_LOOK_S = 30, 0.05  # half of what a scheduler waits for a worker, beside the compilation itself
IS_CHILD = "DNMF_COMPILES"  # in the environment of a process that compiles for another one


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
    missing, weighted, implicit : bool
        Whether not all entries were observed, or they have weights; whether what is there is trusted more.
    """

    rank: int
    dtype: str
    values: str = "float32"
    indices: str = ""
    directions: int = 0
    bounded: bool = False
    loss: str = "frobenius"
    missing: bool = False
    weighted: bool = False
    implicit: bool = False

    @classmethod
    def of(
        cls, source: Source, rank: int, dtype: str, *, bounded: bool = False, loss: str = "frobenius",
        implicit: bool = False,
    ) -> "Kernels":  # fmt: skip
        """The kernels that a fit of `source` needs."""
        indices = str(source.index_dtype) if source.sparse else ""
        return cls(
            rank, dtype, str(source.dtype), indices, bounded=bounded, loss=loss, missing=source.has_missing,
            weighted=source.weighted, implicit=implicit,
        )  # fmt: skip

    @property
    def by_entry(self) -> bool:
        """Whether entries are looked at one by one."""
        return self.missing or self.weighted or self.implicit or not loss_named(self.loss).shared_curvature


def load_kernels(kernels: Kernels) -> None:
    """Read a tiny Zarr array, and visit three rows as a pass does and as the last pass does."""
    import zarr

    np.asarray(zarr.create_array({}, data=np.eye(3))[:])
    terms = Terms(upper=1.0 if kernels.bounded else np.inf)
    solve = solve_for_rows(np.full((kernels.rank, 3), 0.5, kernels.dtype), terms)
    source, group = MemorySource.of_rows(_three_rows(kernels), 3, "three rows"), Group(0, 3, ((0, 3),))
    for last in (False, True):
        visit_group(source, group, Work((solve,), kernels.dtype, check=True, residual=last))
    if kernels.by_entry:
        _load_for_entries(kernels, group)
    if kernels.directions:
        V = pad_columns(np.ones((3, kernels.directions), kernels.dtype))
        visit_group(source, group, Work((ProjectRows(V, kernels.directions),), kernels.dtype))
        visit_group(MemorySource(np.eye(3, dtype=kernels.dtype)), group, Work((solve,), kernels.dtype))
    # The update of H is solved in float64, whatever the dtype.
    nnls.solve_rows(np.eye(2), np.ones((1, 2)), np.ones((1, 2)), 1e-6, 1)


def _load_for_entries(kernels: Kernels, group: Group) -> None:
    """Visit the rows as where each has a Gram matrix of its own, and solve columns with the sums."""
    source, H = _observed_rows(kernels), np.full((kernels.rank, 3), 0.5, kernels.dtype)
    loss, terms = loss_named(kernels.loss), Terms(upper=1.0 if kernels.bounded else np.inf)
    for diagonal in (True, False):
        if loss.shared_curvature:
            alpha = float(kernels.implicit)
            visitor: Visitor = SolveObservedRows.for_factor(H, terms, implicit=alpha, diagonal=diagonal)
        else:
            visitor = SolveCurvedRows.for_factor(
                loss, H, terms, observed=source.has_missing, diagonal=diagonal, first=True
            )
        work = Work((visitor,), kernels.dtype, check=not loss.above_zero)  # three rows have zeros
        sums = visit_group(source, group, work).models[0]
    solve_own_rows(sums.Q, sums.N, np.ones_like(sums.N), None, None, 1e-6, 1)
    times_packed(sums.Q, sums.N)
    completed(sums.Q, np.zeros_like(sums.G), sums.N, kernels.dtype)
    if not loss.shared_curvature:  # starts are found on data that is divided by something
        even = MemorySource.of_rows(_three_rows(replace(kernels, values="float32")), 3, "three rows")
        visit_group(even, group, Work((solve_for_rows(H, terms),), kernels.dtype, check=True))


def _observed_rows(kernels: Kernels) -> Source:
    """The rows, with a hole where entries are missing in dense ones, and weights where they have some."""
    rows = _three_rows(kernels)
    if kernels.missing and isinstance(rows, np.ndarray) and rows.dtype.kind == "f":
        rows[0, 1] = np.nan
    source = MemorySource.of_rows(rows, 3, "three rows")
    source.has_missing = kernels.missing
    if not kernels.weighted:
        return source
    missing, weights = "unstored" if source.sparse else "nan", np.ones((3, 3), np.float32)
    weights[1, 2] = 0.5  # less than one is folded in float64
    return ObservedSource(source, missing, None, MemorySource(weights))


def _three_rows(kernels: Kernels) -> Rows:
    values = np.eye(3, dtype=kernels.values)
    if not kernels.indices:
        return values
    return CsrRows(values.diagonal().copy(), np.arange(3, dtype=kernels.indices), np.arange(4))


def load_compiled_kernels(kernels: Kernels) -> None:
    """Load the kernels; where they were never compiled, a child process does that first.

    The compiler would leave some 70 MiB behind in this process, and a plan that measures what the process takes
    would have them missing for its panels ever after. Of several processes that need them one has them compiled, and
    the others wait for it a while.
    """
    marker = _marker(kernels)
    if marker is not None and not marker.exists() and _has_children():
        with _one_at_a_time(marker.parent):
            if not marker.exists():
                _compile_in_a_child(kernels, marker)
    load_kernels(kernels)


def _has_children() -> bool:
    """Whether another Python can be started from here: a frozen program, for one, would start itself."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and IS_CHILD not in os.environ


def _compile_in_a_child(kernels: Kernels, marker: Path) -> None:
    """Have the kernels compiled; what goes wrong there is no fault here, where they are compiled then."""
    command = f"from dnmf.passes.warm import *; load_kernels({kernels!r})"
    same_package = {"PYTHONPATH": os.pathsep.join([str(Path(nnls.__file__).parents[2]), *filter(None, sys.path)])}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [sys.executable, "-P", "-c", command], check=True, timeout=COMPILE_TIMEOUT_S, capture_output=True,
            env={**os.environ, **same_package, IS_CHILD: "1"},
        )  # fmt: skip
        if marker.parent.is_dir():
            marker.touch()


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of a directory of compiled kernels, where the system and the directory know locks.

    Whoever holds it may have been stopped, and a worker that waits says nothing to its scheduler: after a while the
    work is done without it.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            folder.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((folder / "dnmf.lock").open("wb"))
            for _ in range(math.ceil(LOCK_WAIT_S / LOCK_LOOK_S)):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held.callback(fcntl.flock, file, fcntl.LOCK_UN)  # also for copies of it in forked processes
                    break
                time.sleep(LOCK_LOOK_S)
        yield


def were_compiled() -> bool:
    """Whether kernels were ever compiled and kept on this machine, of whatever kind."""
    folder = nnls._solve_rows._cache.cache_path  # type: ignore[attr-defined]
    return folder is not None and any(Path(folder).glob("*.nbi"))


def _marker(kernels: Kernels) -> Path | None:
    """A file beside numba's own cache that says: these were compiled, from sources of this age, for this processor."""
    folder = nnls._solve_rows._cache.cache_path  # type: ignore[attr-defined]
    if folder is None:  # a child's work would be lost
        return None
    sources = sorted(Path(nnls.__file__).parent.glob("*.py"))
    ages = [str(path.stat().st_mtime_ns) for path in sources]
    processor = repr(nnls._solve_rows.targetctx.codegen().magic_tuple())  # type: ignore[attr-defined]
    widths = replace(kernels, rank=padded(kernels.rank), directions=padded(kernels.directions))
    said = " ".join([dnmf.__version__, repr(widths), processor, *ages])
    return Path(folder) / f"dnmf-{crc32c_of(said.encode()):08x}.compiled"
