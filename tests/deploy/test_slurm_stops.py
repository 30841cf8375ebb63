"""What a Slurm job does when it is told to stop, with programs that note how they are called."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from heeding import HEEDING

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROGRAMS = {
    "dask": 'while [ "$1" != --scheduler-file ]; do shift; done; echo "{}" >"$2"; exec /bin/sleep 100',
    "srun": "exec /bin/sleep 100",
    "sleep": "exec /bin/sleep 0.05",
    "scontrol": 'echo "$1" >>"$NOTES"',
    "dnmf": """trap 'echo told >>"$NOTES"; exit 75' TERM
echo fit >>"$NOTES"
while :; do /bin/sleep 0.05; done""",
}
PATIENCE_S = 120


@pytest.fixture
def job(tmp_path):
    """A job whose fit has begun, and what is noted."""
    programs, notes = tmp_path / "programs", tmp_path / "notes"
    programs.mkdir()
    notes.touch()
    for name, what in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{what}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    told = {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(notes), "DASK_CONFIG": "none"}
    told |= {"DEPLOY": str(DEPLOY), "SLURM_JOB_ID": "7", "SLURM_NNODES": "1"}
    script = ["bash", DEPLOY / "slurm" / "job.sbatch", "a.zarr", tmp_path / "run.dnmf", "--rank", "3"]
    process = subprocess.Popen(
        [*HEEDING, *script], env=os.environ | told, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    while not notes.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield process, notes
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(("sent", "noted"), [("SIGTERM", "fit told requeue"), ("SIGINT", "fit told")])
def test_one_that_is_told_to_stay_stopped_is_not_queued_again(job, tmp_path, sent, noted):
    process, notes = job
    process.send_signal(signal.Signals[sent])
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 75
    assert notes.read_text(encoding="utf-8").split() == noted.split()
    assert ("not queued again: run.sh goes on with it" in said) == (sent == "SIGINT")
    assert (tmp_path / ".dask-7").exists() == (sent == "SIGTERM")
