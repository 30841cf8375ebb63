"""``python -m benchmarks.regularization``: what penalties do along their strengths, beside what others found.

RcppML's rule on hawaiibirds beside RcppML itself, the relative scale on three matrices, and penalties in the objective
on examples whose answers are known. Writes REGULARIZATION.md, regularization.json and the pictures of
docs/regularization.md. What needs data that is not at hand is skipped, and the page says so.
"""

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from benchmarks.regularization import objectives, pictures, studies
from benchmarks.regularization.page import markdown
from benchmarks.suite import environment

FOLDER = Path(__file__).resolve().parents[1]
QUICK = (0.0, 0.3, 1.0)
INNERMOST = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")


def measured(quick: bool) -> dict[str, Any]:
    """Return all figures of the page; `quick`: few, of small matrices that need no data."""
    began = time.perf_counter()
    if quick:
        small, path, deaths = studies.planted(), objectives.path(QUICK), {}
        cases, of_rule, of_relative = [small], studies.absolute(None), {small.name: studies.relative(small, QUICK)}
    else:
        known = {name: studies.load(name) for name in studies.FILES}
        cases = [case for case in known.values() if case is not None]
        of_rule, of_relative = studies.absolute(known["hawaiibirds"]), studies.relative_studies(known)
        path, deaths = objectives.path(), {prune: objectives.deaths(prune) for prune in objectives.PRUNES}
    record = {
        "environment": environment(), "absolute": of_rule, "relative": of_relative,
        "fractions": objectives.fractions(cases), "path": path, "deaths": deaths, "ridge": objectives.ridge_ranks(),
        "wrong_scales": objectives.wrong_scales(), "swamps": objectives.swamps(),
        "moved_weights": objectives.moved_weights(), "one_sided": objectives.one_sided(),
    }  # fmt: skip
    return {**record, "seconds": time.perf_counter() - began}


def write(record: dict[str, Any], folder: Path) -> None:
    """Write REGULARIZATION.md and regularization.json into `folder`; a row of numbers is a line of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    text = INNERMOST.sub(lambda row: "[" + re.sub(r"\s+", " ", row[1]) + "]", json.dumps(record, indent=1))
    (folder / "regularization.json").write_text(text + "\n", encoding="utf-8")
    (folder / "REGULARIZATION.md").write_text(markdown(record), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regularization", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few strengths and small matrices: to see that it works")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of page and figures (%(default)s)")
    parser.add_argument("--pictures", type=Path, help="folder of the pictures (docs/pictures, or --out with --quick)")
    chosen = parser.parse_args(arguments)
    record = measured(chosen.quick)
    write(record, chosen.out)
    usual = chosen.out if chosen.quick else FOLDER.parent / "docs" / "pictures"
    for path in pictures.draw(record, chosen.pictures or usual):
        print(f"wrote {path}")
    print(f"wrote {chosen.out / 'REGULARIZATION.md'} in {record['seconds']:.0f} s")


if __name__ == "__main__":
    main()
