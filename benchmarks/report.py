"""Measurements as a Markdown page for people and as JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.suite import Measurement

HEAD = "| | reads | relative error, median | worst | CPU s, median | wall s, median |\n|---|---|---|---|---|---|"


def _groups(measurements: Iterable[Measurement]) -> dict[str, dict[str, list[Measurement]]]:
    groups: dict[str, dict[str, list[Measurement]]] = {}
    for one in measurements:
        groups.setdefault(one.problem, {}).setdefault(one.peer, []).append(one)
    return groups


def _row(peer: str, some: Sequence[Measurement]) -> str:
    errors = [one.error for one in some]
    reads, cpu, wall = (median(getattr(one, name) for one in some) for name in ("reads", "cpu_s", "wall_s"))
    return f"| {peer} | {reads:.1f} | {median(errors):.5f} | {max(errors):.5f} | {cpu:.2f} | {wall:.2f} |"


def _size(one: Measurement) -> str:
    rows, columns = one.shape
    entries = "dense" if one.nonzeros is None else f"{one.nonzeros:,} non-zeros"
    return f"{rows:,} × {columns:,}, {entries}, rank {one.rank}"


def markdown(measurements: Sequence[Measurement], environment: dict[str, Any]) -> str:
    """Return the page: how it was measured, then a table for each problem."""
    packages = ", ".join(f"{name} {number}" for name, number in environment["packages"].items())
    seeds = len({one.seed for one in measurements})
    lines = [
        "# Results",
        "",
        "Written by `python -m benchmarks`; do not edit. Every program runs in one process in the same run, float32,",
        f"BLAS on one thread, {seeds} seeds. dnmf uses the threads of its process beside that; compare CPU seconds.",
        "The error is recomputed from the factors in float64, the same way for all. Reads of dnmf include its start;",
        "scikit-learn's (from its default start, tol=0) are two an iteration, those of its start not counted. Only",
        "ratios within one run travel to other machines.",
        "",
        f"{environment['date']} · Python {environment['python']} · {packages} · {environment['processors']} processors "
        f"({environment['architecture']})",
    ]
    for problem, by_peer in _groups(measurements).items():
        first = next(iter(by_peer.values()))[0]
        lines += ["", f"## {problem}", "", _size(first), "", HEAD]
        lines += [_row(peer, some) for peer, some in by_peer.items()]
    return "\n".join(lines) + "\n"


def write(folder: Path, measurements: Sequence[Measurement], environment: dict[str, Any]) -> None:
    """Write ``RESULTS.md`` and ``results.json`` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"environment": environment, "measurements": [asdict(one) for one in measurements]}
    (folder / "results.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(markdown(measurements, environment), encoding="utf-8")
