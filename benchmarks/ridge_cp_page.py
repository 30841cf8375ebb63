"""The part of the page of results on ridge and sparse CP, and the tables of docs/tensors.md."""

from typing import Any

from benchmarks.ridge_arrays import RANK, SIDE, TRUE_RANK
from benchmarks.ridge_cp import BALANCED, DNMF, INNER, NEAR, UNBALANCED

Record = dict[str, Any]
ROWS = {BALANCED[0]: "no balance", BALANCED[1]: "balanced at the start", BALANCED[2]: "every sweep"}


def section(record: Record, environment_line: str) -> str:
    """Return the part of the page of results."""
    parts = (_of_components, _of_swamps, _of_none, _of_sparse)
    lines = ["## Ridge and sparse CP", ""]
    for part in parts:
        lines += [*part(record), ""]
    return "\n".join([*lines, environment_line, ""])


def _sweeps(record: Record) -> tuple[str, str]:
    """After how many it is looked at HALS first, and last."""
    return f"{record['effort']['early']:,}", f"{record['effort']['sweeps']:,}"


def _of_components(record: Record) -> list[str]:
    (early, late), path = _sweeps(record), record["path"]
    return [
        f"Arrays of {SIDE} × {SIDE} × {SIDE} whose factors are uniform, of rank {TRUE_RANK} without noise, fitted with "
        f"{RANK} components; medians of",
        f"{record['effort']['seeds']} arrays, on one processor (Cohen & Leplat 2025). HALS is tensorly's `hals_nnls` "
        f"with ridge, {INNER} sweeps over a factor,",
        "in the loop of its `non_negative_parafac_hals`, which has no ridge; a sweep over all factors is three reads.",
        "Balanced: all norms of a component alike. Ridge `λ` adds `λ ‖X‖²` for each factor. In cells, HALS after",
        f"{early} sweeps → after {late}. A component of HALS that has shrunk below a thousandth of the largest is not",
        f"counted. `dnmf.path` finds all strengths in {path['reads']:.0f} reads and {path['cpu_s']:.1f} CPU s.",
        "",
        *component_lines(record),
        "",
        "The objective, over ‖A‖²:",
        "",
        *_objective_lines(record),
    ]


def _of_swamps(record: Record) -> list[str]:
    (_, late), passes = _sweeps(record), record["effort"]["passes"]
    return [
        "From the same starts: sweeps, or passes of dnmf, to within "
        f"{100 * NEAR:g} % of where the run itself ends; where it ends above",
        f"the least that any came to (HALS after {late} sweeps, dnmf after {passes} passes or where it ends itself);",
        "components left. A pass of dnmf is one read, and alternates the short factors ten times.",
        "",
        *swamp_lines(record),
    ]


def _of_none(record: Record) -> list[str]:
    return [
        "Without a penalty, tensorly's `non_negative_parafac_hals` from the same random starts, dnmf from its own:",
        "",
        *_plain_lines(record),
    ]


def _of_sparse(record: Record) -> list[str]:
    (early, late), sparse = _sweeps(record), record["sparse"]
    return [
        "Under L1, `λ ΣX` for each factor, where half the entries of the true factors are zero: tensorly's",
        f"`sparsity_coefficients`, after {early} sweeps → after {late}; dnmf from the same starts; `dnmf.path` from",
        f"its own, all strengths in {sparse['reads']:.0f} reads and {sparse['cpu_s']:.1f} CPU s. Zeros: their share in "
        "the components that are left.",
        "",
        *sparse_lines(record),
    ]


def component_lines(record: Record) -> list[str]:
    """Return the lines of a Markdown table of how many components are left at each strength."""
    told, found = record["components"], record["path"]["alive"]
    lines = [_row(["ridge", *(f"HALS, {name}" for name in ROWS.values()), "`dnmf.path`"]), _rule(5)]
    for at, strength in enumerate(record["effort"]["strengths"]):
        cells = [_change(told[way][at], "alive") for way in ROWS]
        lines.append(_row([f"{strength:g}", *cells, f"{found[at]:g}"]))
    return lines


def _change(one: Record, name: str) -> str:
    """Early and at the end, where these differ."""
    early, late = f"{one[name + '_early']:g}", f"{one[name]:g}"
    return early if early == late else f"{early} → {late}"


def _objective_lines(record: Record) -> list[str]:
    told, found = record["components"], record["path"]["loss"]
    lines = [_row(["ridge", *(f"HALS, {name}" for name in ROWS.values()), "`dnmf.path`"]), _rule(5)]
    for at, strength in enumerate(record["effort"]["strengths"]):
        cells = [f"{told[way][at]['loss_early']:.3g} → {told[way][at]['loss']:.3g}" for way in ROWS]
        lines.append(_row([f"{strength:g}", *cells, f"{found[at]:.3g}"]))
    return lines


def swamp_lines(record: Record) -> list[str]:
    """Return the lines of a Markdown table of how many sweeps each way takes, and how far it comes."""
    swamps = record["swamps"]
    heads = [f"ridge {float(strength):g}: {what}" if not at else what
             for strength in swamps for at, what in enumerate(("sweeps", "above", "left"))]  # fmt: skip
    lines = [_row(["", *heads]), _rule(len(heads) + 1)]
    for way in (*BALANCED, UNBALANCED, DNMF):
        cells = []
        for one in (swamps[strength]["ways"][way] for strength in swamps):
            cells += [f"{one['settled']:,.0f}", _percent(one["above"][-1]), f"{one['alive']:g}"]
        lines.append(_row([way, *cells]))
    return lines


def _percent(share: float) -> str:
    return "< 0.01 %" if share < 1e-4 else f"{100 * share:.3g} %"


def _plain_lines(record: Record) -> list[str]:
    lines = [_row(["", "relative error", "reads", "CPU s", "components"]), _rule(5)]
    for name, one in record["without"].items():
        lines.append(
            _row([name, f"{one['error']:.1e}", f"{one['reads']:,.0f}", f"{one['cpu_s']:.2f}", f"{one['alive']:g}"])
        )
    return lines


def sparse_lines(record: Record) -> list[str]:
    """Return the lines of a Markdown table of what is left at each strength of L1."""
    told = record["sparse"]
    heads = ["L1", "tensorly: components", "zeros", "objective over ‖A‖²"]
    heads += ["dnmf, same start: components", "zeros", "objective", "`dnmf.path`: components", "zeros", "objective"]
    lines = [_row(heads), _rule(len(heads))]
    of_ways = (told[name] for name in ("early", "late", "same start", "path"))
    for strength, early, late, *ours in zip(told["strengths"], *of_ways, strict=True):
        cells = [early_cell if early_cell == late_cell else f"{early_cell} → {late_cell}"
                 for early_cell, late_cell in zip(_sparse_cells(early), _sparse_cells(late), strict=True)]  # fmt: skip
        lines.append(_row([f"{strength:g}", *cells, *(cell for one in ours for cell in _sparse_cells(one))]))
    return lines


def _sparse_cells(one: Record) -> list[str]:
    return [f"{one['alive']:g}", f"{one['zeros']:.2f}" if one["alive"] else "–", f"{one['loss']:.3g}"]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "|---" * columns + "|"
