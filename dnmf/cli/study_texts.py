"""Studies as lines for people: what was asked for, and what came of it; by their kind."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from dnmf.progress import counted, labelled

Found = dict[str, Any]
_ORIGINS = {"unpenalized": "the model without a penalty", "chain": "the strength before"}


def asked_lines(found: Found) -> list[str]:
    """Return what a study was asked for, from what :func:`dnmf.inspection.run_status` found."""
    return _ASKED[found["kind"]](found)


def study_lines(found: Found) -> list[str]:
    """Return what came of a finished study, from what :func:`dnmf.inspection.inspect_run` found."""
    return [*_CAME_OF[found["kind"]](found), *_where(found, *_LOOK[found["kind"]])]


def _seeds(found: Found) -> str:
    return ", ".join(map(str, found["seeds"]))


def _path_asked(found: Found) -> list[str]:
    return [
        labelled("path", f"strengths {', '.join(f'{s:g}' for s in found['strengths'])}"),
        labelled("", f"seeds {_seeds(found)}; each from {_ORIGINS[found['warm']]}"),
        labelled("penalty", f"{found['penalty']}, times each strength"),
        labelled("rank", str(found["rank"])),
    ]


def _ranks_asked(found: Found) -> list[str]:
    folds = counted(found["folds"], "fold") if found["folds"] else "nothing held out"
    return [
        labelled("ranks", ", ".join(map(str, found["ranks"]))),
        labelled("", f"seeds {_seeds(found)}; {folds}"),
    ]


def _consensus_asked(found: Found) -> list[str]:
    return [
        labelled("consensus", f"of seeds {_seeds(found)}, the best {100 * found['best']:g} %"),
        labelled("density", f"{found['density']:g}"),
        labelled("rank", str(found["rank"])),
    ]


Columns = Sequence[tuple[str, str, str]]
_OF_PATH: Columns = (
    ("strength", " strength", "{:>9.4g}"), ("seed", "seed", "{:>4}"), ("relative_error", "  error", "{:>7.4f}"),
    ("alive", "alive", "{:>5}"), ("sparsity_W", "zeros W", "{:>8.3f}"), ("sparsity_H", "zeros H", "{:>8.3f}"),
    ("robustness", "robustness", "{:>10.3f}"), ("cosine_off", "cosine", "{:>6.3f}"),
    ("kmeans", "k-means", "{:>7.3f}"), ("singular", "singular", "{:>8.3f}"), ("passes", "passes", "{:>6}"),
)  # fmt: skip
_OF_RANKS: Columns = (
    ("rank", "rank", "{:>4}"), ("held_out", "held-out error", "{:>14.4f}"), ("held_out_se", "±", "{:>6.4f}"),
    ("found", "found again", "{:>11}"), ("stability", "stability", "{:>9.2f}"), ("error", "error", "{:>6.4f}"),
    ("passes", "passes", "{:>6}"), ("reads", "reads", "{:>5.1f}"), ("cpu_s", "CPU s", "{:>7.1f}"),
)  # fmt: skip


def _table(rows: Sequence[Found], columns: Columns) -> list[str]:
    lines = ["  ".join(f"{head:>{len(_cell(form, 0))}}" for _, head, form in columns)]
    return lines + ["  ".join(_cell(form, row[name]) for name, _, form in columns) for row in rows]


def _cell(form: str, value: Any) -> str:
    return f"{'–':>{len(form.format(0))}}" if value is None else form.format(value)


def _path_came_of(found: Found) -> list[str]:
    return [*_table(found["rows"], _OF_PATH), "", labelled("penalty", f"{found['penalty']}, times each strength")]


def _ranks_came_of(found: Found) -> list[str]:
    rows = [{**row, "found": None if row["found"] < 0 else row["found"]} for row in found["rows"]]
    rank = "" if found["suggested"] is None else f"{found['suggested']}: "
    return [*_table(rows, _OF_RANKS), "", labelled("suggested", f"{rank}{found['reason']}")]


def _consensus_came_of(found: Found) -> list[str]:
    each = ", ".join(f"{silhouette:.2f}" for silhouette in found["stability"])
    return [
        labelled("clusters", f"silhouette {found['silhouette']:.2f}; of each component {each}"),
        labelled("found in", f"{', '.join(map(str, found['found_in']))} of the {found['counted']} models that count"),
        labelled("kept", f"{100 * found['share_kept']:.0f} % of the components of the models that count"),
        labelled("error", f"{found['relative_error']:.4f}; of the models {min(found['errors']):.4f} to "
                          f"{max(found['errors']):.4f}"),
    ]  # fmt: skip


def _where(found: Found, models: str, picture: str, load: str) -> list[str]:
    store = found["store"]
    reads = f"{found['reads']:.1f} reads of the data for all of them"
    return [
        labelled("done", f"{counted(found['models'], 'model')}, {reads}"),
        labelled("models", f"{store}/{models.format(rank=found['rank'], seed=found['seeds'][0])}"),
        labelled("look", f"dnmf plot {shlex.quote(store)} --kind {picture} --out {picture}.png"),
        labelled("python", f"dnmf.{load}({store!r})"),
    ]


Lines = Callable[[Found], list[str]]
_ASKED: dict[str, Lines] = {"path": _path_asked, "ranks": _ranks_asked, "consensus": _consensus_asked}
_CAME_OF: dict[str, Lines] = {"path": _path_came_of, "ranks": _ranks_came_of, "consensus": _consensus_came_of}
_LOOK = {
    "path": ("strength-…-seed-….dnmf", "path", "load_path"),
    "ranks": ("rank-…-seed-…-fold-0.dnmf", "ranks", "load_ranks"),  # fold 0: of all of the data
    "consensus": ("rank-{rank}-seed-{seed}-agreed-1.dnmf", "clustergram", "load_consensus"),
}
