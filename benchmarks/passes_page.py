"""The tables of ``docs/decisions/0051-graphs-task-by-task.md``: passes beside their visits, and under kills."""

from dataclasses import replace
from typing import Any

from benchmarks.scaling_model import Cluster, Constants, Matrix, pass_cost
from benchmarks.scaling_page import CELLS, HUNDRED_TB, NODES, ONE_TB, constants_of, seconds, table
from dnmf.memory import FAN_IN

GB = 1e9
RANK = 20
Record = dict[str, Any]
WHICH = {"before": "delayed calls", "now": "tasks, one named layer"}


def graphs_table(record: Record) -> str:
    """CPU of a pass before graphs were made of tasks, and today."""
    names = ("client_start_s", "scheduler_start_s", "client_s", "scheduler_s")
    rows = [[words, *(f"{record['least'][which][name]:.2f}" for name in names)] for which, words in WHICH.items()]
    passes = len(record["passes"]["now"])
    said = (
        f"{record['visits']:,} visits on {record['workers']} workers, CPU seconds, the least of {passes} passes each; "
        f"the first line is commit {record['before'][:8]}."
    )
    head = ("", "until the first visit: client", "scheduler", "the whole pass: client", "scheduler")
    return f"{said} {when(record['environment'])}\n\n{table(head, rows)}"


def kept_table(record: Record) -> str:
    """Passes under kills, as they are and with what is finished of them kept."""
    by_pause: dict[Any, dict[str, Record]] = {}
    for one in record["courses"]:
        by_pause.setdefault(one["every_s"], {})[one["way"]] = one
    rows = []
    for every_s, ways in by_pause.items():
        one = ways["as it is"]
        passes = one["needed"] / record["visits"]  # one that ended after the last kill, too
        counts = [f"{one[name] / passes:.1f}" for name in ("kills", "again", "in_hand")]
        twice = [_done_twice(each, record["visits"]) for each in ways.values()]
        rows.append(["–" if every_s is None else f"{every_s:g}", *map(_a_pass, ways.values()), *counts, *twice])
    said = (
        f"Passes of {record['visits']} visits of {record['sleep_s']:g} s on {record['workers']} workers of one thread, "
        f"begun for {record['begin_s']:g} s; –: nobody was killed, or no pass ended in {record['kill_s']:g} s."
    )
    head = ("a worker killed every, s", "a pass as it is, s", "visits kept", "fours kept", "of a pass as it is: kills",
            "tasks run again", "visits in hand lost", "visits done again", "visits kept", "fours kept")  # fmt: skip
    return f"{said} {when(record['environment'])}\n\n{table(head, rows)}"


def _done_twice(one: Record, visits: int) -> str:
    twice = (one["visits"] - one["needed"]) * visits / one["needed"]
    return f"{twice:.1f} ({twice / visits:.0%})"


def _a_pass(one: Record) -> str:
    return f"{one['seconds'] / one['passes']:.1f}" if one["passes"] else "–"


def costs_table(results: Record) -> str:
    """What it costs to bring the sums of every visit to one host, by the model of ``docs/scaling.md``."""
    constants, rows = constants_of(results), []
    for matrix in (*CELLS.values(), ONE_TB, HUNDRED_TB):
        visits = pass_cost(matrix, RANK, Cluster(NODES[-1]), constants).groups
        sums_gb = visits * 8 * RANK * (matrix.columns + RANK + 1) / GB
        costs = [_with_kept_parts(matrix, Cluster(nodes), constants, sums_gb) for nodes in NODES[1:]]
        rows.append([matrix.name, f"{matrix.columns:,}", f"{visits:,}", f"{sums_gb:.1f}", *costs])
    head = ("data", "n", "visits", "sums of all visits, GB",
            *(f"a pass on {nodes} nodes, s: as it is, fours, visits" for nodes in NODES[1:]))  # fmt: skip
    return table(head, rows)


def _with_kept_parts(matrix: Matrix, cluster: Cluster, constants: Constants, sums_gb: float) -> str:
    """Seconds of a pass: as it is, and where the sums of fours, or of all visits, go to the process of the fit."""
    now = pass_cost(matrix, RANK, cluster, constants)
    kept = [
        replace(now, exchange=max(exchange, gb / cluster.network_gb_s))
        for gb, exchange in ((sums_gb / FAN_IN, now.exchange), (sums_gb, 0.0))
    ]
    return ", ".join(seconds(one.seconds) for one in (now, *kept))


def when(told: Record) -> str:
    """When, and on what."""
    return f"Measured on {told['date']} with Python {told['python']} on {told['processors']} processors."
