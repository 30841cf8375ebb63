"""The command line as a program: its exit codes, under other programs, with clusters."""

import json
import subprocess
import sys

import numpy as np
import pytest
import zarr
from command_line import call, records

import dnmf


@pytest.mark.slow
@pytest.mark.parametrize("program", [["-m", "dnmf.cli"], ["-m", "dnmf"], ["-m", "dask", "nmf"]])
def test_exit_codes_leave_the_process(program, tmp_path, finished):
    def code(*arguments):
        done = subprocess.run(
            [sys.executable, *program, *arguments], check=False, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr
        return done.returncode

    assert code("status", finished) == 0
    assert code("status", str(tmp_path / "gone.dnmf")) == 1
    assert code("status") == 2


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_bug(finished):
    command = f"{sys.executable} -m dnmf.cli inspect {finished} | true"
    done = subprocess.run(command, shell=True, check=False, capture_output=True, text=True, timeout=120)
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_fit_on_local_workers_has_the_same_bits(tmp_path, data, finished):
    result = call(
        "fit", data, "--rank", 3, "--store", tmp_path / "s.dnmf", "--tol", 0, "--max-passes", 5, "--workers", 2
    )
    assert result.exit_code == 0, result.stderr
    assert np.array_equal(dnmf.load(finished).H, dnmf.load(tmp_path / "s.dnmf").H)


@pytest.mark.slow
def test_a_worker_that_meets_a_nan_prints_no_traceback(tmp_path, values):
    broken = values.copy()
    broken[123, 4] = np.nan
    zarr.create_array(tmp_path / "nan.zarr", data=broken, chunks=(50, 40))
    command = ["fit", tmp_path / "nan.zarr", "--rank", "2", "--store", tmp_path / "s.dnmf", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "dnmf.cli", *command], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "row 123" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_scheduler_by_address_and_by_file(tmp_path, data):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        file = tmp_path / "scheduler.json"
        file.write_text(json.dumps(cluster.scheduler.identity(), default=str))
        for number, place in enumerate([cluster.scheduler_address, file]):
            fit = ["fit", data, "--rank", 2, "--store", tmp_path / f"{number}.dnmf", "--scheduler", place]
            result = call(*fit, "--json", "--max-passes", 2)
            assert result.exit_code == 0, result.stderr
            assert cluster.scheduler_address in records(result)[0]["where"]
