"""How far the read in hand of a run is: what its store says of it, while it goes on and after it was killed."""

import json
import os
import socket

import numpy as np
import pytest
from example_events import a_pass
from example_runs import MATRIX, stopped_run

import dnmf
from dnmf import checkpoint
from dnmf.checkpoint.notes import NOTE
from dnmf.fitting.events import PassProgress, Standing, Started
from dnmf.inspection import run_status
from dnmf.ongoing import Ongoing


def half_of(number, what="pass"):
    """Half of a read after ten minutes."""
    return PassProgress(what, number, 30, 60, 600.0, 590.0)


@pytest.fixture
def stopped(tmp_path):
    """A run that was stopped after its second pass."""
    return stopped_run(tmp_path / "a.dnmf")


def test_a_run_that_was_killed_says_how_far_its_pass_had_come(stopped):
    Ongoing(stopped)(half_of(3))
    found = run_status(stopped)
    assert (found["status"], found["passes"]) == ("stopped", 2)
    at = found["in_hand"].pop("at")
    assert at.startswith("20")
    assert found["in_hand"] == {
        "what": "pass", "number": 3, "rows_done": 30, "rows": 60, "seconds": 600.0, "left_s": 600.0,
    }  # fmt: skip


def test_a_run_that_goes_on_says_it_too_also_in_its_start(tmp_path, stopped):
    for place, event in ((tmp_path / "new.dnmf", half_of(1, "sample")), (stopped, half_of(3))):
        with checkpoint.Store(place) as store:
            Ongoing(store.path)(event)
            assert run_status(place)["in_hand"]["what"] == event.what


@pytest.mark.parametrize("over", [Started("sample", 0.2), a_pass(3)])
def test_what_is_over_is_not_in_hand(stopped, over):
    ongoing = Ongoing(stopped)
    ongoing(half_of(3))
    ongoing(over)
    assert run_status(stopped)["in_hand"] is None
    assert not (stopped / NOTE).exists()


def test_a_read_that_waits_for_workers_is_still_in_hand(stopped):
    ongoing = Ongoing(stopped)
    ongoing(half_of(3))
    ongoing(Standing(workers=0, seconds=2.0, limit_s=120.0))
    assert run_status(stopped)["in_hand"]["rows_done"] == 30


def note(**changes):
    """What a note says, but for some facts; None: is left out."""
    here = {"pid": os.getpid(), "host": socket.gethostname(), "at": "2026-11-28T05:34:04+00:00"}
    facts = {"what": "pass", "number": 3, "rows_done": 30, "rows": 60, "seconds": 600.0, **here, **changes}
    return json.dumps({name: value for name, value in facts.items() if value is not None}).encode()


@pytest.mark.broad(4)
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\x00", note(rows=None), note(seconds="600"), note(number=2), note(number=0)],
    ids=["empty", "cut", "list", "bytes", "no rows", "text", "of a committed pass", "of none"],
)
def test_a_note_that_is_damaged_or_out_of_date_says_nothing(stopped, content):
    (stopped / NOTE).write_bytes(content)
    assert run_status(stopped)["in_hand"] is None


def test_a_note_of_another_process_says_nothing_of_the_one_that_writes_now(stopped):
    with checkpoint.Store(stopped):
        (stopped / NOTE).write_bytes(note(pid=1))
        assert run_status(stopped)["in_hand"] is None
        (stopped / NOTE).write_bytes(note())
        assert run_status(stopped)["in_hand"]["rows_done"] == 30


@pytest.mark.broad(1)
@pytest.mark.parametrize("content", [b"{", note(), note(number=1000)])
def test_a_note_changes_nothing_of_what_is_read_or_resumed_and_goes(stopped, tmp_path, content):
    expected = dnmf.fit(MATRIX, 3, max_passes=5, tol=0)
    (stopped / NOTE).write_bytes(content)
    (stopped / f"{NOTE}.tmp").write_bytes(content)
    assert checkpoint.read_latest(stopped).number == 2
    model = dnmf.resume(stopped, source=MATRIX)
    np.testing.assert_array_equal(model.H, expected.H)
    assert {path.name.split("-")[0] for path in stopped.iterdir()} == {"CURRENT", "LOCK", "gen", "W"}
    assert run_status(stopped)["in_hand"] is None


def test_a_disk_that_takes_no_note_is_no_trouble(stopped, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    ongoing = Ongoing(stopped)
    ongoing(half_of(3))
    ongoing(a_pass(3))
    assert not (stopped / NOTE).exists()
    assert not (stopped / f"{NOTE}.tmp").exists()


def test_a_note_is_left_every_five_seconds_at_most(stopped):
    ongoing, left = Ongoing(stopped), 0
    for tenth in range(1, 201):
        ongoing(PassProgress("pass", 3, 1, 60, tenth / 10, (tenth - 1) / 10))
        left += (stopped / NOTE).exists()
        (stopped / NOTE).unlink(missing_ok=True)
    assert 3 <= left <= 4
