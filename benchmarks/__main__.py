"""``python -m benchmarks``: run the suite and write RESULTS.md and results.json."""

import argparse
from pathlib import Path

from benchmarks import report, suite
from benchmarks.peers import peers
from benchmarks.problems import problems


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small problems, two seeds: to see that it works")
    parser.add_argument("--seeds", type=int, help="default: 5")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this problem (may be repeated)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    chosen = parser.parse_args(arguments)
    some = [problem for problem in problems(chosen.quick) if not chosen.only or problem.name in chosen.only]
    if not some:
        parser.error(f"no problem is called that; there are {', '.join(p.name for p in problems(chosen.quick))}")
    seeds = chosen.seeds or (2 if chosen.quick else 5)
    measurements = suite.run(some, peers(chosen.quick), seeds, print)
    report.write(chosen.out, measurements, suite.environment())
    print(f"wrote {chosen.out / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
