"""``python -m benchmarks.hosts``: a fit on three hosts and a scheduler's, at 1 Gbit: what a pass sends, and what
becomes of it when a cable is pulled. As root: hosts are network namespaces of this machine.

Each fit is held against one in process, bit for bit. Bytes are those of the cables, between two passes in the middle of
a fit, beside :mod:`benchmarks.traffic_model`. Writes ``hosts.json`` and the tables of ``docs/scaling.md`` and
``docs/reliability.md``.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import reliability_page
from benchmarks.fit_process import FitProcess, bits_of
from benchmarks.namespaces import Hosts, Passed, why_not
from benchmarks.real_cluster import RealCluster
from benchmarks.scaling_model import additions
from benchmarks.suite import environment

RESULTS = Path(__file__).with_name("hosts.json")
WORKERS = 3
MEMORY = "1GiB"  # of a worker, and of the process: the plan and so the bits follow from it
SCHEDULER, WORKER = 0, 2  # hosts
STILL_S = 0.4  # from the news of a pass into the next


@dataclass(frozen=True)
class Case:
    """Rows and columns of the data, and the rank."""

    name: str
    rows: int
    columns: int
    rank: int


SILENT = Case("few numbers", 50_000, 2000, 1)
"""Its pass is messages, nearly: from it come their constants, against which the others are held."""
CASES = (SILENT, Case("many visits", 50_000, 2000, 10), Case("large sums", 20_000, 5000, 50))
PULLED = CASES[1]
PASSES = 14
FAULTS = ((WORKER, 15), (WORKER, 30), (WORKER, 150), (SCHEDULER, 15))
"""Which host is out, for how many seconds."""


def write_counts(path: Path, case: Case) -> Path:
    """Write planted counts of a byte each, in blocks of rows."""
    import zarr

    rng, step = np.random.default_rng(0), case.rows // 10
    H = rng.gamma(0.5, size=(10, case.columns))
    array = zarr.create_array(path, shape=(case.rows, case.columns), chunks=(case.rows // 50, case.columns), dtype="f4")
    for low in range(0, case.rows, step):
        array[low : low + step] = rng.poisson(rng.gamma(0.5, size=(step, 10)) @ H)
    return path


class Bench:
    """Hosts, and a folder with data and runs."""

    def __init__(self, hosts: Hosts, folder: Path, passes: int):
        self.hosts, self.folder, self.passes = hosts, folder, passes
        self._runs = 0
        self._data: dict[tuple[int, int], Path] = {}

    def data(self, case: Case) -> Path:
        """Return where the data of a case is."""
        shape = case.rows, case.columns
        if shape not in self._data:
            self._data[shape] = write_counts(self.folder / f"{case.rows}x{case.columns}.zarr", case)
        return self._data[shape]

    def start(self, case: Case, cluster: RealCluster | None) -> tuple[FitProcess, Path]:
        """Begin a fit in process or on a cluster, and return it and its store."""
        self._runs += 1
        store = self.folder / f"{self._runs}.dnmf"
        where = ["--scheduler", str(cluster.file)] if cluster else ["--memory-limit", MEMORY]
        said = [str(self.data(case)), "--rank", str(case.rank), "--store", str(store), "--tol", "0", "--keep", "stream",
                "--max-passes", str(self.passes), *where]  # fmt: skip
        return FitProcess(said, cluster.environment if cluster else dict(os.environ)), store

    def new_cluster(self) -> RealCluster:
        """Start a scheduler in the first host and a worker in each other one."""
        return RealCluster(self.folder / f"cluster-{self._runs}", WORKERS, MEMORY,
                           addresses=self.hosts.addresses, wrap=self.hosts.wrap)  # fmt: skip

    def expected(self, case: Case) -> str:
        """Return the bits of a fit in process."""
        fit, store = self.start(case, None)
        if fit.end():
            raise RuntimeError(f"the fit in process failed: {fit.errors}")
        return bits_of(store)


def measure_bytes(bench: Bench, case: Case, expected: str) -> dict[str, Any]:
    """Return what the passes in the middle of a fit sent, each as a median."""
    with bench.new_cluster() as cluster:
        fit, store = bench.start(case, cluster)
        seen: list[list[Passed]] = []
        while fit.wait_for_passes(len(seen) + 1):
            seen += [bench.hosts.passed()] * (len(fit.passes()) - len(seen))
        code = fit.end()
        visits = next(event["tasks"] for event in fit.events if event["type"] == "planned")
    between = [
        [Passed(b.received - a.received, b.sent - a.sent) for a, b in zip(*pair, strict=True)]
        for pair in itertools.pairwise(seen[3:-1])
    ]
    return {
        **asdict(case), "visits": visits, "workers": WORKERS,
        "to_workers": median(sum(host.received for host in hosts[1:]) for hosts in between),
        "to_scheduler": median(hosts[SCHEDULER].received for hosts in between),
        "from_scheduler": median(hosts[SCHEDULER].sent for hosts in between),
        "seconds": median(one["seconds"] for one in fit.passes()[3:-1]),
        "same_bits": code == 0 and bits_of(store) == expected,
    }  # fmt: skip


def messages_of(silent: dict[str, Any]) -> dict[str, float]:
    """Return what is said of a task, from a pass that sends hardly anything else."""
    from benchmarks.traffic_model import Messages, traffic

    sent = traffic(silent["rank"], silent["columns"], silent["visits"], silent["workers"], Messages(0, 0, 0))
    tasks = silent["visits"] + additions(silent["visits"]) + 1
    return {way: round(max(0.0, silent[way] - getattr(sent, way)) / tasks)
            for way in ("to_scheduler", "from_scheduler", "to_workers")}  # fmt: skip


def pull(bench: Bench, case: Case, host: int, seconds: float, expected: str) -> dict[str, Any]:
    """Return what became of a fit one of whose hosts was out for a while in its fourth pass."""
    with bench.new_cluster() as cluster:
        fit, store = bench.start(case, cluster)
        fit.wait_for_passes(3)
        time.sleep(STILL_S)
        bench.hosts.pull(host)
        began, told = time.monotonic(), len(fit.passes())
        while time.monotonic() - began < seconds and not fit.is_over():
            time.sleep(0.1)
        bench.hosts.plug(host)
        fit.wait_for_passes(told + 1)
        next_pass = _after(fit, told, began) if len(fit.passes()) > told else None
        code = fit.end()
        left = len(cluster.worker_pids())
    return {
        "host": "scheduler" if host == SCHEDULER else "worker", "seconds_out": seconds, "next_pass_s": next_pass,
        "longest_pass_s": round(max(one["seconds"] for one in fit.passes()), 1), "workers_at_the_end": left,
        "workers_lost": sum(one["workers_lost"] for one in fit.passes()),
        "hosts_lost": sum(len(one["hosts_lost"]) for one in fit.passes()),
        "exit_code": code, "said": fit.errors, "same_bits": code == 0 and bits_of(store) == expected,
    }  # fmt: skip


def _after(fit: FitProcess, told: int, began: float) -> float:
    """How long after a moment the next pass was told of."""
    return round(fit.passes()[told]["at"] - began, 1)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--only", choices=("bytes", "faults"), help="the rest keeps its figures")
    parser.add_argument("--rate", default="1gbit", help="of every cable, each way (%(default)s)")
    how = parser.parse_args(arguments)
    if reason := why_not():
        parser.exit(1, f"{parser.prog}: {reason}\n")
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    with tempfile.TemporaryDirectory() as folder, Hosts(WORKERS + 1, how.rate) as hosts:
        bench = Bench(hosts, Path(folder), PASSES)
        environments = record.setdefault("environments", {})
        if how.only != "faults":
            record["bytes"] = [_said(measure_bytes(bench, case, bench.expected(case))) for case in CASES]
            record["messages"] = messages_of(record["bytes"][0])
            environments["bytes"] = environment() | {"rate": how.rate}
        if how.only != "bytes":
            expected = bench.expected(PULLED)
            record["faults"] = [_said(pull(bench, PULLED, *fault, expected)) for fault in FAULTS]
            environments["faults"] = environment() | {"rate": how.rate}
    RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    reliability_page.write()
    if not all(one["same_bits"] for one in [*record.get("bytes", []), *record.get("faults", [])]):
        raise SystemExit("a fit had other bits, or none")


def _said(one: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(one), flush=True)
    return one


if __name__ == "__main__":
    main()
