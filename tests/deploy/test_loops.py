"""What goes on by itself: fit-loop.sh and worker-loop.sh, with a `dnmf` and a `dask` that note how they are called."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from heeding import HEEDING

COMMON = Path(__file__).resolve().parents[2] / "deploy" / "common"
PATIENCE_S = 120
PROGRAM = """
import os, signal, sys, time

def note(line):
    with open(os.environ["NOTES"], "a", encoding="utf-8") as notes:
        notes.write(line + "\\n")

def leave(signum, frame):
    global left_s
    note(signal.Signals(signum).name)
    left_s = min(left_s, 0.5)  # in which it would hear of another one

for signum in (signal.SIGINT, signal.SIGTERM):
    signal.signal(signum, leave)
left_s = 120
note(" ".join(sys.argv[1:]))
codes = os.environ["CODES"].split()
with open(os.environ["NOTES"], encoding="utf-8") as notes:
    code = codes[len(notes.readlines()) - 1]
while code == "stay" and left_s > 0:
    time.sleep(0.01)
    left_s -= 0.01
sys.exit(75 if code == "stay" else int(code))
"""


class Loop:
    """A script whose `dnmf` or `dask` ends with each of these codes in turn, or stays."""

    def __init__(self, folder: Path, script: str, *words: str, codes: str, **environment: str):
        for name in ("dnmf", "dask"):
            (folder / name).write_text(f"#!{sys.executable}\n{PROGRAM}", encoding="utf-8")
            (folder / name).chmod(0o755)
        self._notes = folder / "notes"
        told = {"PATH": f"{folder}:{os.environ['PATH']}", "NOTES": str(self._notes), "CODES": codes, **environment}
        command = [*HEEDING, COMMON / script, *words]
        self._process = subprocess.Popen(
            command, env=os.environ | told, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def notes(self) -> list[str]:
        return self._notes.read_text(encoding="utf-8").splitlines() if self._notes.exists() else []

    def after(self, count: int) -> "Loop":
        deadline = time.monotonic() + PATIENCE_S
        while len(self.notes()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def until_it_says(self, words: str) -> "Loop":
        while words not in self._process.stderr.readline():
            assert self._process.poll() is None
        return self

    def kill(self) -> None:
        self._process.kill()

    def signal(self, signum: int, *, all_in_front: bool = False) -> "Loop":
        """Send it to the script, or as a terminal does to the processes in front."""
        (os.killpg if all_in_front else os.kill)(self._process.pid, signum)
        return self

    def left_behind(self) -> list[str]:
        """The commands of its processes that have not ended."""
        ours = [process for process in psutil.process_iter(["cmdline"]) if self._is_ours(process.pid)]
        return [f"{process.info['cmdline']}" for process in ours]

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getsid(pid) == self._process.pid
        except ProcessLookupError:
            return False

    def ends_with(self) -> int:
        self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode


@pytest.fixture
def loop(tmp_path):
    started = []

    def start(*words, **named):
        started.append(Loop(tmp_path, *words, **named))
        return started[-1]

    yield start
    for each in started:
        each.kill()


FIT = ("fit-loop.sh", "data.zarr", "run.dnmf", "--rank", "3")
CALL = "fit data.zarr --store run.dnmf --rank 3 --resume"


def test_a_fit_is_begun_again_with_the_same_words_until_it_is_done(loop):
    fits = loop(*FIT, codes="1 75 0", PAUSE="0")
    assert (fits.ends_with(), fits.notes()) == (0, [CALL] * 3)


def test_a_fit_whose_options_cannot_be_is_not_tried_again(loop):
    fits = loop(*FIT, codes="2", PAUSE="0")
    assert (fits.ends_with(), fits.notes()) == (2, [CALL])


def test_a_fit_is_tried_so_many_times(loop):
    fits = loop(*FIT, codes="1 1", PAUSE="0", TRIES="2")
    assert (fits.ends_with(), fits.notes()) == (1, [CALL] * 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "heard", "all_in_front"),
    [("SIGTERM", "SIGTERM", False), ("SIGHUP", "SIGTERM", True), ("SIGINT", "SIGINT", True)],
)
def test_a_signal_reaches_the_fit_once_which_is_not_begun_again(loop, sent, heard, all_in_front):
    fits = loop(*FIT, codes="stay", PAUSE="0").after(1).signal(signal.Signals[sent], all_in_front=all_in_front)
    assert (fits.ends_with(), fits.notes()) == (75, [CALL, heard])


AT_ONCE = """
set -euo pipefail -mT
. "$COMMON/cluster.sh"
trap '[[ $BASH_COMMAND != *"pid=\\$!" ]] || kill -TERM $$' DEBUG  # the next line after the one that starts the fit
fit "$@"
"""


def test_a_signal_that_comes_as_the_fit_is_started_leaves_no_fit_behind(loop, tmp_path):
    (tmp_path / "at-once.sh").write_text(f"#!/usr/bin/env bash{AT_ONCE}", encoding="utf-8")
    (tmp_path / "at-once.sh").chmod(0o755)
    fits = loop(str(tmp_path / "at-once.sh"), *FIT[1:], codes="stay", COMMON=str(COMMON))
    assert fits.ends_with() in (75, 143)  # which, depends on how far the fit was
    assert fits.left_behind() == []


@pytest.mark.parametrize(("sent", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_in_the_pause_ends_the_loop(loop, sent, code):
    fits = loop(*FIT, codes="1", PAUSE="1000").until_it_says("once more in 1000 s").signal(signal.Signals[sent])
    assert (fits.ends_with(), fits.notes()) == (code, [CALL])


def test_a_worker_comes_back_until_the_loop_is_told_to_end(loop):
    workers = loop("worker-loop.sh", "tcp://host:8786", codes="0 1 stay", PAUSE="0").after(3).signal(signal.SIGTERM)
    assert workers.ends_with() == 0
    call = "worker --death-timeout 60 --dashboard-address 127.0.0.1:0 tcp://host:8786"
    assert workers.notes() == [call, call, call, "SIGTERM"]
