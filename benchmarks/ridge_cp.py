"""Ridge and sparse nonnegative CP with too many components: what is left over the strengths, and the scaling swamp.

The experiment of Cohen & Leplat 2025 on arrays of 30 × 30 × 30 and rank 4 that are fitted with 6, run anew: sweeps of
tensorly's HALS with ridge whose factors are balanced never, at the start, or after every sweep, beside dnmf.
``python -m benchmarks.ridge_cp JOB.json`` measures it in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dnmf
from benchmarks.process import ONE_THREAD, stay_on_one_processor, timed
from benchmarks.ridge_arrays import RANK, Effort, Factors, alive_of, array_of, dense_array, left_of, start_of
from benchmarks.sparse_cp import sparse_path, without_penalty
from benchmarks.suite import ROOT, environment

INNER = 5  # of the sweeps over a factor in one over all: as in tensorly's own loop
NEAR = 1e-3  # above where a run ends
NEVER, START, EVERY = "HALS, no balance", "HALS, balanced at the start", "HALS, balanced every sweep"
BALANCED = (NEVER, START, EVERY)
UNBALANCED, DNMF = "dnmf, no balance", "dnmf"
TIMEOUT_S = 7_200


class Course(NamedTuple):
    """What a run did: the objective after each sweep or pass, and how many components were left then."""

    objectives: list[float]
    alive: list[int]

    def until(self, number: int) -> float:
        """The objective after so many of them, or at the end."""
        return self.objectives[min(number, len(self.objectives)) - 1]

    @property
    def settled(self) -> int:
        """After how many it was near to where it ends."""
        near = self.objectives[-1] * (1 + NEAR)
        return next(number for number, value in enumerate(self.objectives, 1) if value <= near)


def ridge_cp() -> dict[str, Any]:
    """Return what is left of ridge CP over the strengths, how runs come there, and what sparse CP leaves."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps(asdict(Effort())))
        subprocess.run(
            [sys.executable, "-m", "benchmarks.ridge_cp", str(job)], cwd=ROOT, env={**os.environ, **ONE_THREAD},
            timeout=TIMEOUT_S, check=True,
        )  # fmt: skip
        return {**json.loads(job.with_name("result.json").read_text()), "environment": environment()}


def measured(effort: Effort) -> dict[str, Any]:
    """Return the record of as much as is asked for; all figures are medians over the seeds."""
    dnmf.cp(np.ones((4, 3, 2)), 1, penalty=ridge(1.0), max_passes=3)  # compiles
    courses = {strength: hals_courses(strength, effort) for strength in effort.strengths}
    return {
        "effort": asdict(effort), "components": components(courses, effort), "path": along_path(effort),
        "swamps": {str(strength): swamp(strength, courses[strength], effort) for strength in effort.swamps},
        "without": without_penalty(effort), "sparse": sparse_path(effort),
    }  # fmt: skip


def ridge(strength: float) -> dnmf.Penalty:
    """Return the penalty ``strength ‖X‖²`` of every factor X."""
    return dnmf.Penalty(l2=2 * strength, scale="objective")


def squares(array: np.ndarray, factors: Factors, strength: float) -> float:
    """Return half the squared residual and the ridge."""
    factors = left_of(factors)
    return float(0.5 * np.sum((array - array_of(factors)) ** 2) + strength * sum(np.sum(X**2) for X in factors))


def balanced(factors: Factors) -> Factors:
    """Return the same components with the norms of all vectors of each the same, where ridge costs least."""
    norms = np.stack([np.linalg.norm(X, axis=0) for X in factors])
    alike = np.prod(norms, axis=0) ** (1 / 3)
    return [X * (alike / np.where(own > 0, own, 1)) for X, own in zip(factors, norms, strict=True)]


def scaled_to(array: np.ndarray, factors: Factors, strength: float) -> Factors:
    """Return all factors times the number at which the objective is least."""
    model = array_of(factors)
    of_ridge = strength * sum(np.sum(X**2) for X in factors)
    roots = np.roots([3 * np.vdot(model, model), 0, 0, -3 * np.vdot(array, model), 2 * of_ridge, 0])
    return [X * roots[np.abs(roots.imag) < 1e-9].real.max() for X in factors]


def hals(array: np.ndarray, start: Factors, strength: float, sweeps: int, way: str) -> Course:
    """Return the course of tensorly's HALS with ridge, in the loop that its nonnegative CP has without it."""
    factors, course = [X.copy() for X in start], Course([], [])
    if way != NEVER:
        factors = balanced(scaled_to(array, balanced(factors), strength))
    for _ in range(sweeps):
        for axis in range(3):
            factors[axis] = _solved(array, factors, axis, strength)
        if way == EVERY:
            factors = balanced(factors)
        course.objectives.append(squares(array, factors, strength))
        course.alive.append(alive_of(factors))
    return course


def _solved(array: np.ndarray, factors: Factors, axis: int, strength: float) -> np.ndarray:
    """The factor of one axis after some sweeps over its columns."""
    from tensorly.cp_tensor import unfolding_dot_khatri_rao
    from tensorly.solvers.nnls import hals_nnls

    gram = np.prod([X.T @ X for other, X in enumerate(factors) if other != axis], axis=0)
    products = unfolding_dot_khatri_rao(array, (np.ones(RANK), factors), axis)
    return hals_nnls(products.T, gram, factors[axis].T.copy(), n_iter_max=INNER, ridge_coefficient=strength).T


def hals_courses(strength: float, effort: Effort) -> dict[str, list[Course]]:
    """Return the courses of HALS for each way of balancing, one for each seed."""
    return {
        way: [hals(dense_array(seed), start_of(seed), strength, effort.sweeps, way) for seed in range(effort.seeds)]
        for way in BALANCED
    }


def dnmf_course(array: np.ndarray, start: Factors, strength: float, passes: int, *, diagonal: bool) -> Course:
    """Return the course of dnmf from the same start, balanced or not."""
    penalty = dnmf.Penalty(l2=2 * strength, scale="objective", diagonal=diagonal)
    given = {f"axis_{axis}": start[axis] for axis in (1, 2)}
    model = dnmf.cp(array, RANK, penalty=penalty, factors=given, dtype="float64", tol=1e-8, max_passes=passes)
    objectives = np.minimum.accumulate([record.objective for record in model.history]).tolist()
    return Course(objectives, [model.alive] * len(objectives))


def components(courses: dict[float, dict[str, list[Course]]], effort: Effort) -> dict[str, Any]:
    """Return for each way of balancing, over the strengths, components early and at the end, and objectives."""
    return {way: [_counted(of[way], effort) for of in courses.values()] for way in BALANCED}


def _counted(courses: list[Course], effort: Effort) -> dict[str, float]:
    """Components and objectives (over ‖A‖²) after some sweeps and at the end."""
    of_data = [np.sum(dense_array(seed) ** 2) for seed in range(effort.seeds)]
    early = min(effort.early, effort.sweeps)
    return {
        "alive_early": _median(course.alive[early - 1] for course in courses),
        "alive": _median(course.alive[-1] for course in courses),
        "loss_early": _median(course.until(early) / of for course, of in zip(courses, of_data, strict=True)),
        "loss": _median(course.until(effort.sweeps) / of for course, of in zip(courses, of_data, strict=True)),
    }


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def along_path(effort: Effort) -> dict[str, Any]:
    """Return what `dnmf.path` finds over all strengths from its own start, with what it reads and takes."""
    runs = []
    for seed in range(effort.seeds):
        array = dense_array(seed)
        found, taken = timed(
            lambda array=array, seed=seed: dnmf.path(
                array, RANK, ridge(1.0), effort.strengths, structure="cp", seeds=[seed], dtype="float64",
                measures="cheap",
            )
        )  # fmt: skip
        runs.append((found, taken.cpu_s, np.sum(array**2)))
    return {
        "alive": [_median(found.rows[at].alive for found, *_ in runs) for at in range(len(effort.strengths))],
        "loss": [
            _median(found.rows[at].objective / of for found, _, of in runs) for at in range(len(effort.strengths))
        ],
        "reads": _median(found.reads for found, *_ in runs),
        "cpu_s": _median(cpu_s for _, cpu_s, _ in runs),
    }


def swamp(strength: float, of_hals: dict[str, list[Course]], effort: Effort) -> dict[str, Any]:
    """Return how all ways come down from the same starts: their medians above the least objective of any of them."""
    ways = dict(of_hals)
    for way, diagonal in ((UNBALANCED, False), (DNMF, True)):
        ways[way] = [
            dnmf_course(dense_array(seed), start_of(seed), strength, effort.passes, diagonal=diagonal)
            for seed in range(effort.seeds)
        ]
    least = [min(min(of[seed].objectives) for of in ways.values()) for seed in range(effort.seeds)]
    at = sorted({round(number) for number in np.geomspace(1, effort.sweeps, 46)})
    return {"at": at, "ways": {way: _came_down(courses, least, at) for way, courses in ways.items()}}


def _came_down(courses: list[Course], least: list[float], at: list[int]) -> dict[str, Any]:
    """The line of one way, as far as its longest run goes, and where it ends."""
    longest = max(len(course.objectives) for course in courses)
    shown = [number for number, before in zip(at, [0, *at], strict=False) if before < longest]
    of_seeds = list(zip(courses, least, strict=True))
    return {
        "above": [float(f"{_median(run.until(number) / of - 1 for run, of in of_seeds):.4g}") for number in shown],
        "settled": _median(course.settled for course in courses),
        "length": _median(len(course.objectives) for course in courses),
        "alive": _median(course.alive[-1] for course in courses),
    }


def main(path: Path) -> None:
    """Measure what the job at `path` asks for and write the result beside it, as ``result.json``."""
    told = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(path.read_text()).items()
    }
    stay_on_one_processor()
    path.with_name("result.json").write_text(json.dumps(measured(Effort(**told))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
