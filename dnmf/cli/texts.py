"""Results of commands as lines for people; the JSON has the same facts as values."""

import shlex
from collections.abc import Sequence
from typing import Any

from dnmf.amounts import format_bytes
from dnmf.cli.again import command_again
from dnmf.cli.component_lines import component_lines
from dnmf.cli.study_texts import asked_lines, study_lines
from dnmf.fitting.events import PassProgress
from dnmf.progress import (
    KEPT_AMONG_IT,
    ORIGINS,
    counted,
    ended_text,
    format_seconds,
    labelled,
    progress_label,
    share_text,
)

KINDS = {"dense": "dense", "csr": "sparse by rows (CSR)", "csc": "sparse by columns (CSC)"}


def source_lines(found: dict[str, Any]) -> list[str]:
    """Return what :func:`dnmf.matrix_inspection.inspect_source` found."""
    rows, columns = found["shape"]
    return [
        labelled("data", f"{found['address']}: {KINDS[found['kind']]}, {found['dtype']}"),
        labelled("shape", f"{rows:,} rows × {columns:,} columns"),
        labelled("non-zeros", _nonzeros(found)),
        *_observed_lines(found),
        labelled("size", f"{format_bytes(found['decoded_bytes'])} decoded, in one read"),
        labelled("names", along_axes(found) or f"rows: {_named(found, 'row')}; columns: {_named(found, 'column')}"),
        labelled("layout", _layout(found["layout"])),
        *_plan_lines(found["plan"]),
    ]


_SEEN = {
    "rows": "{} rows of the data", "columns": "{} columns of the data",
    "row_scale": "rows divided by {} numbers", "column_scale": "columns divided by {} numbers",
}  # fmt: skip
_OBSERVED = {"nan": "what is not NaN", "unstored": "what is stored", "refuse": ""}


def _observed_lines(found: dict[str, Any]) -> list[str]:
    """What was seen of the data, and said of its entries."""
    said = found["observed"] or {"missing": "refuse"}
    beside = [f"{what.replace('_', ' ')} {where['data'] or 'in memory'}" for what, where in said.items()
              if what != "missing"]  # fmt: skip
    parts = [part for part in (_OBSERVED[said["missing"]], *beside) if part]
    seen = [_SEEN[name].format(f"{count:,}") for name, count in (found["seen"] or {}).items()]
    lines = [labelled("axes", _axes(found["unfolding"]))] if found["unfolding"] else []
    lines += [labelled("seen", ", ".join(seen))] if seen else []
    lines += [labelled("observed", "; ".join(parts))] if parts else []
    if found["implicit"]:
        trusted = f"α = {found['implicit']:g}: 1 is predicted where something is, and trusted 1 + α a times"
        lines.append(labelled("implicit", trusted))
    return lines


def _axes(unfolding: dict[str, Any]) -> str:
    from dnmf.sources.unfolded import Unfolding

    return str(Unfolding.from_json(unfolding))


def along_axes(found: dict[str, Any]) -> str:
    """Return which axes of an array have labels; empty of a matrix."""
    if not found["unfolding"]:
        return ""
    from dnmf.sources.unfolded import Unfolding

    unfolding = Unfolding.from_json(found["unfolding"])
    assert unfolding is not None
    return in_words(unfolding.labelled_axes(rows=found["row_names"], columns=found["column_names"]))


def in_words(axes: Sequence[str]) -> str:
    """Return axes that have labels in words."""
    return f"labels along {', '.join(axes)}" if axes else "none"


def _nonzeros(found: dict[str, Any]) -> str:
    if found["nonzeros"] is None:
        return "not counted in dense data"
    return f"{found['nonzeros']:,} stored, density {100 * found['density']:.2f} %"


def _named(found: dict[str, Any], axis: str) -> str:
    return f"yes ({found[f'first_{axis}_name']}, …)" if found[f"{axis}_names"] else "no"


def _layout(layout: dict[str, Any]) -> str:
    unit = "column" if layout["transposed"] else "row"
    step = layout["row_step"]
    text = f"can be cut at every {unit}" if step == 1 else f"can be cut every {step:,} {unit}s"
    if layout["object_bytes"]:
        text += f"; a stored object decodes to {format_bytes(layout['object_bytes'])}"
    return text + ("; stored by columns, so the transpose is factorized" if layout["transposed"] else "")


def _plan_lines(plan: dict[str, Any]) -> list[str]:
    if plan["refused"]:
        return [labelled("plan", f"rank {plan['rank']} does not fit: {plan['refused']}")]
    return [
        labelled(
            "plan",
            f"rank {plan['rank']}: {counted(plan['tasks'], 'task')}, {counted(plan['panels'], 'panel')} in a pass",
        ),
        labelled("start", _planned_start(plan)),
        labelled(
            "memory",
            f"{format_bytes(plan['projected_bytes'])} of {format_bytes(plan['limit_bytes'])} in this process "
            f"with {counted(plan['threads'], 'thread')}" + f", {KEPT_AMONG_IT}" * plan["keeps"],
        ),
        labelled("", plan["projection"]),
        *([labelled("", _given_up(plan))] if plan["gave_up"] else []),
    ]


def _planned_start(plan: dict[str, Any]) -> str:
    """Where the fit begins, and where starts take turns."""
    starts, together = plan["restarts"], plan["starts_per_pass"]
    origin = ORIGINS.get(plan["init"], plan["init"])
    if starts == 1:
        return origin
    return f"{starts} starts, each {origin}" + f"; {together} of them in a pass" * (together < starts)


def _given_up(plan: dict[str, Any]) -> str:
    from dnmf.giving_way import in_words  # takes longer to import than most commands take

    return in_words(plan["gave_up"])


def status_lines(found: dict[str, Any]) -> list[str]:
    """Return what :func:`dnmf.inspection.run_status` found."""
    writer = found["writer"]
    at = f", process {writer['pid']} on {writer['host']} since {writer['since']}" if writer else ""
    lines = [labelled("run", f"{found['store']}: {found['status']}{at}")]
    if found["status"] == "starting":
        return lines + _in_hand_lines(found)
    if found.get("kind"):
        return lines + _study_status_lines(found)
    if found["source"]:
        lines += [labelled("data", found["source"]), *_observed_lines(found)]
    lines += [labelled("rank", str(found["rank"])), *_solver_lines(found), *_starts_lines(found)]
    lines.append(labelled("passes", _passes(found)))
    if found["relative_error"] is not None:
        lines.append(_error_line(found))
    if found["status"] == "done":
        lines.append(labelled("ended", ended_text(str(found["stop_reason"]))))
    return lines + _lost_lines(found) + _in_hand_lines(found) + _next_lines(found)


def _solver_lines(found: dict[str, Any]) -> list[str]:
    """How the factors are found, where somebody chose it."""
    return [] if found["solver"] == "cd" else [labelled("solver", found["solver"])]


def _starts_lines(found: dict[str, Any]) -> list[str]:
    """How many starts there are, and which is the best, or the best so far."""
    if found["restarts"] == 1:
        return []
    last, best = found["seed"] + found["restarts"] - 1, found["best_seed"]
    which = "the model" if found["status"] == "done" else "the best so far"
    of_best = "" if best is None else f"; {which} is that of seed {best}"
    return [labelled("starts", f"{found['restarts']}, of seeds {found['seed']} to {last}{of_best}")]


def _error_line(found: dict[str, Any]) -> str:
    """How far the model is from the data, in its loss."""
    from dnmf.losses import words_of

    words = words_of(found["loss_name"], found["observed"] or {}, found["implicit"] or 0.0)
    error = f"{found['relative_error']:.4f} ({words.error})"
    explained = f"{100 * (1 - found['relative_error'] ** 2):.2f} % explained"
    return labelled("error", f"{error}, {explained}, objective {found['objective']:.6g}")


def _lost_lines(found: dict[str, Any]) -> list[str]:
    """What went wrong on the way and was made good."""
    return [labelled("lost", f"{found['lost']['told']}; the result is the same")] if found.get("lost") else []


def _in_hand_lines(found: dict[str, Any]) -> list[str]:
    """How far the read in hand is, or was."""
    if found["in_hand"] is None:
        return []
    stopped = found["status"] == "stopped"
    return [labelled("left off" if stopped else "now", in_hand_text(found["in_hand"], stopped=stopped))]


def in_hand_text(in_hand: dict[str, Any], *, stopped: bool) -> str:
    """Return how far a read is, and how long it will take where it has not been stopped."""
    event = PassProgress(**{name: in_hand[name] for name in ("what", "number", "rows_done", "rows", "seconds")})
    label = " ".join(progress_label(event).split())
    text = f"{label}: {share_text(event.share, event.seconds, 'of the rows')}"
    return text.partition(", about")[0] if stopped else text


def _study_status_lines(found: dict[str, Any]) -> list[str]:
    done = f"{found['models_done']} of {counted(found['models'], 'model')}"
    return [
        *asked_lines(found),
        labelled("data", found["source"]),
        *_observed_lines(found),
        *_solver_lines(found),
        labelled("passes", f"{found['passes']} shared, {found['reads']:.1f} reads of the data; {done} done"),
        *_lost_lines(found),
        *_in_hand_lines(found),
        *([labelled("go on", command_again(found["store"]))] if found["status"] == "stopped" else []),
    ]


_HEAD = ("run", "status", "rank", "passes", "error", "reads", "")
_SIDES = "<<>>>><"


def table_lines(found: dict[str, dict[str, Any] | None]) -> list[str]:
    """Return a table of runs by name, None where nothing can be said of one; see :func:`status_lines`."""
    rows = [_HEAD, *((name, *_cells(facts)) for name, facts in found.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, _SIDES, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cells(found: dict[str, Any] | None) -> tuple[str, ...]:
    if found is None:
        return ("unreadable", "–", "–", "–", "–", "")
    if found["status"] == "starting":
        return ("starting", "–", "–", "–", "–", _in_hand_cell(found))
    error, reads = found.get("relative_error"), found["reads"]
    models = f"{found['models_done']} of {counted(found['models'], 'model')}" if found.get("kind") else ""
    return (
        found["status"], str(found["rank"]), str(found["passes"]), "–" if error is None else f"{error:.4f}",
        "–" if reads is None else f"{reads:.1f}", "; ".join(text for text in (models, _in_hand_cell(found)) if text),
    )  # fmt: skip


def _in_hand_cell(found: dict[str, Any]) -> str:
    return "" if found["in_hand"] is None else in_hand_text(found["in_hand"], stopped=found["status"] == "stopped")


def _passes(found: dict[str, Any]) -> str:
    if not found["passes"]:
        return f"none yet of at most {found['max_passes']}; the start is committed"
    of = "" if found["status"] == "done" else f" of at most {found['max_passes']}"
    return f"{found['passes']}{of}, {found['reads']:.1f} reads of the data, {format_seconds(found['seconds'])}"


def _next_lines(found: dict[str, Any]) -> list[str]:
    store = shlex.quote(found["store"])
    if found["status"] == "stopped":
        return [labelled("go on", command_again(found["store"]))]
    return [*_more_lines(found), labelled("look", f"dnmf inspect {store}")] if found["status"] == "done" else []


def _more_lines(found: dict[str, Any]) -> list[str]:
    """How a run goes on that a limit has ended."""
    limits = found["go_on_with"]
    return [] if limits is None else [labelled("go on", command_again(found["store"], limits))]


def run_lines(found: dict[str, Any]) -> list[str]:
    """Return what :func:`dnmf.inspection.inspect_run` found."""
    if found["status"] != "done":
        return status_lines(found)
    if found.get("kind"):
        return [*status_lines(found), "", *study_lines(found)]
    rows, columns = found["shape"]
    names = " and ".join(
        what for what, named in (("rows", found["row_names"]), ("columns", found["column_names"])) if named
    )
    return [
        labelled("model", f"{found['store']}: {rows:,} × {columns:,}, rank {found['rank']}, {found['dtype']}"),
        *status_lines(found)[2:-1],
        labelled("W", f"{found['W']} (Zarr)"),
        labelled("penalty", f"{found['penalty']}; {found['alive']} of {found['rank']} components are alive"),
        labelled("names", along_axes(found) or names or "none"),
        *_exact_lines(found),
        "",
        *component_lines(found["components"], found["side"]),
    ]


def _exact_lines(found: dict[str, Any]) -> list[str]:
    """What an error of nothing but rounding shows."""
    exact = found["exact"]
    if not exact:
        return []
    return [labelled("exact", f"nothing but rounding is left; the {exact['rank']} is at most {exact['at_most']}")]


def model_lines(found: dict[str, Any]) -> list[str]:
    """Return how a fit ended and where its result is."""
    store = found["store"]
    return [
        labelled("done", ended_text(str(found["stop_reason"]))),
        *_starts_lines(found),
        labelled(
            "error",
            f"{found['relative_error']:.4f} after {counted(found['passes'], 'pass')}, "
            f"{found['reads']:.1f} reads of the data",
        ),
        *_lost_lines(found),
        labelled("model", f"{store} (W in {found['W']})"),
        *_more_lines(found),
        labelled("look", f"dnmf inspect {shlex.quote(store)}"),
        labelled("python", f"dnmf.load({store!r})"),
    ]
