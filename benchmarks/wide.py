"""A matrix whose short side is long: what a pass takes beside its visits, and what a fit takes beside scikit-learn.

``python -m benchmarks.wide JOB.json`` measures one part of it, in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.objective import relative_error
from benchmarks.process import ONE_THREAD, processors, stay_on_one_processor, timed
from benchmarks.suite import ROOT, environment
from dnmf.fitting.events import Event, PassDone, Started
from dnmf.fitting.fit import Fit
from dnmf.fitting.moves import extrapolated
from dnmf.fitting.state import Initial
from dnmf.fitting.step import advance, first_state
from dnmf.options import FitOptions
from dnmf.passes.over_columns import cut_columns
from dnmf.passes.statistics import ModelSums
from dnmf.passes.visit import visit_group
from dnmf.passes.work import Work
from dnmf.penalty import Penalty
from dnmf.plan import Group
from dnmf.schemes.of_options import least_squares
from dnmf.sources.memory import MemorySource

IN_ROW = 50  # values, before those of one column are added
TOPICS, OF_ROW = 50, 3
FLAT, POWER = 1e-3, 0.8  # how often a topic has columns: a power of their place, but for the first ones
STRIDE = 7919  # from a place to the next one's column
ITERATIONS = 12  # of scikit-learn
MOST_PASSES = 10
PAIRS = 5
TIMEOUT_S = 1800


@dataclass(frozen=True)
class Size:
    """Of the matrix and the model."""

    rows: int = 100_000
    columns: int = 1_000_000
    rank: int = 50

    @property
    def factor_bytes(self) -> int:
        """Of k · n numbers in float64."""
        return 8 * self.rank * self.columns


def wide_counts(rows: int, columns: int, seed: int = 0) -> scipy.sparse.csr_array:
    """Return counts (float32), fifty a row, from three of fifty topics that are about columns of their own."""
    rng, count = np.random.default_rng(seed), rows * IN_ROW
    often = (np.arange(columns) + FLAT * columns) ** -POWER
    before = np.cumsum(often / often.sum())
    row, topics = np.repeat(np.arange(rows), IN_ROW), rng.integers(TOPICS, size=(rows, OF_ROW))
    topic = topics[row, rng.integers(OF_ROW, size=count)]
    place = np.minimum(np.searchsorted(before, rng.random(count)), columns - 1)
    column = (STRIDE * place + rng.integers(columns, size=TOPICS)[topic]) % columns
    return scipy.sparse.coo_array((np.ones(count, np.float32), (row, column)), shape=(rows, columns)).tocsr()


def wide(size: Size = Size()) -> dict[str, Any]:
    """Return what scikit-learn's iterations, a fit, its passes and its half steps take on such a matrix."""
    of_scikit_learn = _in_a_process("scikit-learn", size)
    of_dnmf = _in_a_process("dnmf", size, error=of_scikit_learn["error"])
    halves = _in_a_process("half steps", size)
    return {
        "size": asdict(size), "iterations": ITERATIONS, "scikit-learn": of_scikit_learn, "dnmf": of_dnmf,
        "half steps": halves, "environment": environment(),
    }  # fmt: skip


def _in_a_process(what: str, size: Size, **more: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps({"what": what, "size": asdict(size), **more}))
        subprocess.run(
            [sys.executable, "-m", "benchmarks.wide", str(job)], cwd=ROOT, env={**os.environ, **ONE_THREAD},
            timeout=TIMEOUT_S, check=True,
        )  # fmt: skip
        return json.loads(job.with_name("result.json").read_text())


def scikit_learns(A: Any, size: Size) -> dict[str, Any]:
    """Return what its iterations from its own start take, and their error."""
    from sklearn.decomposition import NMF

    peer = NMF(size.rank, max_iter=ITERATIONS, tol=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NMF(2, max_iter=1).fit(A[:200, :200])
        W, taken = timed(lambda: peer.fit_transform(A))
    return {**taken._asdict(), "error": relative_error(A, W, peer.components_)}


def dnmfs(A: Any, size: Size, error: float) -> dict[str, Any]:
    """Return what the shortest fit to an error takes, its start and its passes, and the visits of a pass."""
    dnmf.fit(A[:500], size.rank, max_passes=2)
    steps: list[tuple[float, float]] = []

    def note(event: Event) -> None:
        if isinstance(event, (Started, PassDone)):
            reached = event.record.relative_error if isinstance(event, PassDone) else np.inf
            steps.append((time.process_time(), reached))

    began = time.process_time()
    model = dnmf.fit(A, size.rank, max_passes=MOST_PASSES, tol=0, callbacks=note)
    at, errors = zip(*steps, strict=True)
    passes = next((number for number, reached in enumerate(errors) if reached <= error), MOST_PASSES)
    of_passes = passes_of(A, (model.h_scale[:, None] * model.H).astype(np.float32))
    del model
    while True:
        model, taken = timed(partial(dnmf.fit, A, size.rank, max_passes=passes, tol=0))
        if model.history[-1].relative_error <= error or passes >= MOST_PASSES:
            break
        passes += 1
    reached = relative_error(A, model.read_W() * model.d, model.H)
    return {
        **taken._asdict(), **of_passes, "passes": passes, "error": reached, "start_cpu_s": at[0] - began,
    }  # fmt: skip


def passes_of(A: Any, H: np.ndarray) -> dict[str, float]:
    """Return CPU seconds of a pass with this H, and of its visits: solving for all rows, and adding them up."""
    source, group = MemorySource(A), Group(0, A.shape[0], ((0, A.shape[0]),))
    options, taken = FitOptions(len(H), tol=0.0, max_passes=1000), []
    state = replace(first_state(Initial(H, squares=float((A.data**2).sum())), options), passes=5)
    fit = Fit(state, options, least_squares(Penalty()))
    with threadpool_limits(1, user_api="blas"):
        for _ in range(PAIRS):
            began = time.process_time()
            statistics = visit_group(source, group, Work((fit.visitor,), options.dtype))
            visited = time.process_time()
            advance(fit, statistics, 1)
            taken.append((time.process_time() - began, visited - began))
    whole, visits = (median(each) for each in zip(*taken, strict=True))
    return {"pass_cpu_s": whole, "visits_cpu_s": visits}


def half_steps(size: Size) -> dict[str, Any]:
    """Return wall seconds of half steps on one thread and on two, and their ratio: medians over pairs."""
    rng = np.random.default_rng(0)
    H = rng.random((size.rank, size.columns), dtype=np.float32) * (rng.random((size.rank, size.columns)) < 0.2)
    Q = rng.random((200, size.rank)) * (rng.random((200, size.rank)) < 0.3)
    G = Q.T @ Q
    sums, squares = ModelSums(G, H.T @ G, Q.sum(axis=0), np.zeros(size.rank)), 1e12
    sums.P *= rng.uniform(0.8, 1.2, size.columns)[:, None]
    scheme = least_squares(Penalty())

    def half_step() -> float:
        began = time.perf_counter()
        scheme.measure(sums, H, squares)
        updated = scheme.update(sums, H).H
        scheme.project(extrapolated(updated, H, 0.5), updated)
        return time.perf_counter() - began

    half_step()
    pairs = _on_one_and_two(half_step)
    one, two, times = (median(each) for each in zip(*((a, b, a / b) for a, b in pairs), strict=True))
    return {"one_s": one, "two_s": two, "times": times, "blocks": len(cut_columns(size.rank, size.columns))}


def _on_one_and_two(half_step: Callable[[], float]) -> list[list[float]]:
    """Seconds on one processor and on two, pair after pair."""
    allowed = sorted(os.sched_getaffinity(0))
    pairs: list[list[float]] = []
    try:
        for _ in range(PAIRS):
            pairs.append([])
            for threads in (1, 2):
                os.sched_setaffinity(0, allowed[:threads])
                pairs[-1].append(half_step())
    finally:
        os.sched_setaffinity(0, allowed)
    return pairs


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    size, ours, theirs, halves = (record[name] for name in ("size", "dnmf", "scikit-learn", "half steps"))
    of_factor = Size(**size).factor_bytes
    lines = [
        "## A short side that is long",
        "",
        f"{size['rows']:,} × {size['columns']:,} counts, {IN_ROW} in a row, rank {size['rank']}; on one processor.",
        f"k · n numbers in float64 are {of_factor / 1e6:,.0f} MB.",
        "",
        "| | error | CPU s | memory | of k · n |",
        "|---|---|---|---|---|",
    ]
    for name, one in (
        (f"scikit-learn cd, {record['iterations']} iterations", theirs),
        (f"dnmf, {ours['passes']} passes", ours),
    ):
        added = one["added_bytes"]
        memory = ["–", "–"] if added is None else [f"{added / 1e6:,.0f} MB", f"{added / of_factor:.1f}"]
        lines.append(f"| {name} | {one['error']:.5f} | {one['cpu_s']:.1f} | {' | '.join(memory)} |")
    start, one_pass, visits = (ours[f"{what}_cpu_s"] for what in ("start", "pass", "visits"))
    lines += [
        "",
        f"A pass takes {one_pass:.2f} CPU s, of which solving for all rows and adding them up {visits:.2f}; the start",
        f"as much as {start / one_pass:.1f} passes.",
        *_of_halves(halves),
        "",
        environment_line,
        "",
    ]
    return "\n".join(lines)


def _of_halves(halves: dict[str, Any]) -> list[str]:
    if not halves:
        return []
    return [
        f"A half step (objective, update, extrapolation) takes {halves['one_s']:.2f} s on one processor and "
        f"{halves['two_s']:.2f} s on two:",
        f"{halves['times']:.2f} times as fast (median of {PAIRS} pairs).",
    ]


def main(path: Path) -> None:
    """Measure what the job at `path` says and write the result beside it, as ``result.json``."""
    job = json.loads(path.read_text())
    size = Size(**job["size"])
    if job["what"] == "half steps":
        result = half_steps(size) if processors() > 1 and hasattr(os, "sched_setaffinity") else {}
    else:
        stay_on_one_processor()
        A = wide_counts(size.rows, size.columns)
        result = scikit_learns(A, size) if job["what"] == "scikit-learn" else dnmfs(A, size, job["error"])
    path.with_name("result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
