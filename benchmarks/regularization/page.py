"""The page: every figure beside the figure asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.regularization import page_absolute
from benchmarks.regularization.grid import from_table
from benchmarks.regularization.objectives import DEATHS, PRUNES
from benchmarks.regularization.page_absolute import NAMES, lines_that_hold, shown
from benchmarks.regularization.verdicts import LINES, chosen, means

ASKED = ("objective_asked", "alive_asked", "optimum_asked", "optimum_alive_asked")
RELATIVE = ("sparsity_W", "relative_error", "mse", "robustness", "cosine", "cosine_off", "kmeans", "singular")


def markdown(record: dict[str, Any]) -> str:
    """Return the page for what was measured."""
    facts = record["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    lines = [
        "# Regularization",
        "",
        "Written by `python -m benchmarks.regularization`; do not edit. What each penalty does along its strengths,",
        "beside what other programs found. What to make of it: [docs/regularization.md](../docs/regularization.md).",
        "",
        f"{facts['date']} · Python {facts['python']} · {versions} · {record['seconds']:.0f} s on {facts['processors']} "
        f"processors ({facts['architecture']})",
        "",
        *page_absolute.markdown(record["absolute"]),
        *_relative(record["relative"]),
        *_fractions(record["fractions"]),
        *_path(record["path"], record["deaths"]),
        *_ridge(record["ridge"]),
        *_scales(record["wrong_scales"], record["swamps"]),
        *_moved(record["moved_weights"], record["one_sided"]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _relative(studies: dict[str, Any]) -> Iterator[str]:
    yield from ('## `scale="relative"`: the same strengths on any data', "")
    yield "Rows are features (species, genes, movies), the penalty is on both factors, rank 10, float64, run to the end"
    yield "(tol 1e-10 or 1000 passes; pbmc3k 1e-7 or 300). Means over the seeds. Without the diagonal nothing keeps"
    yield "the scale at L2 = 1: every pass multiplies by the squared largest singular value, until the error overflows."
    yield ""
    for name, part in studies.items():
        if "skipped" in part:
            yield from (f"### {name}", "", f"Skipped: {part['skipped']}.", "")
            continue
        rows = from_table(part["fits"])
        for kind in ("l1", "l2"):
            for diagonal in (True, False):
                some = chosen(rows, kind=kind, diagonal=diagonal)
                if some:
                    yield from _table(name, part, kind, diagonal, some)
        titles = {("end", True): "with the diagonal", ("end", False): "without"}
        titles = {key: text for key, text in titles.items() if chosen(rows, diagonal=key[1])}
        yield from lines_that_hold(rows, LINES, titles)
        yield from _limits(part, chosen(rows, diagonal=True, strength=1.0))


def _table(name: str, part: dict[str, Any], kind: str, diagonal: bool, rows: Sequence[Any]) -> Iterator[str]:
    shape = " × ".join(f"{count:,}" for count in part["shape"])
    seeds = len({row.seed for row in rows})
    how = "with" if diagonal else "without"
    yield f"### {name} ({shape}), {kind.upper()} {how} the diagonal, {seeds} seed{'s' if seeds > 1 else ''}"
    yield ""
    names = {**NAMES, "relative_error": "relative error"}
    yield "| α | " + " | ".join(names[measure] for measure in RELATIVE) + " | alive | passes |"
    yield "|---" * (len(RELATIVE) + 3) + "|"
    found = {measure: means(rows, measure) for measure in (*RELATIVE, "alive", "passes")}
    for strength in found["mse"]:
        cells = [shown(measure, found[measure][strength]) for measure in RELATIVE]
        counts = [f"{found['alive'][strength]:.1f}", f"{found['passes'][strength]:.0f}"]
        yield f"| {strength:g} | " + " | ".join(cells + counts) + " |"
    yield ""


def _limits(part: dict[str, Any], rows: Sequence[Any]) -> Iterator[str]:
    l1, l2 = chosen(rows, kind="l1"), chosen(rows, kind="l2")
    empty = part["empty"] / part["shape"][0]
    yield "| at strength 1 | asked | reached |"
    yield "|---|---|---|"
    yield f"| L1: zeros of W, of H | all | {min(r.sparsity_W for r in l1):.0%}, {min(r.sparsity_H for r in l1):.0%} |"
    zeros = max(row.sparsity_W for row in l2) - empty
    note = f" (besides {part['empty']} empty rows)" if part["empty"] else ""
    yield f"| L2: zeros of W{note}, of H | none | {abs(zeros):.0%}, {max(r.sparsity_H for r in l2):.0%} |"
    yield f"| L2: cosine to the first singular vector | 1.00000 | {min(r.singular for r in l2):.7f} |"
    yield ""


def _fractions(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from ('## `scale="fraction"`: components alive at shares of the strongest penalty', "")
    if not rows:
        yield from ("Skipped: no data.", "")
        return
    yield "One component is to live below 1 and to be gone above. Ten of them from a cold start may all be gone"
    yield "earlier: under L1 zero is a minimum of its own, and each of the ten is smaller than the one that would"
    yield "survive alone."
    yield ""
    yield "| data | penalty | rank | " + " | ".join(f"{share:g}" for share in rows[0]["shares"]) + " |"
    yield "|---" * (len(rows[0]["shares"]) + 3) + "|"
    for row in rows:
        counts = " | ".join(map(str, row["alive"]))
        yield f"| {row['data']} | {row['kind'].upper()} | {row['rank']} | {counts} |"
    yield ""


def _path(rows: Sequence[dict[str, Any]], deaths: dict[str, list[float]]) -> Iterator[str]:
    yield from ('## `scale="objective"`: the L1 path of three Gaussians (30 × 40, rank 3, warm)', "")
    known = [row for row in rows if "objective_asked" in row]
    if known:
        worst = max(abs(row["objective_off"] / row["objective_asked"] - 1) for row in known)
        optimum = max(abs(row["objective_refit"] / row["optimum_asked"] - 1) for row in known)
        zeros = max(abs(a - b) for row in known for a, b in zip(row["zeros"], row["zeros_asked"], strict=True))
        yield f"Largest relative difference of the objective to the reference path: {worst:.1e} without pruning, "
        yield f'{optimum:.1e} with `prune="refit"` to the global optimum; of the shares of zeros: {zeros:.1e}.'
    else:
        yield "The reference path is not beside this checkout."
    yield ""
    yield "| λ | objective, `off` (asked) | alive (asked) | `rule` | alive | `refit` (asked) | alive (asked) |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        asked = (_asked(row, name) for name in ASKED)
        of_off, alive_off, of_refit, alive_refit = asked
        yield (
            f"| {row['strength']:g} | {row['objective_off']:.6f}{of_off} | {row['alive_off']}{alive_off} | "
            f"{row['objective_rule']:.6f} | {row['alive_rule']} | "
            f"{row['objective_refit']:.6f}{of_refit} | {row['alive_refit']}{alive_refit} |"
        )
    if not deaths:
        yield ""
        return
    yield from ("", "| first λ, in steps of 0.001, with | two left | one left | none left |", "|---|---|---|---|")
    for prune in PRUNES:
        theirs = DEATHS.get(prune)
        cells = [f"{at:.3f}{f' ({theirs[i]:g})' if theirs else ''}" for i, at in enumerate(deaths[prune])]
        yield f'| `prune="{prune}"`{" (asked)" if theirs else ""} | ' + " | ".join(cells) + " |"
    yield from ("", "The asked deaths without pruning are multiples of 0.005: the first at or above those found.", "")


def _asked(row: dict[str, Any], name: str) -> str:
    if name not in row:
        return ""
    value = row[name]
    return f" ({value})" if isinstance(value, int) else f" ({value:.6f})"


def _ridge(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from ("## Ridge on both factors selects the rank: blocks of sizes 9, 4, 1, fitted with 5 components", "")
    yield "Each singular value is to be its own less the ridge, or nothing."
    yield from ("", "| `l2` | singular values of the model | asked |", "|---|---|---|")
    for row in rows:
        found, asked = (", ".join(f"{value:.6f}" for value in row[name]) for name in ("values", "asked"))
        yield f"| {row['strength']:g} | {found} | {asked} |"
    yield ""


def _scales(scales: Sequence[dict[str, Any]], swamps: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from ("## What balancing is for", "")
    yield "The three Gaussians at λ = 0.3, the start H multiplied by a factor:"
    yield from ("", "| start × | balanced | objective | alive | passes |", "|---|---|---|---|---|")
    for row in scales:
        balanced = "yes" if row["diagonal"] else "no"
        yield f"| {row['factor']:g} | {balanced} | {row['objective']:.6f} | {row['alive']} | {row['passes']} |"
    yield ""
    yield "One number, 10, from factors a hundred apart: passes until nothing changes any more (asked: 2 to 3 with"
    yield from ("balancing, hundreds without):", "", "| penalty | balanced | not |", "|---|---|---|")
    for row in swamps:
        yield f"| {row['kind'].upper()} = {row['strength']:g} | {row['with']} | {row['without']} |"
    yield ""


def _moved(moved: Sequence[dict[str, Any]], one_sided: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "Weight moved from one factor's penalty to the other's, by c = 1, 10, 1000: the objective is to be the same."
    yield from ("", "| penalty | objective | largest relative difference |", "|---|---|---|")
    for row in moved:
        yield f"| {row['kind']} | {row['objective']:.6f} | {row['apart']:.1e} |"
    yield from ("", "A penalty on W alone (`l1=(1, 0)`, warned of) is got round, the three Gaussians again:")
    yield from ("", "| passes | penalty | ½‖A − WH‖² |", "|---|---|---|")
    for row in one_sided:
        yield f"| {row['passes']} | {row['penalty']:.5f} | {row['loss']:.5f} |"
    yield ""
