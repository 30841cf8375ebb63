"""The tables of ``docs/reliability.md`` and of decision 51, and that of ``docs/scaling.md`` on what hosts send."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.passes_page import costs_table, graphs_table, kept_table, when
from benchmarks.scaling_page import filled, table
from benchmarks.traffic_model import Messages, traffic

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PAGES = ("reliability.md", "scaling.md", "decisions/0051-graphs-task-by-task.md")
Record = dict[str, Any]
VICTIMS = {
    "driver": "the process of the fit", "driver on a cluster": "the driver of a cluster", "worker": "workers",
    "scheduler": "the scheduler",
}  # fmt: skip
LOSSES = {"frobenius": "least squares", "kullback-leibler": "Kullback–Leibler"}
COUNTED = ("kills", "fits", "wrong", "hung", "left")


def read(name: str) -> Record:
    """Return what was measured; empty where nothing was."""
    path = HERE / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write() -> None:
    """Write the tables into the pages."""
    for name in PAGES:
        page = DOCS / name
        if page.is_file():
            page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(page: str) -> str:
    """Return a page with the text between those of its markers that are ours written anew."""
    return filled(page, {name: partial(_told, *table) for name, table in TABLES.items()})


def _told(file: str, make: Callable[[Record], str]) -> str:
    record = read(file)
    return make(record) if record else f"Not measured yet: `python -m benchmarks.{file}`."


def kills_table(record: Record) -> str:
    """What was killed, how often, and what came of it."""
    cases = record["cases"].values()
    rows = [
        [VICTIMS[one["victim"]], one["data"], LOSSES[one["loss"]],
         *("–" if one[name] is None else str(one[name]) for name in COUNTED)]
        for one in cases
    ]  # fmt: skip
    rows.append(["**in all**", "", "", *(f"**{sum(one[name] or 0 for one in cases)}**" for name in COUNTED)])
    head = ("what is killed", "data", "loss", "kills", "fits", "wrong results", "without an end", "tasks left")
    days = " to ".join(sorted({edge(one["date"] for one in cases) for edge in (min, max)}))
    return f"Counted on {days}; –: not counted.\n\n{table(head, rows)}"


def many_table(record: Record) -> str:
    """What processes hold over many passes."""
    rows = []
    for one in record["looks"]:
        cells = [
            f"{one[name][what]}" for what in ("mib", "files", "threads") for name in ("scheduler", "workers", "driver")
        ]
        rows.append([str(one["pass"]), *cells])
    head = ("pass", *(f"{what}: {name}" for what in ("MiB", "open files", "threads")
                      for name in ("scheduler", "worker", "driver")))  # fmt: skip
    said = f"{record['passes']} passes of {record['visits']} visits, {record['tasks_left']} tasks left."
    return f"{said} {when(record['environment'])}\n\n{table(head, rows)}"


def faults_table(record: Record) -> str:
    """What a cable that is pulled costs."""
    rows = [
        [f"the {one['host']}'s", str(one["seconds_out"]), _seconds(one["next_pass_s"]), _seconds(one["longest_pass_s"]),
         *(str(one[name]) for name in ("workers_lost", "hosts_lost", "workers_at_the_end")),
         "same bits" if one["same_bits"] else "**other bits, or none**"]
        for one in record["faults"]
    ]  # fmt: skip
    head = ("cable of", "out for, s", "next pass after, s", "longest pass, s", "workers told as lost", "hosts",
            "workers in the end, of 3", "result")  # fmt: skip
    return f"{when(record['environments']['faults'])}\n\n{table(head, rows)}"


def hosts_table(record: Record) -> str:
    """Bytes of a pass beside the model."""
    messages, rows = Messages.from_json(record["messages"]), []
    for one in record["bytes"]:
        model = traffic(one["rank"], one["columns"], one["visits"], one["workers"], messages)
        ways = [(one[way], getattr(model, way)) for way in ("to_workers", "to_scheduler", "from_scheduler")]
        cells = [f"{measured / 1e6:.2f} / {most / 1e6:.2f} = {measured / most:.2f}" for measured, most in ways]
        rows.append([f"{one['rank']} × {one['columns']}", str(one["visits"]), *cells,
                     "yes" if one["same_bits"] else "**no**"])  # fmt: skip
    said = ", ".join([
        f"A task's messages, from the first line: {messages.to_scheduler:,.0f} bytes into the scheduler's host",
        f"{messages.from_scheduler:,.0f} out of it",
        f"{messages.to_workers:,.0f} into the workers. {when(record['environments']['bytes'])}",
    ])  # fmt: skip
    head = ("k × n", "visits", "into three workers, MB: measured / model", "into the scheduler's host", "out of it",
            "same bits")  # fmt: skip
    return f"{said}\n\n{table(head, rows)}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


TABLES: dict[str, tuple[str, Callable[[Record], str]]] = {
    "kills": ("kills", kills_table), "many": ("many_passes", many_table), "outages": ("hosts", faults_table),
    "hosts": ("hosts", hosts_table), "graphs": ("scheduler_cpu", graphs_table), "kept": ("kept_parts", kept_table),
    "costs": ("scaling", costs_table),
}  # fmt: skip
