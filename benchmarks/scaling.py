"""``python -m benchmarks.scaling``: measure what the scaling model needs, hold it against a simulated cluster, write
``scaling.json`` and the tables of ``docs/scaling.md``.

Nothing else should run meanwhile: CPU seconds grow a little on a busy machine, and the simulated passes take longer.
"""

import argparse
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import reliability_page, scaling_constants, scaling_page
from benchmarks.scaling_model import plan_of
from benchmarks.scaling_page import HUNDRED_TB
from benchmarks.simulated_cluster import describe, measure, simulated_workers
from benchmarks.suite import environment

ROWS = {"dense": 10 * 419, "sparse": 16_000}  # of the matrices that are measured: ten whole chunks, and 130 MB
WARM_UP_VISITS = 100
TO_FIT = ((16, 4, 200, 0.5), (32, 4, 400, 0.1), (128, 4, 1500, 0.1), (512, 2, 3000, 0.1), (1000, 1, 3000, 0.1))
TO_CHECK = ((16, 8, 500, 0.5), (128, 8, 2500, 0.5), (1000, 4, 10_000, 0.5), (128, 8, 2500, 2.0))
FEW = ((32, 8, 256, 1.0), (32, 8, 512, 1.0), (32, 8, 520, 1.0), (128, 8, 1024, 1.0))


def simulate(cases: Sequence[tuple[int, int, int, float]]) -> Iterator[dict[str, Any]]:
    """Yield a pass for each (workers, threads, visits, sleep_s) as JSON values."""
    for workers, threads, visits, sleep_s in cases:
        with simulated_workers(workers, threads) as client:
            measure(client, WARM_UP_VISITS, sleep_s)  # dask remembers how long visits last, and steals by it
            one = measure(client, visits, sleep_s)
        say(describe(one))
        yield asdict(one)


def plan_cost() -> dict[str, float]:
    """Return what the plan of 100 TB takes, and how large it is in a graph."""
    began = time.process_time()
    plan = plan_of(HUNDRED_TB, 20)
    return {"cpu_s": time.process_time() - began, "groups": len(plan.groups), "panels": plan.n_panels,
            "pickled_bytes": len(pickle.dumps(plan.groups))}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for, and write the results and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--only", choices=("constants", "simulated", "tables"), help="the rest keeps its figures")
    chosen = parser.parse_args(arguments)
    results = scaling_page.read_results()
    if chosen.only in (None, "constants"):
        results["constants"] = scaling_constants.measure_constants(ROWS)
        results["plan"] = plan_cost()
    if chosen.only in (None, "simulated"):
        for name, cases in (("scheduler", TO_FIT), ("checks", TO_CHECK), ("few", FEW)):
            results[name] = list(simulate(cases))
    if chosen.only != "tables":
        results["environment"] = environment()
    scaling_page.write(results)
    reliability_page.write()  # a decision has a table that follows from them


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
