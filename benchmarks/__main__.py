"""``python -m benchmarks``: run the suite, or a part of it, and write RESULTS.md and results.json.

What is not measured anew keeps its figures, so that the suite can be run in pieces.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import best_known, report, suite
from benchmarks.besides import BESIDES
from benchmarks.peers import Peer, peers
from benchmarks.problems import Problem, problems

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
QUICK_RESTARTS, QUICK_PASSES = 2, 40


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for; the files are written after each matrix."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    every, usual = peers(), [peer for peer in peers() if not (chosen.quick and peer.optional)]
    some = _named(parser, chosen.only, problems(chosen.quick), besides=BESIDES)
    against = _named(parser, chosen.peer, every) if chosen.peer else usual
    if chosen.quick:
        _run(some, against, 1, chosen.out)
        return
    folder = chosen.out or Path(__file__).parent
    for name, beside in BESIDES.items():
        if not chosen.only or name in chosen.only:
            record = beside.measure(some or problems())
            report.write(folder, {**report.read(folder), name: record})
            for path in beside.draw(record, chosen.out or PICTURES):
                print(f"wrote {path}")
    _run(some, against, chosen.seeds, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two small matrices, one seed: to see that it works")
    besides = ", ".join(BESIDES)
    parser.add_argument("--only", metavar="NAME", action="append", help=f"a matrix, or one of {besides} (repeatable)")
    parser.add_argument("--peer", metavar="NAME", action="append", help="only this program (repeatable)")
    parser.add_argument("--seeds", type=int, default=9, help="most seeds of a program (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for results and pictures (default: the committed ones)")
    return parser


def _named(
    parser: argparse.ArgumentParser, names: list[str] | None, every: Sequence[Any], besides: Sequence[str] = ()
) -> list:
    """The entries with these names, all where none are given."""
    known = [entry.name for entry in every]
    wrong = set(names or ()) - {*known, *besides}
    if wrong:
        parser.error(f"nothing here is called {', '.join(sorted(wrong))}; there are {', '.join(known)}")
    return [entry for entry in every if not names or entry.name in names]


def _run(some: list[Problem], against: list[Peer], seeds: int, folder: Path | None) -> None:
    """Measure and write; without a folder only the page is printed."""
    results = report.read(folder) if folder else {}
    for problem in some:
        best = best_known.known().get(problem.name) or best_known.find(problem, QUICK_RESTARTS, QUICK_PASSES, print)
        record = suite.measure_problem(problem, best, against, seeds, print)
        before = results.get("problems", {})
        record = suite.merged(before.get(problem.name), record)
        record["peers"] = _ordered(record["peers"], [peer.name for peer in peers()])
        results["problems"] = _ordered({**before, problem.name: record}, [one.name for one in problems()])
        if folder:
            report.write(folder, results)
    if not folder:
        print(report.markdown(results))


def _ordered(records: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The records in the order of their names; those of other names come last."""
    known = [name for name in names if name in records]
    return {name: records[name] for name in [*known, *(name for name in records if name not in known)]}


if __name__ == "__main__":
    main()
