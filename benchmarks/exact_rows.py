"""What it costs that rows are exact: passes with the active set behind coordinate descent and without, in pairs."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks import problems as matrices
from benchmarks.suite import environment
from dnmf.passes.problem import TOLERANCE, solve_for_rows
from dnmf.passes.statistics import Statistics
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.solve import SolveRows
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.sources.memory import MemorySource

PASSES_BEFORE = 5  # of a fit whose H is then kept
PAIRS = 21
LEAST_S = 0.05  # of passes timed together: the clock of the processor is coarse
DTYPES = ("float32", "float64")


def exact_rows(problems: Sequence[matrices.Problem]) -> dict[str, Any]:
    """Return, for each matrix and dtype, the CPU seconds of a pass and the share of it that finishing rows adds.

    The median over pairs of passes with the same H, of which every other pair begins with the one that finishes.
    """
    with threadpool_limits(1, user_api="blas"):
        found = {problem.name: _measured(problem.load(), problem.rank) for problem in problems}
    return {"problems": found, "environment": environment()}


def _measured(matrix: Any, rank: int) -> dict[str, Any]:
    return {dtype: _in_pairs(MemorySource(matrix), _profiles(matrix, rank, dtype)) for dtype in DTYPES}


def _profiles(matrix: Any, rank: int, dtype: str) -> np.ndarray:
    model = dnmf.fit(matrix, rank, dtype=dtype, tol=0, max_passes=PASSES_BEFORE)
    return (model.h_scale[:, None] * model.H).astype(dtype)


def _in_pairs(source: MemorySource, H: np.ndarray) -> dict[str, Any]:
    ways = (_prepared_roughly, solve_for_rows)
    statistics = [_timed(source, H, way, 1)[1] for way in ways]
    passes = 1 + int(LEAST_S / max(1e-6, _timed(source, H, solve_for_rows, 1)[0]))
    pairs = []
    for number in range(PAIRS):
        order = (0, 1) if number % 2 else (1, 0)
        pairs.append({which: _timed(source, H, ways[which], passes)[0] for which in order})
    return {
        "cpu_s": median(pair[0] for pair in pairs) / passes,
        "share": median(pair[1] / pair[0] - 1 for pair in pairs),
        "finished": statistics[1].models[0].finished,
        "rows": statistics[1].rows,
    }


def _prepared_roughly(H: np.ndarray) -> SolveRows:
    """The same without a way to finish rows."""
    return solve_for_rows(H, tolerance=TOLERANCE[str(H.dtype)])


def _timed(source: MemorySource, H: np.ndarray, way: Any, passes: int) -> tuple[float, Statistics]:
    group, began = Group(0, source.shape[0], ((0, source.shape[0]),)), time.process_time()
    for _ in range(passes):
        statistics = visit_group(source, group, Work((way(H),), str(H.dtype)))
    return time.process_time() - began, statistics


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    lines = [
        "## What exact rows cost",
        "",
        "A pass over the matrix in memory and its preparation, with rows that coordinate descent leaves above their",
        "tolerance finished with an active set, beside one that leaves them; medians over pairs.",
        "",
        "|  | dtype | rows finished | pass, CPU ms | the finish adds |",
        "|---|---|---|---|---|",
    ]
    for name, by_dtype in record["problems"].items():
        for dtype, one in by_dtype.items():
            finished, cpu_s = f"{one['finished']:,} of {one['rows']:,}", one["cpu_s"]
            cpu_ms = f"{1e3 * cpu_s:.3g}" if cpu_s < 0.1 else f"{1e3 * cpu_s:,.0f}"
            lines.append(f"| {name} | {dtype} | {finished} | {cpu_ms} | {100 * one['share']:.1f} % |")
    return "\n".join([*lines, "", environment_line, ""])
