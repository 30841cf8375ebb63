"""``python -m benchmarks.scheduler_cpu``: CPU of the scheduler and of the client for a pass, today and before.

Before is the commit before graphs were made task by task. A scheduler, workers and the process that runs passes are
processes of their own, so what each takes is known. They run with the code of that commit and with that of this
checkout, in turn; the least of all passes counts, which was disturbed least. Writes ``scheduler_cpu.json`` and the
table of decision 51; the exit code is 1 where the scheduler takes more for a pass than it did before, by more than what
passes differ by.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks import reliability_page
from benchmarks.real_cluster import ROOT, RealCluster
from benchmarks.simulated_cluster import CpuClock
from benchmarks.suite import environment

RESULTS = Path(__file__).with_name("scheduler_cpu.json")
PROGRAM = Path(__file__).with_name("sleeping_passes.py")
BEFORE = "5e43663193a4a445eaa41b908c19eaea7f75a2e7"  # the last one whose graphs were delayed calls
WORKERS, VISITS, PASSES, TURNS = 4, 3000, 2, 2
ROOM = 0.03
"""By how much the least of a few passes differs from that of a few others."""
MEMORY = "1GiB"
LEAST = ("client_start_s", "scheduler_start_s", "client_s", "scheduler_s")

Taken = dict[str, float]


def check_out(commit: str, folder: Path) -> Path:
    """Return a folder with the files of a commit."""
    packed = folder / "tree.tar"
    if subprocess.run(["git", "-C", str(ROOT), "archive", "-o", str(packed), commit], check=False).returncode:
        raise SystemExit(f"python -m benchmarks.scheduler_cpu: {ROOT} has no commit {commit}; fetch its whole history")
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xf", str(packed), "-C", str(tree)], check=True)
    return tree


@contextmanager
def program(tree: Path, cluster: RealCluster, visits: int, passes: int) -> Iterator["subprocess.Popen[str]"]:
    """Run the passes with the code of a tree."""
    command = [sys.executable, "-P", str(PROGRAM), str(cluster.file), str(visits), str(passes)]
    with subprocess.Popen(
        command, env=cluster.environment, cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.communicate()


def measure(tree: Path, folder: Path, visits: int, passes: int) -> list[Taken]:
    """Return the CPU seconds of each pass that the code of a tree takes.

    Parameters
    ----------
    tree : Path
        A checkout.
    folder : Path
        For the cluster.
    visits, passes : int
        How many visits a pass has, and how many passes there are.
    """
    with RealCluster(folder, WORKERS, MEMORY, tree=tree) as cluster, program(tree, cluster, visits, passes) as child:
        with CpuClock(_cpu_of(child.pid)) as client, CpuClock(_cpu_of(cluster.scheduler.pid)) as scheduler:
            assert child.stdout is not None
            said = child.stdout.readline()
        if not said:
            raise RuntimeError(f"the passes failed with the code in {tree}")
        return [
            {
                "client_start_s": client.between(began, first), "scheduler_start_s": scheduler.between(began, first),
                "client_s": client.between(began, ended), "scheduler_s": scheduler.between(began, ended),
                "wall_s": ended - began,
            }
            for began, first, ended in json.loads(said)
        ]  # fmt: skip


def _cpu_of(pid: int) -> Callable[[], float]:
    process = psutil.Process(pid)

    def seconds() -> float:
        taken = process.cpu_times()
        return float(taken.user + taken.system)

    return seconds


def least(passes: list[Taken]) -> Taken:
    """Return the least of each figure."""
    return {name: round(min(one[name] for one in passes), 3) for name in LEAST}


def main(arguments: list[str] | None = None) -> None:
    """Measure both, print, and write the record and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduler_cpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT", help="beside this checkout (%(default)s)")
    parser.add_argument("--visits", type=int, default=VISITS, help="of a pass (%(default)s)")
    parser.add_argument("--try", dest="only_try", action="store_true", help="one turn; write nothing")
    how = parser.parse_args(arguments)
    passes: dict[str, list[Taken]] = {"before": [], "now": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trees = {"before": check_out(how.before, folder), "now": ROOT}
        for _ in range(1 if how.only_try else TURNS):
            for which, tree in trees.items():
                passes[which] += measure(tree, folder / "cluster", how.visits, PASSES)
                print(which, json.dumps(least(passes[which])), flush=True)
    found = {which: least(all_of_it) for which, all_of_it in passes.items()}
    if not how.only_try:
        record = {"environment": environment(), "before": how.before, "visits": how.visits, "workers": WORKERS,
                  "least": found, "passes": passes}  # fmt: skip
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        reliability_page.write()
    if found["now"]["scheduler_s"] > (1 + ROOM) * found["before"]["scheduler_s"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
