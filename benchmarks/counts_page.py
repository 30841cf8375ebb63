"""The records of :mod:`benchmarks.counts` as a section of the page, and of docs/losses.md."""

from math import inf
from statistics import median
from typing import Any

LOSSES = ("kullback-leibler", "frobenius")
HEAD = (
    "matrix, rank", "scikit-learn `mu`: D", "CPU s", "dnmf to that D: reads", "CPU s", "less CPU",
    "to 0.2 % above the best D", "reads", "CPU s", "a pass: CPU ms", "of least squares",
)  # fmt: skip


def counts_section(record: dict[str, Any], environment: str) -> str:
    """Return the section: what it takes to come as far as scikit-learn under the divergence of counts."""
    told = (
        f'scikit-learn\'s multiplicative updates (`solver="mu"`, nndsvda) after {record["iterations"]} iterations, and '
        "what dnmf takes to their divergence D = Σ a log(a/p) − a + p, recomputed from the factors, and to 0.2 % above "
        "the lowest that is known: fits of the fewest passes, start and last pass included, median of three seeds and "
        "the worst in brackets."
    )
    return "\n".join(["## Counts, under Kullback–Leibler", "", told, "", *table(record), "", environment, ""])


def table(record: dict[str, Any]) -> list[str]:
    """Return the lines of the table."""
    rows = [_cells(name, one) for name, one in record["problems"].items()]
    return [_row(HEAD), "|---" * len(HEAD) + "|", *map(_row, rows)]


def _cells(name: str, one: dict[str, Any]) -> list[str]:
    theirs, ours = one["scikit-learn"], one["to scikit-learn"]
    less = theirs["cpu_s"] / median(_of(ours, "cpu_s"))
    own, shared = (one["pass_cpu_s"][loss] for loss in LOSSES)
    return [
        f"{name}, {one['rank']}", f"{theirs['divergence']:,.0f}", f"{theirs['cpu_s']:.0f}",
        _spread(_of(ours, "reads")), _spread(_of(ours, "cpu_s")), f"{less:.0f} ×",
        f"{1.002 * one['best']:,.0f}", *(_spread(_of(one["to the best"], what)) for what in ("reads", "cpu_s")),
        f"{1e3 * own:.0f}", f"{own / shared:.1f} ×",
    ]  # fmt: skip


def _of(fits: list[dict[str, float] | None], what: str) -> list[float]:
    return [inf if fit is None else fit[what] for fit in fits]


def _spread(values: list[float]) -> str:
    middle, worst = (f"{value:.1f}" if value < inf else "never" for value in (median(values), max(values)))
    return middle if middle == worst else f"{middle} ({worst})"


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
