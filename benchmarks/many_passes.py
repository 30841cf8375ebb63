"""``python -m benchmarks.many_passes``: what the processes of a cluster hold over 200 passes of one fit.

From pass 20 on the scheduler's memory has to stay within 5 % of what it was there (dask keeps a record of each graph),
open files within two, and no task may be left in the end; else the exit code is 1. Writes ``many_passes.json`` and the
table of ``docs/reliability.md``.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import reliability_page
from benchmarks.fit_process import FitProcess
from benchmarks.kills import MEMORY, write_data
from benchmarks.real_cluster import RealCluster
from benchmarks.suite import environment

RESULTS = Path(__file__).with_name("many_passes.json")
PASSES = 200
SETTLED = 20
"""Until then logs that have a greatest length are filling up."""
LOOKS = (5, SETTLED, 50, 100, 150, 198)
ROOM, FILES = 0.05, 2
"""By how much memory, and the number of open files, may differ."""
MIB = 2**20
WORKERS = 2
PROCESSES = ("scheduler", "workers", "driver")


def look(cluster: RealCluster, fit: FitProcess) -> dict[str, Any]:
    """Return what the processes hold now."""
    found: dict[str, Any] = {"pass": len(fit.passes())}
    all_pids = ([cluster.scheduler.pid], cluster.worker_pids(), [fit.process.pid])
    for name, pids in zip(PROCESSES, all_pids, strict=True):
        processes = [psutil.Process(pid) for pid in pids]
        found[name] = {
            "mib": round(max(one.memory_info().rss for one in processes) / MIB, 1),
            "files": max(one.num_fds() for one in processes),
            "threads": max(one.num_threads() for one in processes),
        }
    return found


def run(folder: Path, rows: int, columns: int, passes: int, looks: Sequence[int]) -> dict[str, Any]:
    """Return what was seen at some passes of a fit, and the tasks that were left after it."""
    data = write_data(folder, rows, columns)["dense"]
    with RealCluster(folder / "cluster", WORKERS, MEMORY) as cluster:
        said = [str(data), "--rank", "8", "--store", str(folder / "run.dnmf"), "--tol", "0", "--init", "random",
                "--max-passes", str(passes), "--keep", "stream", "--solver", "mu", "--dtype", "float64",
                "--scheduler", str(cluster.file)]  # fmt: skip
        fit, seen = FitProcess(said, cluster.environment, "benchmarks.small_tasks"), []
        for number in looks:
            if not fit.wait_for_passes(number) or fit.is_over():
                break
            seen.append(look(cluster, fit))
        code = fit.end()
        if code != 0:
            raise RuntimeError(f"the fit ended with {code}: {fit.errors}")
        visits = next(event["tasks"] for event in fit.events if event["type"] == "planned")
        return {"passes": len(fit.passes()), "visits": visits, "looks": seen, "tasks_left": cluster.count_tasks()}


def faults_of(record: dict[str, Any], settled: int = SETTLED) -> list[str]:
    """Return what was not flat from a pass on, in words."""
    first, *later = (one for one in record["looks"] if one["pass"] >= settled)
    found = [f"{record['tasks_left']} tasks are left"] if record["tasks_left"] else []
    for one in later:
        was, now, at = first["scheduler"]["mib"], one["scheduler"]["mib"], f"at pass {one['pass']}, where it was"
        if abs(now / was - 1) > ROOM:
            found.append(f"the scheduler has {now} MiB {at} {was} at pass {first['pass']}")
        for name in PROCESSES:
            was, now = first[name]["files"], one[name]["files"]
            if abs(now - was) > FILES:
                found.append(f"{name}: {now} open files {at} {was}")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_passes", description=__doc__.partition("\n")[0])
    parser.add_argument("--passes", type=int, default=PASSES, help="(%(default)s)")
    parser.add_argument("--try", dest="only_try", action="store_true", help="print, write nothing")
    how = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        record = run(Path(folder), 30_000, 200, how.passes, [one for one in LOOKS if one < how.passes])
    for one in record["looks"]:
        print(json.dumps(one), flush=True)
    found = faults_of(record)
    print(f"{record['passes']} passes of {record['visits']} visits, {record['tasks_left']} tasks left: "
          f"{'; '.join(found) or 'within what is allowed'}")  # fmt: skip
    if not how.only_try:
        RESULTS.write_text(json.dumps({"environment": environment(), **record}, indent=1) + "\n", encoding="utf-8")
        reliability_page.write()
    if found:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
