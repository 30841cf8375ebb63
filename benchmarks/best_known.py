"""The best error known of each matrix: ``python -m benchmarks.best_known [--only NAME]`` writes best_known.json.

Restarts from random and from sampled starts, extrapolated, without a tolerance. This takes long; it is run when a
matrix or the way to the best error changes, not with the suite.
"""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.objective import relative_error
from benchmarks.peers import run_dnmf
from benchmarks.problems import Problem, problems
from benchmarks.suite import describe

PLACE = Path(__file__).with_name("best_known.json")
STARTS = ("random", "sample")


def find(problem: Problem, restarts: int, passes: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the lowest error of `restarts` fits of `passes` passes from each kind of start, and how it was found."""
    matrix, errors = problem.load(), {}
    for seed in range(restarts):
        for start in STARTS:
            found = run_dnmf(matrix, problem.rank, seed, passes, init=start)
            errors[start, seed] = relative_error(matrix, found.W, found.H)
            say(f"{problem.name}, {start} start, seed {seed}: {errors[start, seed]:.6f}")
    start, seed = min(errors, key=errors.__getitem__)
    told = describe(problem, matrix)
    return {
        "error": errors[start, seed],
        "found": {"start": start, "seed": seed, "passes": passes, "date": datetime.now(UTC).date().isoformat()},
        "tried": {"fits": len(errors), "passes": passes, "worst": max(errors.values())},
        "matrix": {name: told[name] for name in ("shape", "nonzeros", "rank")},
    }


def lower(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Return the new record, with the error of the old one where that is lower and of the same matrix."""
    if old is None or old["matrix"] != new["matrix"] or new["error"] <= old["error"]:
        return new
    return {**new, "error": old["error"], "found": old["found"]}


def known(place: Path = PLACE) -> dict[str, dict[str, Any]]:
    """Return the records by problem."""
    return json.loads(place.read_text()) if place.exists() else {}


def main(arguments: list[str] | None = None) -> None:
    """Find what the command line asks for; the file is written after each matrix."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.best_known", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", help="only this matrix (may be repeated)")
    parser.add_argument("--restarts", type=int, default=10, help="from each kind of start (default: 10)")
    parser.add_argument("--passes", type=int, default=300, help="of each (default: 300)")
    parser.add_argument("--out", type=Path, default=PLACE, help="the file (default: best_known.json here)")
    chosen = parser.parse_args(arguments)
    for problem in problems():
        if chosen.only and problem.name not in chosen.only:
            continue
        records = known(chosen.out)
        found = find(problem, chosen.restarts, chosen.passes, print)
        records[problem.name] = lower(records.get(problem.name), found)
        chosen.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
