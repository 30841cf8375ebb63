"""The records of the suite as a Markdown page for people; ``results.json`` beside it is for programs."""

import json
from collections.abc import Callable
from math import floor, isinf, log10
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.besides import BESIDES
from benchmarks.reached import Reached, Spread, reached

HEAD = """# Results

Written by `python -m benchmarks`; do not edit. How fast dnmf and other programs are on the same matrices, each figure
beside the error it belongs to.

* **Where.** Each program runs on each matrix in a process of its own that stays on one processor, BLAS on one thread,
  one after the other. Matrices are float32 (RcppML computes in float64). Only ratios within one run travel to other
  machines.
* **When.** Each has run on a piece of the matrix and once on all of it before anything is timed: imports and
  compilation do not count (they are below).
* **An iteration** (of dnmf: a pass, with its exact non-negative solve of every row) is the difference of two runs of
  different length, divided (the peers' from a random start, dnmf's from its own, which costs the same in both); the
  median of up to 3.
* **To a quality** is from matrix to factors, start included: the shortest run of a grid (every number of iterations
  up to 10, then steps of 15 %) whose error, recomputed from its factors in float64, is within that share of the best
  error known (errors are taken to fall along the grid). Median over the seeds, and the worst seed in brackets. No
  tolerance stops a run. A run foreseen to take longer than the CPU seconds said above a table is not tried; where none
  came to the quality, the table says how far the longest came.
* **Reads** of dnmf are counted by itself, those of its start included. For the others an iteration reads twice
  (MiniBatchNMF: once), and what their starts read is not counted.
* **Memory** is the peak of the process (of RcppML: of R) during a fit less what it took before, matrix loaded.
* scikit-learn, nmf-torch and torchnmf start as they do by default. nmf-torch, torchnmf and RcppML end by themselves
  where nothing changes any more or the error rises. A program that makes more than 2 GB of a sparse matrix (dense, or a
  number for each value and component) is not run on it.
"""
Record = dict[str, Any]


def markdown(results: Record) -> str:
    """Return the page of all records there are."""
    parts = [HEAD]
    problems = results.get("problems", {})
    if problems:
        parts.append(_overview(problems))
    for name, beside in BESIDES.items():
        if name in results:
            parts.append(beside.section(results[name], _environment(results[name]["environment"])))
    parts += [_problem(name, record) for name, record in problems.items()]
    return "\n".join(parts)


def _overview(problems: dict[str, Record]) -> str:
    names = list(dict.fromkeys(name for record in problems.values() for name in record["peers"]))
    lines = ["## CPU seconds to within 0.2 % of the best error known", "", _row(["", *names]), _rule(len(names))]
    for problem, record in problems.items():
        lines.append(_row([problem, *(_overview_cell(record, name) for name in names)]))
    return "\n".join([*lines, "", "A dash: not run, or not that near; the tables below say which.", ""])


def _overview_cell(record: Record, peer: str) -> str:
    section = record["peers"].get(peer, {"skipped": ""})
    if "skipped" in section or 0.002 not in record["within"]:
        return "–"
    found = reached(section["runs"], record["best"]["error"] * 1.002)
    return _spread(found.spread("cpu_s"), _seconds) if found.by_most else "–"


def _problem(name: str, record: Record) -> str:
    best = record["best"]
    told = [record["what"], _size(record), f"best error known {best['error']:.5f} ({_how(best)})"]
    lines = [f"## {name}", "", " · ".join([*told, f"runs of up to {record['longest_s']:g} CPU s"]), ""]
    heads = ["", "CPU ms, an iteration", "wall ms"]
    for share in record["within"]:
        heads += [f"to {best['error'] * (1 + share):.5f} ({100 * share:g} %): CPU s", "reads"]
    lines += [_row([*heads, "memory", "seeds"]), _rule(len(heads) + 1)]
    lines += [_row([peer, *_cells(section, record)]) for peer, section in record["peers"].items()]
    notes = [*_bytes_read(record), *_lower(record), *_environments(record)]
    return "\n".join([*lines, "", *notes, ""])


def _cells(section: Record, record: Record) -> list[str]:
    if "skipped" in section:
        return [f"not run: {section['skipped']}", *[""] * (3 + 2 * len(record["within"]))]
    cells = [_milliseconds(section["step"][name]) for name in ("cpu_s", "wall_s")]
    for share in record["within"]:
        cells += _quality(reached(section["runs"], record["best"]["error"] * (1 + share)))
    added = section["added_bytes"]
    seeds = len({run["seed"] for run in section["runs"]})
    return [*cells, "–" if added is None else _megabytes(added), str(seeds)]


def _quality(found: Reached) -> list[str]:
    """The two cells of a quality: CPU seconds and reads; or how far the longest runs came."""
    if found.by_most:
        return [_spread(found.spread("cpu_s"), _seconds), _spread(found.spread("reads"), _reads)]
    error, done, cpu_s = (median(run[name] for run in found.longest) for name in ("error", "done", "cpu_s"))
    some = f" ({len(found.shortest)} of {len(found.shortest) + len(found.longest)} seeds did)" if found.shortest else ""
    return [f"no{some}: {error:.5f} in {_seconds(cpu_s)} s", f"{done:.0f} iterations"]


def _spread(spread: Spread | None, show: Callable[[float], str]) -> str:
    """Median and, where the seeds differ, the worst."""
    if spread is None:
        return "–"
    middle, worst = show(spread.median), "never" if isinf(spread.worst) else show(spread.worst)
    return middle if middle == worst else f"{middle} ({worst})"


def _seconds(seconds: float) -> str:
    """Two digits that say something."""
    return f"{seconds:.{max(0, 1 - floor(log10(max(seconds, 1e-4))))}f}"


def _reads(reads: float) -> str:
    return f"{reads:.1f}".removesuffix(".0")


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 0.1 else f"{1e3 * seconds:,.0f}"


def _megabytes(amount: float) -> str:
    return f"{amount / 1e6:,.{int(amount < 1e7)}f} MB"


def _bytes_read(record: Record) -> list[str]:
    """A line about the peers that count the bytes they read."""
    told = []
    for peer, section in record["peers"].items():
        found = reached(section.get("runs", []), record["best"]["error"] * (1 + min(record["within"])))
        spread = found.spread("bytes_read")
        if spread and found.by_most:
            most = "" if isinf(spread.worst) else f" (at most {_megabytes(spread.worst)})"
            share = f"{100 * min(record['within']):g} %"
            told.append(f"{peer} read {_megabytes(spread.median)}{most} on the way to within {share}.")
    return told


def _lower(record: Record) -> list[str]:
    lowest = min((run["error"] for one in record["peers"].values() for run in one.get("runs", [])), default=1.0)
    if lowest >= record["best"]["error"] * (1 - 1e-5):
        return []
    return [f"A run here came to {lowest:.6f}, below the best error known before: find that anew."]


def _environments(record: Record) -> list[str]:
    """When and on what it was measured; more than one line where peers were measured apart."""
    by_text: dict[str, list[str]] = {}
    for peer, section in record["peers"].items():
        by_text.setdefault(_environment(section["environment"]), []).append(peer)
    if len(by_text) == 1:
        return list(by_text)
    return [f"{', '.join(some)}: {text}  " for text, some in by_text.items()]


def _environment(told: Record) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    machine = f"{told['processors']} processors, {told['architecture']} {told['vectors']}".rstrip()
    return f"{told['date']} · Python {told['python']}, {versions} · {machine}"


def _size(record: Record) -> str:
    rows, columns = record["shape"]
    filled = "dense"
    if record["nonzeros"] is not None:
        filled = f"{record['nonzeros']:,} non-zeros ({100 * record['nonzeros'] / (rows * columns):.1f} %)"
    return f"{rows:,} × {columns:,}, {filled}, rank {record['rank']}"


def _how(best: Record) -> str:
    tried = best["tried"]
    return f"of {tried['fits']} dnmf fits of {tried['passes']} passes, from random and from sampled starts"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(numbers: int) -> str:
    return "|---|" + "---|" * numbers


def read(folder: Path) -> Record:
    """Return what ``results.json`` in `folder` says; nothing where there is none."""
    place = folder / "results.json"
    return json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}


def write(folder: Path, results: Record) -> None:
    """Write ``results.json`` and the page ``RESULTS.md`` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(markdown(results), encoding="utf-8")
