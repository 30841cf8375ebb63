"""Runs as a table of HTML: a row for each, the newest first."""

import logging
import math
from collections.abc import Sequence
from html import escape
from typing import Any

from dnmf.amounts import format_bytes
from dnmf.colours import PALETTE
from dnmf.fitting.events import PassProgress
from dnmf.progress import format_seconds, progress_label
from dnmf.progress.lines import left_text
from dnmf.watched.runs import Run

log = logging.getLogger("dnmf")
UNSHOWN = '<span class="bad">what was told of it cannot be shown</span>'
NONE_YET = (
    "No fit has been told of here. One shows up when it begins on this scheduler: "
    "<code>dnmf.fit(…, client=…)</code> or <code>dnmf fit … --scheduler ADDRESS</code>."
)
HEADS = ("run", "now", "pass", "error", "gradient", "alive", "reads", "bytes a second", "workers gone")
LOSSES = ("workers_lost", "tasks_again", "retries")  # of a pass record, where it has them
STYLE = """
:host { font: 14px/1.35 system-ui, sans-serif; color: #222; min-width: 0; }
.bk-clearfix { display: block; width: 100%; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 600; color: #5b6470; text-align: right; padding: 4px 10px; white-space: nowrap; }
td { text-align: right; padding: 7px 10px; border-top: 1px solid #e5e5e5; white-space: nowrap;
     font-variant-numeric: tabular-nums; vertical-align: top; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
td:nth-child(2) { min-width: 190px; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; }
small { display: block; color: #767676; font-size: 12px; max-width: 30em; overflow: hidden; text-overflow: ellipsis; }
.bar { background: #e5e5e5; border-radius: 3px; height: 7px; margin: 6px 0 4px; overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 3px; }
.bad { color: #b04a00; font-weight: 600; }
"""


def color_of(run: Run) -> str:
    """Return the colour of a run in the table and in the pictures."""
    return PALETTE[run.number % len(PALETTE)]


def table(runs: Sequence[Run]) -> str:
    """Return the table; a sentence where there is no run.

    All that others chose is escaped, and a run that cannot be shown is a line that says so.
    """
    if not runs:
        return f"<p>{NONE_YET}</p>"
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    rows = "".join(f"<tr>{_row(run)}</tr>" for run in reversed(runs))
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'


def _row(run: Run) -> str:
    try:
        return "".join(f"<td>{cell}</td>" for cell in _cells(run))
    except Exception:  # it was told over the network, and does not hide the runs beside it
        log.debug("what was told of the run %s cannot be shown", run.mark, exc_info=True)
        return f"<td>{escape(run.name)}</td><td>{UNSHOWN}</td>" + "<td>–</td>" * (len(HEADS) - 2)


def _cells(run: Run) -> list[str]:
    last, of = run.last, run.facts.get("rank")
    dot = f'<span class="dot" style="background:{color_of(run)}"></span>'
    return [
        f"{dot}{escape(run.name)}<small>{escape(_what(run))}</small>",
        f"{_status(run)}<small>{escape(_by(run))}</small>",
        _told(run.passes[-1].get("number")) if run.passes else "–",
        _number(last.get("relative_error"), ".4f"),
        _number(last.get("gradient"), ".1e"),
        "–" if last.get("alive") is None else f"{_told(last['alive'])} of {_told(of)}",
        _number(run.reads, ".1f"),
        "–" if run.bytes_per_second is None else escape(format_bytes(run.bytes_per_second)),
        _gone(run),
    ]


def _what(run: Run) -> str:
    """The shape of the data, and how many components of how many models."""
    shape = (run.plan or {}).get("shape")
    models = run.facts.get("models")
    parts = ["{:,} × {:,}".format(*shape)] if shape else []
    parts += [f"rank {run.facts.get('rank')}"] + ([f"{models} models"] if models else [])
    return ", ".join(parts)


def _by(run: Run) -> str:
    return f"process {run.facts.get('pid')} on {run.facts.get('host')}"


def _told(value: Any) -> str:
    """A value as it was told."""
    return "–" if value is None else escape(str(value))


def _number(value: Any, form: str) -> str:
    return "–" if not isinstance(value, (int, float)) or not math.isfinite(value) else format(value, form)


def _status(run: Run) -> str:
    """How it is: how far the read in hand is, as a bar, or why it ended."""
    if run.is_over:
        after = f" after {format_seconds(max(0.0, run.told - run.began))}"
        return _end(run) + after
    if run.now is None:
        return "running" if run.passes else "starting"
    if "limit_s" in run.now:
        return '<span class="bad">stands still: no worker can go on</span>'
    event = PassProgress(*(run.now[name] for name in ("what", "number", "rows_done", "rows", "seconds")))
    left = "" if event.left_s is None else f", {escape(left_text(event.left_s))}"
    bar = f'<div class="bar"><i style="width:{100 * min(1.0, event.share):.1f}%;background:{color_of(run)}"></i></div>'
    label = escape(" ".join(progress_label(event).split()))
    return f"{label}: {100 * event.share:.0f} %{left}{bar}"


def _end(run: Run) -> str:
    ended = run.ended or {}
    if run.status == "done":
        return f"done ({escape(str(ended['reason']))})" if ended.get("reason") else "done"
    if run.status == "failed":
        return f'<span class="bad">ended: {escape(str(ended.get("error") or "not finished"))}</span>'
    return '<span class="bad">its process is gone</span>'


def _gone(run: Run) -> str:
    """How many workers left, and what else its passes say was lost."""
    told = [f"{sum(record.get(name) or 0 for record in run.passes)} {name.replace('_', ' ')}"
            for name in LOSSES if any(record.get(name) for record in run.passes)]  # fmt: skip
    count = f'<span class="bad">{run.workers_gone}</span>' if run.workers_gone else "0"
    came = [f"{run.workers_came} joined"] if run.workers_came else []
    return count + "".join(f"<small>{escape(text)}</small>" for text in came + told)
