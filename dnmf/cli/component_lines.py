"""The table of the components of a model, as wide as a terminal where it is read on one."""

import math
import shutil
import sys
from typing import Any

from dnmf.amounts import percent

MOST_COLUMNS = 100


def terminal_columns() -> int:
    """Return how wide pictures of characters, and lines on a terminal, may be."""
    return min(MOST_COLUMNS, shutil.get_terminal_size((MOST_COLUMNS, 24)).columns)


def on_terminal() -> bool:
    """Whether results are read on a terminal; a file or another program wants each on one line."""
    return sys.stdout is not None and sys.stdout.isatty()


def component_lines(components: list[dict[str, Any]], side: str) -> list[str]:
    """Return a table: the weight of each component, its share, and its strongest columns, or rows."""
    of_rows = side == "W"
    named = "rows (share of the component's column of W)" if of_rows else "columns (share of the component's row of H)"
    axes = [axis for axis in _by_axis(components[0]["top"] if components else []) if axis not in ("row", "column")]
    named = f"along {' and '.join(axes)} (share of the component's vector)" if axes else named
    leads = f"{'leads rows':>10}  " * of_rows
    lines = [f"{'component':>9}  {'weight d':>10}  {'share':>6}  {leads}strongest {named}"]
    for entry in components:
        head = f"{entry['number']:>9}  {entry['weight']:>10.3e}  {100 * entry['share']:>4.1f} %  "
        head += f"{entry['rows']:>10,}  " if of_rows else ""
        by_axis = _by_axis(entry["top"])
        alike = max((len(f"{axis}: ") for axis in by_axis), default=0) if axes else 0
        for axis, top in by_axis.items() or {"": []}.items():
            label = f"{f'{axis}: ':<{alike}}" if axis and axes else ""
            lines.append(head + label + _listed(top, len(head) + alike))
            head = " " * len(head)
    return lines


def _by_axis(top: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Entries by what they are: columns, rows, or those of an axis."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in top:
        found.setdefault(next(iter(entry)), []).append(entry)
    return found


def _listed(top: list[dict[str, Any]], indent: int) -> str:
    """All names with their shares, on a terminal those that do not fit a line below the others."""
    lines, most = [""], terminal_columns() if on_terminal() else math.inf
    for number, place in enumerate(top, 1):
        piece = f"{place['name']} {percent(place['share'], ' ')}" + ", " * (number < len(top))
        if lines[-1] and indent + len((lines[-1] + piece).rstrip()) > most:
            lines.append("")
        lines[-1] += piece
    return ("\n" + " " * indent).join(line.rstrip() for line in lines) or "none: this component is zero"
