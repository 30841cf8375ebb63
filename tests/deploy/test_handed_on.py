"""What scripts hand on, of addresses and of signals, with programs that note how they are called."""

import os
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NOTE = 'printf "%s\\n" "$*" >>"$NOTES"; '
PROGRAMS = {
    "sbatch": NOTE,
    "dnmf": NOTE + "${FITS:-exit 1}",
    "dask": '${FIRST:-:} $PPID; while [ "$1" != --scheduler-file ]; do shift; done; echo "{}" >"$2"; exec sleep 100',
    "srun": "exec sleep 100",
}
STORE = "s3://bucket/runs/run.dnmf"


@pytest.fixture
def call(tmp_path):
    """Call a script in a folder of its own; return how it ended and what was noted."""
    programs, notes = tmp_path / "programs", tmp_path / "notes"
    programs.mkdir()
    (tmp_path / "here").mkdir()
    for name, what in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{what}\n", encoding="utf-8")
        (programs / name).chmod(0o755)

    def called(script, *words, **environment):
        told = {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(notes), "DASK_CONFIG": "none"}
        result = subprocess.run(
            ["bash", DEPLOY / script, *words], cwd=tmp_path / "here", env=os.environ | told | environment, timeout=120,
            capture_output=True, text=True,
        )  # fmt: skip
        return result, notes.read_text(encoding="utf-8") if notes.exists() else ""

    return called


@pytest.mark.parametrize(("given", "taken"), [(STORE, STORE), ("runs/run.dnmf", "{here}/runs/run.dnmf")])
def test_a_slurm_job_is_told_an_address_as_it_is_and_a_path_from_the_root(call, tmp_path, given, taken):
    result, noted = call("slurm/run.sh", "--insecure", "--nodes=2", "s3://bucket/a.zarr", given, "--rank", "3")
    assert result.returncode == 0, result.stderr
    *options, script, data, store, word, rank = noted.split()
    assert options == ["--parsable", "--nodes=2"]
    assert script.endswith("job.sbatch")
    assert [data, store, word, rank] == [
        "s3://bucket/a.zarr", taken.format(here=tmp_path / "here"), "--rank", "3"
    ]  # fmt: skip


@pytest.mark.slow
def test_what_a_slurm_job_writes_beside_a_store_is_where_it_was_submitted_for_one_in_a_bucket(call, tmp_path):
    result, noted = call(
        "slurm/job.sbatch", "a.zarr", STORE, "--rank", "3", DEPLOY=str(DEPLOY), SLURM_JOB_ID="7", SLURM_NNODES="1"
    )
    assert result.returncode == 1, result.stderr
    work = tmp_path / "here" / ".dask-7"
    assert noted == f"fit a.zarr --store {STORE} --rank 3 --resume --scheduler {work}/scheduler-0.json\n"
    assert list((tmp_path / "here").iterdir()) == [work]


@pytest.mark.slow
def test_a_slurm_job_that_is_told_to_stop_before_its_driver_is_there_ends_as_one_that_can_be_queued_again(call):
    result, _ = call(
        "slurm/job.sbatch", "a.zarr", "run.dnmf", DEPLOY=str(DEPLOY), SLURM_JOB_ID="7", SLURM_NNODES="1",
        MOST_RESTARTS="0", FIRST="kill -TERM", FITS="exec sleep 100",
    )  # fmt: skip
    assert result.returncode == 143, result.stderr
    assert "SIGTERM, of the time limit or of scancel: telling the driver to stop" in result.stdout


@pytest.mark.parametrize("words", [("a.zarr", STORE), ("s3://bucket/a.zarr", "run.dnmf")])
def test_services_of_containers_take_paths_alone_and_make_nothing_for_addresses(call, tmp_path, words):
    result, _ = call("docker/run.sh", *words, CERTIFICATES=str(tmp_path / "here" / "certificates"))
    assert result.returncode == 2
    assert "DATA and STORE are paths here, not addresses" in result.stderr
    assert not list((tmp_path / "here").iterdir())
