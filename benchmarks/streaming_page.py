"""The part of the page on data out of core that is about streaming."""

from collections.abc import Sequence
from typing import Any

HEADING = "What one would stream with instead"


def section(record: dict[str, Any]) -> str:
    """Return it, behind its heading."""
    told, facts = record["settings"], record["environment"]
    times = [f"after {times} ×" for times in told["times"][1:]]
    heads = ["", "", "after dnmf's CPU", *times, "dnmf is as far after"]
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    lines = [
        *_preface(told),
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(line for name, store in record["stores"].items() for line in _lines(name, store, len(told["times"]))),
        "",
        f"{facts['date']} · {versions} · one of {facts['processors']} processors",
    ]
    return "\n".join(lines) + "\n"


def _preface(told: dict[str, Any]) -> list[str]:
    return [
        "Written by `python -m benchmarks.streaming`; do not edit. Each program has a process of its own, one",
        "processor and the same store, laid out as above. dnmf is a fit at its defaults, W included, under a limit of",
        f"{told['memory_limit']}, which keeps nothing of the data between passes but its sample. The others are handed",
        "blocks of rows in order, as Zarr reads them, and begin again after the last one: MiniBatchNMF",
        f"{told['batch_rows']:,} rows, its default batch; Nmf {told['read_rows']:,}, documents of a sparse matrix that",
        "it cuts into chunks of its own, its sums beginning anew with each call. MiniBatchNMF as it is forgets 30 %",
        "with each batch; its `fit` does so with each read, to which `forget_factor` can be set. They are stopped",
        "after the batch in which they have taken as many CPU seconds as the fit, or twice as many; imports and a",
        "first call on a few rows do not count. Errors are ‖A − WH‖ / ‖A‖ over all rows with the best W ≥ 0 for the",
        "final H, found for each of them by the same pass in float64, which does not count either. The last column is",
        "the first pass of the fit whose own error is no larger than the last one of the line.",
    ]


def _lines(name: str, store: dict[str, Any], cells: int) -> list[str]:
    """Return a line for each program."""
    rows, columns = store["shape"]
    what = f"{name}: {store['what']}, {rows:,} × {columns:,}, rank {store['rank']}"
    passes = store["programs"]["dnmf"]["passes"]
    lines = []
    for program, found in store["programs"].items():
        texts = [found] if isinstance(found, str) else [_came_to(**mark) for mark in found["marks"]]
        as_far = "" if isinstance(found, str) or program == "dnmf" else _as_far(found["marks"][-1]["error"], passes)
        padding = [""] * (cells - len(texts))
        lines.append(f"| {' | '.join(['' if lines else what, program, *texts, *padding, as_far])} |")
    return lines


def _came_to(error: float, reads: float, cpu_s: float, reading_s: float) -> str:
    of_which = f", of which reading {reading_s:.1f}" if reading_s else ""
    return f"**{error:.5f}** ({reads:.1f} reads, {cpu_s:.1f} s{of_which})"


def _as_far(error: float, passes: Sequence[dict[str, float]]) -> str:
    reached = next((one for one in passes if one["error"] <= error), None)
    return f"{reached['reads']:.1f} reads, {reached['cpu_s']:.1f} s" if reached else "never"
