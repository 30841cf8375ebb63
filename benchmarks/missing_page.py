"""The records of :mod:`benchmarks.missing` as a section of the page, and of docs/missing.md."""

from typing import Any

MEANS = {"0": "means of films and of users", "5": "the same, drawn to 0 by five ratings"}


def missing_section(record: dict[str, Any], environment: str) -> str:
    """Return the section: held-out ratings, holes that are filled, and what a pass costs."""
    planted = record["planted"]
    rows, columns = planted["shape"]
    told = (
        f"A planted matrix of rank {planted['rank']} ({rows:,} × {columns:,}) of which {100 * planted['holes']:g} % of "
        f"the entries are hidden: these are missed by {planted['error']:.0e} of their root mean square, after "
        f"{planted['passes']} passes."
    )
    return "\n".join(["## Missing entries", "", told, "", *tables(record), "", environment, ""])


def tables(record: dict[str, Any]) -> list[str]:
    """Return the lines of the tables: ratings, where they were at hand, and passes."""
    ratings = [*rating_lines(record["ratings"]), ""] if "ratings" in record else []
    return [*ratings, *pass_lines(record["passes"])]


def rating_lines(record: dict[str, Any]) -> list[str]:
    """Return the lines of the table of ways to predict ratings."""
    head = f"{record['held_out']:,} of {record['ratings']:,} ratings held out"
    lines = [_row([head, "strength, chosen on a tenth of the others", "RMSE of that tenth", "RMSE"]), "|---" * 4 + "|"]
    lines += [_row([MEANS[damped], "", "", f"{rmse:.4f}"]) for damped, rmse in record["means"].items()]
    for name, way in record["ways"].items():
        lines.append(_row([name, _strengths(way["chosen"]), f"{way['validation']:.4f}", f"{way['rmse']:.4f}"]))
    return lines


def pass_lines(record: dict[str, Any]) -> list[str]:
    """Return the lines of the table of what passes cost."""
    names = {
        "ratings, one ridge": "ratings, 97 % missing, the same ridge",
        "ratings": "ratings, 97 % missing, ridge by counts beside none",
        "dense": "dense 4,000 × 500, 5 % NaN",
    }
    lines = [_row(["a pass, rank 10", "all count: CPU ms", "what was observed: CPU ms", "times"]), "|---" * 4 + "|"]
    for name, told in names.items():
        if name in record:
            one = record[name]
            whole, observed = (f"{1e3 * one[f'{what}_cpu_s']:.1f}" for what in ("whole", "observed"))
            lines.append(_row([told, whole, observed, f"{one['times']:.1f}"]))
    return lines


def _strengths(chosen: Any) -> str:
    if isinstance(chosen, (list, tuple)):
        return f"l2 {chosen[0]:g}, beside_given {chosen[1]:g}"
    return f"l2 {chosen:g}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
