"""What each solver takes to come near to the best error: reads and CPU seconds, rows exact and rows of sweeps.

Of least squares all of them, and under Kullback–Leibler those that take it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.problems import Problem, poisson_sparse, problems
from benchmarks.suite import environment
from dnmf.fitting.events import Event, PassDone
from dnmf.schemes.updates import UPDATES

SWEEPS = (1, 5)
SEEDS = 3
PASSES = 40
BEST_PASSES = 150  # of the exact solver, from the same starts
WITHIN = {"hawaiibirds": 0.01}  # of the best error, at which random starts end in different places
NEAR = 0.001  # elsewhere
COUNTS = "kullback-leibler"
WARM = np.eye(8) + 0.1


class Step(NamedTuple):
    """A pass: reads and CPU seconds so far, its error, and whether it rose though nothing was tried."""

    reads: float
    cpu_s: float
    error: float
    rose: bool


@dataclass(frozen=True)
class Way:
    """A solver, its sweeps, whether rows are exact, and what is minimized."""

    solver: str
    sweeps: int = 1
    exact_rows: bool = True
    loss: str = "frobenius"

    @property
    def options(self) -> dict[str, Any]:
        """What a fit is told."""
        return {"solver": self.solver, "sweeps": self.sweeps, "exact_rows": self.exact_rows, "loss": self.loss}

    @property
    def rows(self) -> str:
        """How rows of W are found."""
        return "exact" if self.exact_rows else "sweeps"


def ways() -> list[Way]:
    """Return every solver, with each number of sweeps and both kinds of rows where it has them."""
    found = []
    for name, update in UPDATES.items():
        if update.exact:
            found.append(Way(name))
            continue
        of_sweeps = SWEEPS if update.repeats else (1,)
        found += [Way(name, sweeps, exact_rows) for exact_rows in (True, False) for sweeps in of_sweeps]
    return found


def ways_of_counts() -> list[Way]:
    """Return the solvers that take the divergence of counts."""
    return [Way(name, loss=COUNTS) for name, update in UPDATES.items() if "divergence" in update.takes]


def of_solvers() -> list[Problem]:
    """Return the matrices: a real one where it is at hand, and counts."""
    small = Problem("Poisson (4,000 × 1,000)", "counts", 20, lambda: poisson_sparse(4000, 1000))
    return [problem for problem in problems() if problem.name == "hawaiibirds"] + [small]


def solvers(asked: Sequence[Problem] | None = None, seeds: int = SEEDS, passes: int = PASSES) -> dict[str, Any]:
    """Return, for each matrix and way, what random starts take to near the best error, medians over them.

    Every fit begins at random: a start that is found on a sample is near to the end already. Where a fit has not come
    so near after its last pass, its reads and seconds are None.
    """
    kinds = {"problems": ways(), COUNTS: ways_of_counts()}
    for way in (way for some in kinds.values() for way in some):
        dnmf.fit(WARM, 2, **way.options, init="random", max_passes=3)  # compiled before anything is timed
    with threadpool_limits(1, user_api="blas"):
        found = {
            kind: {problem.name: _measured(problem, some, seeds, passes) for problem in asked or of_solvers()}
            for kind, some in kinds.items()
        }
    return {**found, "environment": environment()}


def _measured(problem: Problem, some: Sequence[Way], seeds: int, passes: int) -> dict[str, Any]:
    matrix, exact = problem.load(), replace(some[0], solver="cd")
    best = min(least(course(matrix, problem.rank, exact, seed, BEST_PASSES)) for seed in range(seeds))
    within, lines = WITHIN.get(problem.name, NEAR), []
    for way in some:
        runs = [course(matrix, problem.rank, way, seed, passes) for seed in range(seeds)]
        lines.append({**way.options, **_medians(runs, best * (1 + within))})
    return {"rank": problem.rank, "best": best, "within": within, "lines": lines}


def _medians(runs: list[list[Step]], target: float) -> dict[str, Any]:
    """The medians of the runs."""
    ends = [next((step for step in run if step.error <= target), None) for run in runs]
    reached = [end for end in ends if end]
    by_most = 2 * len(reached) > len(runs)
    return {
        "reads": median(end.reads for end in reached) if by_most else None,
        "cpu_s": median(end.cpu_s for end in reached) if by_most else None,
        "error": median(map(least, runs)),
        "rises": sum(step.rose for run in runs for step in run),
    }


def least(steps: Sequence[Step]) -> float:
    """Return the least error of some passes."""
    return min(step.error for step in steps)


def course(matrix: Any, rank: int, way: Way, seed: int, passes: int) -> list[Step]:
    """Return the passes of a fit from a random start that no tolerance ends."""
    steps: list[Step] = []
    began = time.process_time()
    dnmf.fit(
        matrix, rank, **way.options, init="random", seed=seed, tol=0, max_passes=passes,
        callbacks=(_noting(steps, began),),
    )  # fmt: skip
    return steps


def _noting(steps: list[Step], began: float) -> Callable[[Event], None]:
    def note(event: Event) -> None:
        if isinstance(event, PassDone):
            record = event.record
            rose = not (record.accepted or record.extrapolated)
            steps.append(Step(record.reads, time.process_time() - began, record.relative_error, rose))

    return note


def table(record: dict[str, Any], kind: str = "problems") -> list[str]:
    """Return the lines of a Markdown table of what :func:`solvers` found, of least squares or of :data:`COUNTS`."""
    names = list(record[kind])
    heads = ["solver", "sweeps", "rows"]
    for name in names:
        heads += [f"{name}: reads", "CPU ms", "least error", "rises"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for of_way in zip(*(record[kind][name]["lines"] for name in names), strict=True):
        way = Way(*(of_way[0][name] for name in ("solver", "sweeps", "exact_rows")))
        cells = [f"`{way.solver}`", "" if UPDATES[way.solver].exact else str(way.sweeps), way.rows]
        for line in of_way:
            near = [f"{line['reads']:.0f}", f"{1000 * line['cpu_s']:.0f}"] if line["reads"] else ["–", "–"]
            cells += [*near, f"{line['error']:.4f}", str(line["rises"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def in_short(record: dict[str, Any]) -> list[str]:
    """Return the lines of a smaller table, a row for each solver: reads and CPU seconds, or how far it came."""
    names, kinds = list(record["problems"]), [(exact_rows, n) for exact_rows in (True, False) for n in SWEEPS]
    told = [f"rows {'exact' if exact_rows else 'too'}, {n} sweep{'s' * (n > 1)}" for exact_rows, n in kinds]
    heads = ["solver", *(f"{name}: {head}" if not i else head for name in names for i, head in enumerate(told))]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for solver in UPDATES:
        of_solver = {
            (name, line["exact_rows"], line["sweeps"]): _short_cell(line)
            for name in names
            for line in record["problems"][name]["lines"]
            if line["solver"] == solver
        }
        cells = [of_solver.get((name, *kind), "") for name in names for kind in kinds]
        lines.append(f"| {' | '.join([f'`{solver}`', *cells])} |")
    return lines


def _short_cell(line: dict[str, Any]) -> str:
    if line["reads"]:
        return f"{line['reads']:.0f}, {1000 * line['cpu_s']:.0f} ms"
    return f"– ({line['error']:.4f})"


def _goals(problems: dict[str, Any]) -> str:
    """The best errors, and how near is near enough."""
    return "; ".join(
        f"{name}, rank {one['rank']}: {one['best']:.4f} and {100 * one['within']:g} %" for name, one in problems.items()
    )


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    lines = [
        "## Solvers",
        "",
        f"From random starts to so near the best error of long exact fits: {_goals(record['problems'])}.",
        f"Medians over seeds; a dash: not within {PASSES} passes by most. Rises: passes of all seeds that rose though",
        "nothing was extrapolated, and were taken back.",
        "",
        *table(record),
        "",
        f"Under Kullback–Leibler, to as near: {_goals(record[COUNTS])}.",
        "Errors are roots of the share that is left of the divergence of row means.",
        "",
        *table(record, COUNTS),
        "",
        environment_line,
        "",
    ]
    return "\n".join(lines)
