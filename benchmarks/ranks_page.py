"""What :mod:`benchmarks.ranks` and :mod:`benchmarks.ranks_reads` found, as parts of the page and of docs/ranks.md."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.planted_ranks import HIDDEN, VISIBLE
from benchmarks.ranks import FOLDS, OURS, RULES, SEEDS
from benchmarks.ranks_reads import FEW, LIMIT, RANKS, in_words

Records = Sequence[dict[str, Any]]
LEVELS = ((3, 6), (7, 12), (13, 26))
WAYS = {"in memory": "in memory", "stored": f"stored, {LIMIT}, {FEW} passes of each"}
GROUPS = {"Kullback–Leibler": "counts, Kullback–Leibler", "missing": f"{100 * HIDDEN:g} % of the entries missing"}


def ranks_section(record: dict[str, Any], environment: str) -> str:
    """Return the section on how often a suggested rank is right: in short, and by kind."""
    told = [
        "## Ranks", "",
        f"`dnmf.ranks(A, ranks, folds={FOLDS}, seeds={SEEDS})` of matrices with a planted rank, of kinds that differ",
        "in loadings, sizes of components and noise, which is low enough for the weakest component to be",
        f"{VISIBLE:g} times as large; from 300 × 150 to 1,500 × 400. Ranks up to three beyond the true one are tried.",
        "Beside it, other rules on the same table.",
        "Cells: right · right or one off, of all; no clear rank counts as neither.", "",
    ]  # fmt: skip
    planted = _of(record, "planted")
    kinds = list(dict.fromkeys(one["kind"] for one in planted))
    by_kind = [_line(kind, [one for one in planted if one["kind"] == kind]) for kind in kinds]
    without = [
        "", "Noise alone, and components that are ever smaller: no rank is to be found.", "", *without_lines(record)
    ]  # fmt: skip
    return "\n".join([*told, *in_short(record), *without, "", *_head("kind"), *by_kind, "", environment, ""])


def in_short(record: dict[str, Any]) -> list[str]:
    """Return the lines of the table of all planted matrices."""
    planted = _of(record, "planted")
    lines = [*_head("planted"), _line("all kinds", planted)]
    for low, high in LEVELS:
        lines.append(_line(f"of rank {low} to {high}", [one for one in planted if low <= one["rank"] <= high]))
    return lines + [_line(name, some) for group, name in GROUPS.items() if (some := _of(record, group))]


def without_lines(record: dict[str, Any]) -> list[str]:
    """Return the lines of the table of matrices that have no rank."""
    some = _of(record, "none")
    lines = [_row(["no rank", f"`{OURS}`: no clear rank", "else", *RULES]), _row(["---"] * (3 + len(RULES)))]
    for kind in dict.fromkeys(one["kind"] for one in some):
        chosen = [one["chosen"] for one in some if one["kind"] == kind]
        unclear = sum(each[OURS] is None for each in chosen)
        lines.append(
            _row([kind, f"{unclear} of {len(chosen)}", _listed(each[OURS] for each in chosen),
                  *(_listed(each[name] for each in chosen) for name in RULES)])
        )  # fmt: skip
    return lines


def _of(record: dict[str, Any], group: str) -> Records:
    return [one for one in record["matrices"] if one["group"] == group]


def _head(first: str) -> list[str]:
    heads = [first, "matrices", f"`{OURS}`", "no clear rank", *RULES, "all found again", "at one rank more"]
    return [_row(heads), _row(["---"] * len(heads))]


def _line(name: str, some: Records) -> str:
    def right(rule: str) -> str:
        off = [abs(one["chosen"][rule] - one["rank"]) for one in some if one["chosen"][rule] is not None]
        return f"{_share(off.count(0), some)} · {_share(sum(each <= 1 for each in off), some)}"

    def found(more: int) -> str:
        return _share(sum(one["found"][more] == one["rank"] + more for one in some), some)

    unclear = sum(one["chosen"][OURS] is None for one in some)
    return _row([name, str(len(some)), right(OURS), str(unclear), *map(right, RULES), found(0), found(1)])


def _share(count: int, some: Records) -> str:
    """A percentage, of few a number."""
    return f"{100 * count / len(some):.0f} %" if len(some) > 5 else str(count)


def _listed(ranks: Iterable[int | None]) -> str:
    return ", ".join(str(rank) for rank in sorted(rank for rank in ranks if rank is not None))


def reads_section(record: dict[str, Any], environment: str) -> str:
    """Return the section on what many ranks cost that share every read."""
    told = [
        "## Reads of ranks", "",
        f"{in_words()} of the Poisson sparse matrix (below), beside a fit of each rank alone.",
        f"In memory; and stored under {LIMIT}, read anew in every pass: {FEW} passes of each model, in a process of",
        "its own, which show its peak and how many waves there are; single fits go on to their ends.", "",
    ]  # fmt: skip
    return "\n".join([*told, *reads_lines(record), "", environment, ""])


def reads_lines(record: dict[str, Any]) -> list[str]:
    """Return the lines of the table of reads."""
    ways = {told: record[way] for way, told in WAYS.items() if way in record}
    lines = [_row(["", *ways]), _row(["---"] * (1 + len(ways)))]
    cells = {name: [cell(way) for way in ways.values()] for name, cell in FACTS.items()}
    return lines + [_row([name, *some]) for name, some in cells.items() if any(some)]


def _slowest(way: dict[str, Any]) -> float:
    return max(fit["reads"] for fit in way["single"]["fits"].values())


def _times(way: dict[str, Any]) -> str:
    """Of models that went on to their ends, in one wave."""
    return f"{way['ranks']['reads'] / _slowest(way):.2f}" if way["ranks"]["waves"] == 1 else ""


def _peak(way: dict[str, Any]) -> str:
    peak, projected = way["ranks"].get("peak_bytes"), way["ranks"]["projected_bytes"]
    return f"{peak / 2**20:,.0f} MiB ({projected / 2**20:,.0f})" if peak else ""


FACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "reads": lambda way: f"{way['ranks']['reads']:.1f}",
    "reads of the slowest single fit": lambda way: f"{_slowest(way):.1f}",
    "times": _times,
    "waves": lambda way: str(way["ranks"]["waves"]),
    "models in a pass, at most": lambda way: str(way["ranks"]["most_models"]),
    "CPU s": lambda way: f"{way['ranks']['cpu_s']:.0f}",
    f"CPU s of the {len(RANKS)} single fits": lambda way: (
        f"{sum(fit['cpu_s'] for fit in way['single']['fits'].values()):.0f}"
    ),
    "peak of the process (projected)": _peak,
}


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
