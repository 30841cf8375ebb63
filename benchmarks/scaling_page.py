"""The tables of ``docs/scaling.md``, from what :mod:`benchmarks.scaling` and :mod:`benchmarks.workers` measured."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.scaling_given import WORKER, Cluster, Constants, Matrix
from benchmarks.scaling_model import AS_IT_IS, Changed, PassCost, bend, pass_cost
from benchmarks.scheduler_model import fit_scheduler, predict
from benchmarks.simulated_cluster import Simulated

RESULTS = Path(__file__).with_name("scaling.json")
WORKERS = Path(__file__).with_name("workers.json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MIB = 2**20
NODES = (1, 16, 128, 1000)
RANKS = (20, 50)
ONE_TB = Matrix("dense, 1 TB", 25_000_000, 10_000, 40_000, "dense")
HUNDRED_TB = Matrix("dense, 100 TB", 2_500_000_000, 10_000, 40_000, "dense")
CELLS = {n: Matrix(f"{n // 10**6} M cells", n, 30_000, 8008, "sparse") for n in (10**6, 10**7, 10**8)}
MATRICES = (ONE_TB, HUNDRED_TB, *CELLS.values())
WIDE = {
    n: Matrix(f"1 G rows × {n // 10**6} M columns", 10**9, n, 408, "sparse") for n in (10**6, 10**7)
}  # fifty values a row
LARGE_NODE = 512 * 2**30
SHARED = Cluster(1000, shared_gb_s=100.0)
WHAT_IF = (
    (CELLS[10**8], Cluster(128), Changed(graph_ahead=True), "the graph is sent ahead"),
    (CELLS[10**8], Cluster(128), Changed(group_bytes=512 * MIB), "groups of 512 MiB"),
    (ONE_TB, Cluster(128), Changed(graph_ahead=True), "the graph is sent ahead"),
    (ONE_TB, Cluster(1000), Changed(group_bytes=1024 * MIB), "groups of 1 GiB"),
    (ONE_TB, Cluster(1000), Changed(sums_stay=True), "sums stay on the worker"),
    (ONE_TB, Cluster(1000), Changed(sums_stay=True, graph_ahead=True), "both of these"),
    (HUNDRED_TB, Cluster(1000), Changed(graph_ahead=True), "the graph is sent ahead"),
    (HUNDRED_TB, SHARED, AS_IT_IS, "one store gives all nodes 100 GB/s"),
)  # fmt: skip

Record = dict[str, Any]


def read_results() -> Record:
    """Return what was measured before; empty where nothing was."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def constants_of(results: Record) -> Constants:
    """Return the constants of the model: what was measured of the data, and the fit to the simulated passes."""
    passes = [Simulated(**one) for one in results["scheduler"]]
    return Constants.from_json({**results["constants"], **fit_scheduler(passes)})


def write(results: Record) -> None:
    """Write ``scaling.json`` and the tables of the page."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results, _workers()), encoding="utf-8")


def _workers() -> Record:
    return json.loads(WORKERS.read_text(encoding="utf-8")) if WORKERS.is_file() else {}


def with_tables(page: str, results: Record, workers: Record) -> str:
    """Return the page with the text between its markers written anew."""
    tables = {
        "constants": constants_table, "passes": passes_table, "terms": terms_table, "bends": bends_table,
        "changes": changes_table, "checks": checks_table, "few": few_table, "environment": environment_line,
        "plan": plan_line, "feeding": feeding_line, "wide": wide_table,
    }  # fmt: skip
    makers = {name: partial(make, results) for name, make in tables.items()}
    return filled(page, {**makers, "workers": partial(workers_table, workers)})


def filled(page: str, makers: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with the text between markers written anew, where there is something to make it by their name."""

    def anew(found: re.Match[str]) -> str:
        return f"{found[1]}{makers[found[2]]()}\n{found[3]}" if found[2] in makers else found[0]

    return MARKED.sub(anew, page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def seconds(value: float) -> str:
    """Return seconds as few digits as tell them apart.

    Examples
    --------
    >>> seconds(1234.5), seconds(61.8), seconds(3.21), seconds(0.042), seconds(0.0004)
    ('1235', '62', '3.2', '0.04', '0.00')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def environment_line(results: Record) -> str:
    """When, and on what."""
    told = results["environment"]
    return f"Measured on {told['date']} with Python {told['python']} on {told['processors']} processors."


def plan_line(results: Record) -> str:
    """What the plan of 100 TB takes, and what of it each graph carries."""
    plan = results["plan"]
    size = f"{plan['groups']:,} groups of {plan['panels']:,} panels in all"
    return f"{plan['cpu_s']:.1f} CPU seconds for {size}, which are {plan['pickled_bytes'] / 1e6:.0f} MB in every graph."


def feeding_line(results: Record) -> str:
    """How many cores keep up with a node's store."""
    constants, parts = constants_of(results), []
    for matrix in (ONE_TB, CELLS[10**8]):
        for rank in RANKS:
            a_gb = constants.decode[matrix.kind][matrix.codec] + constants.compute_s(matrix.kind, rank)
            cores = a_gb / constants.stored[matrix.kind][matrix.codec] * Cluster(1).store_gb_s
            parts.append(f"{seconds(cores)} ({matrix.kind}, k = {rank})")
    return f"Cores that keep up with 1 GB/s of stored bytes: {', '.join(parts)}."


def constants_table(results: Record) -> str:
    """What was measured."""
    found, fitted = results["constants"], constants_of(results)
    rows = [
        [f"{kind}: decode a GB", ", ".join(f"{codec} {cpu:.2f}" for codec, cpu in found["decode"][kind].items()),
         "stored " + ", ".join(f"{codec} {share:.2f}" for codec, share in found["stored"][kind].items())]
        for kind in ("dense", "sparse")
    ]  # fmt: skip
    rows += [
        [
            f"{kind}: compute a GB",
            ", ".join(f"k = {rank}: {cpu:.2f}" for rank, cpu in found["compute"][kind].items()),
            "",
        ]
        for kind in ("dense", "sparse")
    ]
    updates = ", ".join(f"{one['cpu_s']:.3f} (n = {one['columns']:,}, k = {one['rank']})" for one in found["updates"])
    rows += [
        ["a task, before the first visit", f"{1e3 * fitted.start_s:.2f} ms", "client and scheduler"],
        ["a task, from then on", f"{1e3 * fitted.run_s:.2f} ms + {1e6 * fitted.run_s_per_worker:.2f} µs a worker", ""],
        ["a level of the tree", f"{1e3 * fitted.level_s:.0f} ms", "wall"],
        ["a GB of sums", f"add {fitted.add_s:.2f}, send and receive {fitted.wire_s:.2f}", ""],
        ["update of H", f"{1e9 * fitted.update_s:.2f} ns × n k²", updates],
    ]
    return table(("what", "CPU seconds", ""), rows)


def _cell(cost: PassCost) -> str:
    return f"{seconds(cost.seconds)} {cost.decided_by}"


def passes_table(results: Record) -> str:
    """Seconds of a pass, and the term that is largest."""
    constants = constants_of(results)
    rows = [
        [matrix.name, f"{matrix.total_gb:,.0f} GB", str(rank)]
        + [_cell(pass_cost(matrix, rank, Cluster(nodes), constants)) for nodes in NODES]
        for matrix in MATRICES for rank in RANKS
    ]  # fmt: skip
    return table(("data", "decoded", "k", "1 node", *(f"{nodes} nodes" for nodes in NODES[1:])), rows)


def terms_table(results: Record) -> str:
    """Every term of the passes with k = 20 on many nodes."""
    constants, terms = constants_of(results), ("storage", "cpu", "scheduler", "exchange", "start", "spread", "tail",
                                               "update")  # fmt: skip
    rows = []
    for matrix in MATRICES:
        for nodes in NODES[1:]:
            cost = pass_cost(matrix, RANKS[0], Cluster(nodes), constants)
            rows.append([matrix.name, str(nodes), f"{cost.groups:,} × {cost.group_gb:.2f} GB",
                         *(seconds(getattr(cost, term)) for term in terms), seconds(cost.seconds)])  # fmt: skip
    return table(("data", "nodes", "visits", *terms, "pass"), rows)


def bends_table(results: Record) -> str:
    """From where on twice as many nodes are hardly worth it."""
    constants, rows = constants_of(results), []
    for matrix in MATRICES:
        nodes, cost = bend(matrix, RANKS[0], constants)
        twice = pass_cost(matrix, RANKS[0], Cluster(2 * nodes), constants)
        rows.append([matrix.name, str(nodes), seconds(cost.seconds), seconds(twice.seconds), twice.decided_by])
    return table(("data", "nodes", "a pass, s", "on twice as many, s", "largest term then"), rows)


def wide_table(results: Record) -> str:
    """Passes where H is long, and what they would be with all sums added up and H solved for in the client."""
    constants, terms = constants_of(results), ("storage", "cpu", "exchange", "spread", "tail", "update")
    rows = []
    for matrix in WIDE.values():
        for rank in RANKS:
            for nodes in NODES[1:]:
                cluster = Cluster(nodes, memory_bytes=LARGE_NODE if matrix.columns > 10**6 else WORKER.memory_bytes)
                cost = pass_cost(matrix, rank, cluster, constants)
                then = pass_cost(matrix, rank, cluster, constants, Changed(in_client=True))
                rows.append([matrix.name, str(rank), str(nodes), f"{cost.groups:,} × {cost.group_gb:.1f} GB",
                             *(seconds(getattr(cost, term)) for term in terms), seconds(cost.seconds),
                             seconds(then.seconds)])  # fmt: skip
    return table(("data", "k", "nodes", "visits", *terms, "pass", "all of it in the client"), rows)


def changes_table(results: Record) -> str:
    """What a change would give, at the places where it matters."""
    constants, rows = constants_of(results), []
    for matrix, cluster, changed, words in WHAT_IF:
        now = pass_cost(matrix, RANKS[0], Cluster(cluster.nodes), constants)
        then = pass_cost(matrix, RANKS[0], cluster, constants, changed)
        rows.append([matrix.name, str(cluster.nodes), _cell(now), words, _cell(then)])
    return table(("data", "nodes", "now, s", "change", "then, s"), rows)


def checks_table(results: Record) -> str:
    """The model beside the simulated cluster."""
    constants, rows = constants_of(results), []
    for record in results["checks"]:
        one = Simulated(**record)
        cpu, wall = predict(one, constants)
        measured = one.start_cpu_s + one.run_cpu_s
        rows.append([f"{one.tasks:,}", f"{one.workers} × {one.threads}", f"{one.sleep_s:g}", seconds(cpu),
                     seconds(measured), seconds(wall), seconds(one.wall_s)])  # fmt: skip
    head = ("tasks", "workers × threads", "a visit sleeps, s", "CPU s, model", "measured", "wall s, model", "measured")
    return table(head, rows)


def few_table(results: Record) -> str:
    """Few visits for many threads."""
    constants, rows = constants_of(results), []
    for record in results["few"]:
        one = Simulated(**record)
        model = seconds(predict(one, constants)[1])
        rows.append([f"{one.workers} × {one.threads}", f"{one.visits:,}", f"{one.visits / one.slots:.2f}",
                     model, seconds(one.wall_s)])  # fmt: skip
    return table(("workers × threads", "visits", "visits a thread", "model, s", "measured, s"), rows)


def workers_table(record: Record) -> str:
    """Two workers beside one."""
    if not record:
        return "Not measured yet: `python -m benchmarks.workers`."
    rows = [
        [one["name"], "own core" if one["pinned"] else "free", f"{one['wall_1']:.2f}", f"{one['wall_2']:.2f}",
         f"**{one['wall_1'] / one['wall_2']:.2f}**", f"{2 * one['wall_1'] / one['wall_apart']:.2f}",
         *(f"{one[name]:.2f}" for name in ("cpu_1", "cpu_2", "visits_1", "visits_2")),
         f"{one['objective']:.9g}" if one["same_bits"] else "**differs**"]
        for one in record["measurements"]
    ]  # fmt: skip
    head = ("store", "workers run on", "one worker, s a pass", "two", "ratio", "two fits apart", "CPU s, one", "two",
            "s in visits, one", "two", "objective of both")  # fmt: skip
    size = f"Rank {record['rank']}, {record['measurements'][0]['decoded_gb']:.3g} GB decoded, seconds a pass (medians):"
    return f"{size}\n\n{table(head, rows)}"
