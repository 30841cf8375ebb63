"""A command does its work whatever becomes of its messages; what is read by a program is whole or an error."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import dnmf
from dnmf.cli.exits import say_what_is_lost
from dnmf.progress import PartDone, Progress, log_events
from dnmf.streams import Forgiving

DEVICE = "/dev/full"
STREAMS = {
    "no standard error": "2>&-",
    "none of the three": "<&- >&- 2>&-",
    "a full disk for messages": f"2>{DEVICE}",
    "a full disk for text": f">{DEVICE}",
    "a reader of messages that has left": "2> >(exec true)",
}
needs_device = pytest.mark.skipif(not os.path.exists(DEVICE), reason="there is no such device")


def fitted(data, store, streams, *options):
    command = [sys.executable, "-m", "dnmf", "fit", data, "--rank=2", "--max-passes=3", "--store", store, *options]
    shell = ["bash", "-c", f'exec "$@" {streams}', "bash", *map(str, command)]
    return subprocess.run(shell, capture_output=True, text=True)


@pytest.mark.slow
@needs_device
@pytest.mark.parametrize("streams", STREAMS, ids=str)
def test_a_fit_is_done_with(data, tmp_path, streams):
    done = fitted(data, tmp_path / "run.dnmf", STREAMS[streams])
    assert done.returncode == 0, done.stderr
    assert dnmf.load(tmp_path / "run.dnmf").rank == 2
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    if streams == "a full disk for text":
        assert "standard output is not complete" in done.stderr


NOWHERE = {
    "a full disk": (f">{DEVICE}", "No space left"), "a closed output": (">&-", "it is closed"),
    "what is open for reading": (f"1<{os.devnull}", "Bad file descriptor"),
}  # fmt: skip


@pytest.mark.slow
@needs_device
@pytest.mark.parametrize(
    "streams", ["a full disk", "a closed output", pytest.param("what is open for reading", marks=pytest.mark.slow)]
)
def test_json_that_cannot_be_written_is_an_error_once_the_work_is_done(data, tmp_path, streams):
    where, why = NOWHERE[streams]
    done = fitted(data, tmp_path / "run.dnmf", where, "--json")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"dnmf: error: standard output is not complete: {why}")
    assert dnmf.load(tmp_path / "run.dnmf").rank == 2


def test_json_is_lost_in_a_program_without_an_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(dnmf.DnmfError, match="it is closed"):
        say_what_is_lost(as_json=True)


@pytest.mark.slow
def test_json_is_whole_without_a_standard_error(data, tmp_path):
    done = fitted(data, tmp_path / "run.dnmf", "2>&-", "--json")
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()][-1] == "result"


@pytest.mark.slow
def test_an_error_without_a_standard_error_still_has_its_exit_code(data, tmp_path):
    assert fitted(tmp_path / "gone.zarr", tmp_path / "run.dnmf", "2>&-").returncode == 1


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


class Full(io.StringIO):
    def write(self, text=""):
        raise OSError(28, "No space left on device")

    flush = write


class FullTerminal(Full):
    def isatty(self):
        return True


LOST = {
    "None": lambda: None, "closed": closed, "full": Full, "a terminal that is gone": FullTerminal,
    "ASCII": lambda: io.TextIOWrapper(io.BytesIO(), "ascii"),
}  # fmt: skip


@pytest.mark.parametrize("make", LOST.values(), ids=LOST)
def test_progress_of_a_fit_may_be_lost(make, monkeypatch):
    monkeypatch.setattr(sys, "stderr", make())
    monkeypatch.setattr(sys, "stdout", sys.stderr)
    with Progress() as progress, PartDone("working", sys.stderr, lambda record: None) as part:
        dnmf.fit(np.eye(4), 2, max_passes=2, callbacks=[progress, log_events, lambda event: part(1, 2)])
    dnmf.NMF(2, max_iter=3, verbose=1, tol=0).fit(np.eye(4))


def test_what_can_be_written_is():
    stream = io.StringIO()
    Forgiving(stream).write("fit ×")
    assert stream.getvalue() == "fit ×"
