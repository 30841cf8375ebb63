"""What a pass costs the client and the scheduler: fitted to simulated passes, and predicted for others."""

from collections.abc import Sequence
from statistics import median

import numpy as np

from benchmarks.scaling_given import Constants
from benchmarks.scaling_model import levels, rounds
from benchmarks.simulated_cluster import Simulated


def fit_scheduler(passes: Sequence[Simulated]) -> dict[str, float]:
    """Return what a task costs client and scheduler, from simulated passes with different numbers of workers."""
    from scipy.optimize import nnls

    per_task = [one.run_cpu_s / one.tasks for one in passes]
    (run_s, run_s_per_worker), _ = nnls(np.array([[1.0, one.workers] for one in passes]), np.array(per_task))
    return {
        "start_s": median(one.start_cpu_s / one.tasks for one in passes),
        "run_s": float(run_s),
        "run_s_per_worker": float(run_s_per_worker),
        "level_s": min(one.tail_s / levels(one.visits) for one in passes),  # the rest had a queue before it
    }


def predict(one: Simulated, constants: Constants) -> tuple[float, float]:
    """Return the CPU seconds of client and scheduler, and the wall time, that the model has for a simulated pass."""
    start = constants.start_s * one.tasks
    run = (constants.run_s + constants.run_s_per_worker * one.workers) * one.tasks
    sleeping = rounds(one.visits, one.slots) * one.sleep_s
    return start + run, start + max(run, sleeping) + constants.level_s * levels(one.visits)
