"""Data that can no longer be read in the middle of a fit: one clear error soon, wherever the fit runs."""

import errno
import os

import pytest
from command_line import call

import dnmf
from dnmf.inspection import run_status
from dnmf.sources import retries
from dnmf.sources.stored import StoredArray

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 4, "keep": "stream"}
OPTIONS = ["--rank", 4, "--init", "random", "--seed", 3, "--tol", 0, "--max-passes", 4, "--keep", "stream"]
ROW = 2100  # in the panel that cannot be read
TROUBLES = {
    "a disk that fails": OSError(errno.EIO, os.strerror(errno.EIO)),
    "a permission that was taken": PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
}

pytestmark = pytest.mark.usefixtures("many_groups")


@pytest.fixture(params=TROUBLES)
def broken(request):
    """From the third pass on, one panel cannot be read; returns what ends that, and how often it was tried."""
    read, tries = StoredArray._read_once, []
    passes = {"to come": 3}

    def read_once(array, start, stop):
        if start <= ROW < stop:
            passes["to come"] -= 1
            if passes["to come"] <= 0:
                tries.append((start, stop))
                raise TROUBLES[request.param]
        return read(array, start, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoredArray, "_read_once", read_once)
        patch.setattr(retries, "FIRST_WAIT_S", 0.0)
        yield patch.undo, tries


@pytest.mark.parametrize("where", ["in process", pytest.param("on a worker", marks=pytest.mark.slow)])
def test_it_is_one_error_with_the_rows_and_the_run_goes_on_when_it_is_mended(
    dense_store, broken, bits, where, request, tmp_path
):
    client = request.getfixturevalue("one_worker") if where == "on a worker" else None
    mend, tries = broken
    with pytest.raises(dnmf.InputError, match=r"dense.zarr: elements 2048:\d+ .*cannot be read \("):
        dnmf.fit(dense_store, **FIT, store=tmp_path / "run.dnmf", client=client)
    assert 1 <= len(tries) <= 3 * retries.READ_TRIES
    assert run_status(tmp_path / "run.dnmf")["passes"] == 2
    mend()
    assert bits(dnmf.resume(tmp_path / "run.dnmf")) == bits(dnmf.fit(dense_store, **FIT))


@pytest.mark.broad(1)
def test_on_the_command_line_it_is_one_sentence(dense_store, broken, tmp_path):
    result = call("fit", dense_store, *OPTIONS, "--store", tmp_path / "run.dnmf")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("dnmf: error: ")]
    assert len(errors) == 1
    assert "dense.zarr: elements 2048:" in errors[0]
    assert "cannot be read" in errors[0]
