"""The part of the page on RcppML's rule: our measures beside its own."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.regularization.grid import Row, from_table
from benchmarks.regularization.verdicts import ABSOLUTE_LINES, LINES, MEASURES, Compared, Line, chosen

NAMES = {
    "sparsity_W": "sparsity of W", "robustness": "robustness", "mse": "mse", "cosine": "mean cosine",
    "cosine_off": "without own", "kmeans": "k-means centres", "singular": "first singular vector", "d_sum": "Σd",
}  # fmt: skip
LEFT_OPEN = ("mse", "cosine", "singular", "d_sum")
OVERFLOW = 1e6
FORMATS = {"mse": ".5f", "d_sum": ".1f"}
TITLES = {
    ("loose", True): "as many iterations as RcppML made until a cosine changed by less than 1e-4",
    ("loose", False): "the same without the diagonal",
    ("tight", True): "as many as it made until 1e-6",
    ("end", True): "run to the end, beside its fits to 1e-6",
}


def markdown(part: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of this part; `part` is ``record["absolute"]``."""
    yield from ('## `scale="absolute"` beside RcppML: hawaiibirds, 183 species × 1183 grid cells, rank 10', "")
    if "skipped" in part:
        yield from (f"Skipped: {part['skipped']}.", "")
        return
    compared, rows = from_compared(part["compared"]), from_table(part["fits"])
    yield from _introduction(part)
    yield from _counts(compared)
    yield from _outside(compared)
    yield from _left_open(part["left_open"])
    for kind in ("l1", "l2"):
        for diagonal in (True, False):
            yield from _table(compared, kind, diagonal)
    yield from lines_that_hold(rows, (*LINES, *ABSOLUTE_LINES), TITLES)


def from_compared(table: dict[str, Any]) -> list[Compared]:
    """Return the comparisons that were written as columns and rows."""
    return [Compared(**dict(zip(table["columns"], values, strict=True))) for values in table["rows"]]


def shown(measure: str, value: float) -> str:
    """Return a number with the digits its measure deserves."""
    return "overflow" if value > OVERFLOW else format(value, FORMATS.get(measure, ".3f"))


def _introduction(part: dict[str, Any]) -> Iterator[str]:
    yield "W is species, as there. The starts are the reference's W of three seeds (123, 456, 789), the penalty is on"
    yield "both factors, every fit is float64. The reference counts iterations from 0; here a fit makes as many passes"
    yield "as it made iterations, and then once more all fits are run to their end. k-means centres are the best of"
    least, median = part["inertias"][0], np.median(part["inertias"])
    yield f"{part['clusterings']} clusterings (inertia {least:.1f}, median {median:.1f}), compared with the reference's"
    yield "best of 50. A mean is within when it lies between the least and the largest of the reference's seeds."
    yield "Robustness is against α = 0 from the same start; a dead component counts 0, its own cosine included. Zeros"
    yield "are exact zeros in both; what is below 1e-6 in the reference is more by at most"
    yield f"{part['nearly_zero']:.4f} of the entries."
    yield ""


def _counts(compared: Sequence[Compared]) -> Iterator[str]:
    yield "| means within the spread of the reference | " + " | ".join(NAMES.values()) + " |"
    yield "|---" * (len(NAMES) + 1) + "|"
    for (fit, diagonal), title in TITLES.items():
        cells = []
        for measure in MEASURES:
            some = chosen(compared, fit=fit, diagonal=diagonal, measure=measure)
            cells.append(f"{sum(one.within for one in some)} of {len(some)}" if some else "")
        yield f"| {title} | " + " | ".join(cells) + " |"
    yield ""
    yield "Largest difference between two models of the same seed, L1 = 0.5 with the diagonal (see below) left out:"
    yield ""
    yield "| fits | " + " | ".join(NAMES.values()) + " |"
    yield "|---" * (len(NAMES) + 1) + "|"
    for (fit, diagonal), title in TITLES.items():
        cells = []
        for measure in MEASURES:
            some = chosen(compared, fit=fit, diagonal=diagonal, measure=measure)
            some = [one for one in some if not _is_undecided(one)]
            cells.append(f"{max(one.apart for one in some):.1e}" if some else "")
        yield f"| {title} | " + " | ".join(cells) + " |"
    yield ""


def _is_undecided(one: Compared) -> bool:
    return one.kind == "l1" and one.diagonal and one.strength == 0.5


def _outside(compared: Sequence[Compared]) -> Iterator[str]:
    yield "### What is not within"
    yield ""
    yield "The similarities to k-means centres differ, by up to 1e-3, because the centres do: the models are the same."
    yield "It shows where all seeds of the reference come to the same number. The reference's fits to 1e-6 have not"
    yield "come to rest: run to the end, those of dnmf go on to move by the last line of the table above, beyond a"
    yield "spread that is narrow by then. The rest is L1 = 0.5."
    yield ""
    yield "| fits | penalty | measure | dnmf | reference: mean | least to largest |"
    yield "|---|---|---|---|---|---|"
    for one in compared:
        if not one.within and one.fit != "end":
            ours, theirs, low, high = (_closely(one, name) for name in ("ours", "theirs", "low", "high"))
            diagonal = "" if one.diagonal else ", no diagonal"
            yield (
                f"| {one.fit} | {one.kind.upper()} = {one.strength:g}{diagonal} | {NAMES[one.measure]} | "
                f"{ours} | {theirs} | {low} to {high} |"
            )
    yield ""


def _closely(one: Compared, name: str) -> str:
    return format(getattr(one, name), FORMATS.get(one.measure, ".4f"))


def _left_open(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "**L1 = 0.5.** Two or three columns of W come close to the same single species. The Gram matrix of the next"
    yield "half step is then nearly singular, and the rule says little of how the weight is shared among them. The"
    yield "reference's loop ends where its steps become small; here rows are solved to the end, so that the paths part."
    yield "dnmf beside the reference:"
    yield ""
    yield "| fits | seed | alive | " + " | ".join(NAMES[measure] for measure in LEFT_OPEN) + " |"
    yield "|---" * (3 + len(LEFT_OPEN)) + "|"
    for one in found:
        cells = [", ".join(map(str, one["alive"]))]
        cells += [", ".join(shown(measure, value) for value in one[measure]) for measure in LEFT_OPEN]
        yield f"| {one['fit']} | {one['seed']} | " + " | ".join(cells) + " |"
    yield ""


def _table(compared: Sequence[Compared], kind: str, diagonal: bool) -> Iterator[str]:
    measures = [measure for measure in MEASURES if diagonal or measure != "d_sum"]
    how = "with" if diagonal else "without"
    yield f"### {kind.upper()}, {how} the diagonal: dnmf (reference), means over the seeds"
    yield ""
    yield "| α | " + " | ".join(NAMES[measure] for measure in measures) + " |"
    yield "|---" * (len(measures) + 1) + "|"
    some = chosen(compared, fit="loose", kind=kind, diagonal=diagonal)
    for strength in sorted({one.strength for one in some}):
        of_strength = {one.measure: one for one in some if one.strength == strength}
        cells = [f"{shown(m, of_strength[m].ours)} ({shown(m, of_strength[m].theirs)})" for m in measures]
        yield f"| {strength:g} | " + " | ".join(cells) + " |"
    yield ""


def lines_that_hold(rows: Sequence[Row], lines: Sequence[Line], titles: dict[tuple[str, bool], str]) -> Iterator[str]:
    """Yield a table of statements along the strengths: holds, or the largest step the wrong way."""
    yield "Along the strengths (means over the seeds; otherwise the largest step the wrong way):"
    yield ""
    yield "| | " + " | ".join(titles.values()) + " |"
    yield "|---" * (len(titles) + 1) + "|"
    for line in lines:
        cells = []
        for fit, diagonal in titles:
            steps = line.steps_against(chosen(rows, fit=fit, diagonal=diagonal))
            cells.append(_verdict(steps) if diagonal or line.measure != "d_sum" else "")
        yield f"| {line.what} | " + " | ".join(cells) + " |"
    yield ""


def _verdict(steps: list[tuple[float, float, float]]) -> str:
    if not steps:
        return "holds"
    before, after, size = steps[0]
    return f"{size:.2g} from {before:g} to {after:g}, {len(steps)} step{'s' if len(steps) > 1 else ''}"
