"""A scheduler, and workers under nannies, each a process of its own, to be killed, frozen or cut off under a fit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parents[1]
START_S = 120.0
"""How long a scheduler or a worker may take to come, on a machine that is busy."""

Wrap = Callable[[int, Sequence[str]], list[str]]


def here(_place: int, command: Sequence[str]) -> list[str]:
    """Return a command as it is: all places are this machine."""
    return list(command)


class RealCluster:
    """Processes in a folder, under the settings of deploy/dask.yaml.

    Parameters
    ----------
    folder : Path
        For logs, spilled data and the scheduler file; made, and emptied before.
    workers : int
        Of one thread each, under a nanny.
    memory_limit : str
        Of each.
    addresses : sequence of str, optional
        Where the scheduler, then each worker listens; one place for all by default.
    wrap : callable
        Makes, of a place's number (0: the scheduler's) and a command, the command that runs there.
    tree : Path
        The checkout whose code they run.
    """

    def __init__(
        self, folder: Path, workers: int = 3, memory_limit: str = "1GiB", *,
        addresses: Sequence[str] = (), wrap: Wrap = here, tree: Path = ROOT,
    ):  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "settings").mkdir(parents=True)
        shutil.copy(ROOT / "deploy" / "dask.yaml", folder / "settings")
        self.folder, self.file = folder, folder / "scheduler.json"
        self.environment = {**os.environ, "DASK_CONFIG": str(folder / "settings"), "PYTHONPATH": str(tree)}
        self._limit, self._addresses, self._wrap = memory_limit, list(addresses), wrap
        self.nannies: list[subprocess.Popen[bytes]] = []
        command = ["dask_scheduler", "--host", self._address(0), "--port", "0", "--no-dashboard"]
        self.scheduler = self._start("scheduler", 0, [*command, "--scheduler-file", str(self.file)])
        self._wait_for("the scheduler", lambda: self.file.exists() and self.file.stat().st_size)
        for place in range(1, workers + 1):
            self.add_worker(place)
        self.ask(lambda client: client.wait_for_workers(workers, timeout=START_S))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add_worker(self, place: int) -> None:
        """Start one more, with its nanny."""
        command = ["dask_worker", "--scheduler-file", str(self.file), "--host", self._address(place), "--nthreads", "1",
                   "--memory-limit", self._limit, "--no-dashboard", "--local-directory", str(self.folder)]  # fmt: skip
        self.nannies.append(self._start(f"worker-{len(self.nannies)}", place, command))

    def worker_pids(self) -> list[int]:
        """Return the processes that work; a nanny that is about to start one has none."""
        found = []
        for nanny in self.nannies:
            try:
                children = psutil.Process(nanny.pid).children()
                found += [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
            except psutil.Error:
                pass
        return found

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """Return the answer of a client of its own."""
        from distributed import Client

        with Client(scheduler_file=str(self.file), timeout=START_S, set_as_default=False) as client:
            return question(client)

    def count_tasks(self) -> int:
        """Return how many tasks the scheduler has once nobody is left who wants one."""
        return settled(lambda: self.ask(lambda client: client.run_on_scheduler(_count_tasks)))

    def close(self) -> None:
        """End all of its processes, those that are frozen too."""
        for pid in self.worker_pids():
            _send(pid, signal.SIGCONT)
        processes = [*self.nannies, self.scheduler]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _address(self, place: int) -> str:
        return self._addresses[place] if self._addresses else "127.0.0.1"

    def _start(self, name: str, place: int, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        module, *arguments = command
        whole = self._wrap(place, [sys.executable, "-m", f"distributed.cli.{module}", *arguments])
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(whole, env=self.environment, cwd=self.folder, stdout=log, stderr=log)

    def _wait_for(self, what: str, there: Callable[[], Any]) -> None:
        deadline = time.monotonic() + START_S
        while not there():
            if time.monotonic() > deadline or self.scheduler.poll() is not None:
                raise RuntimeError(f"{what} did not come; its log is in {self.folder}")
            time.sleep(0.05)


def settled(count: Callable[[], int], within_s: float = 10.0) -> int:
    """Return a count as soon as it is zero, else what it is in the end."""
    deadline = time.monotonic() + within_s
    while (left := count()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def kill(pid: int) -> bool:
    """Kill a process with SIGKILL; false where it was gone."""
    return _send(pid, signal.SIGKILL)


def _send(pid: int, signum: int) -> bool:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return False
    return True


def _count_tasks(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)
