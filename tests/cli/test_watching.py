"""``dnmf status --watch``: a run is looked at until it is done or stopped."""

import io
import json
import re
import sys

import pytest
from command_line import assert_one_clear_line, call, records
from example_runs import MATRIX, stopped_run

import dnmf
from dnmf import checkpoint
from dnmf.cli import watching
from dnmf.cli.output import Output
from dnmf.fitting.events import PassProgress
from dnmf.ongoing import Ongoing


@pytest.fixture
def stopped(tmp_path):
    """A run that was stopped after its second pass."""
    return stopped_run(tmp_path / "a.dnmf")


class Life:
    """What happens to a run while it is watched: a thing for every time that the one who watches sleeps."""

    def __init__(self, *steps):
        self._steps = list(steps)

    def __call__(self, seconds):
        assert seconds >= watching.EVERY_S
        self._steps.pop(0)()

    @property
    def is_over(self):
        return not self._steps


def seen(run, life, *others, as_json=False, stream=None):
    """What is printed of a run, and others, while it lives."""
    stream = io.StringIO() if stream is None else stream
    before, sys.stdout = sys.stdout, stream
    try:
        watching.watch((str(run), *map(str, others)), Output(as_json), sleep=life)
    finally:
        sys.stdout = before
    assert life.is_over
    return stream.getvalue()


def a_life(run):
    """Somebody goes on with a run: a pass in hand, the last pass, and the end."""
    store = checkpoint.Store(run)
    in_hand = [PassProgress("pass", 3, rows, 60, 600.0, 590.0) for rows in (15, 30)]
    yield lambda: Ongoing(run)(in_hand[0])
    yield lambda: None  # nothing new
    yield lambda: Ongoing(run)(in_hand[1])

    def end():
        store.close()
        dnmf.resume(run, max_passes=3, source=MATRIX)

    yield end


def test_in_a_pipe_there_is_a_line_for_what_is_new(stopped):
    lines = seen(stopped, Life(*a_life(stopped))).splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line) for line in lines)
    assert len(lines) == 2  # what is in hand has a line a minute
    assert re.search(r"a\.dnmf: running by process \d+ on \S+, pass 2, error 0\.\d+, \d+\.\d reads$", lines[0])
    assert re.search(r"a\.dnmf: done, pass 3, error", lines[1])


def test_what_is_in_hand_is_said_once_a_minute(stopped, monkeypatch):
    monkeypatch.setattr(watching, "LOG_EVERY_S", 0.0)
    lines = seen(stopped, Life(*a_life(stopped))).splitlines()
    assert [line.rpartition(", pass 3: ")[2] for line in lines[1:4]] == [
        "25 % of the rows after 10.0 min, about 30 min left"] * 2 + [
        "50 % of the rows after 10.0 min, about 10 min left"]  # fmt: skip


def test_a_run_may_be_in_the_middle_of_a_pass_when_it_is_first_looked_at(stopped):
    *before, nothing_new, _, end = a_life(stopped)
    for step in before:
        step()
    lines = seen(stopped, Life(nothing_new, end)).splitlines()
    assert len(lines) == 2
    assert "running by process" in lines[0]
    assert lines[0].endswith("pass 3: 25 % of the rows after 10.0 min, about 30 min left")


@pytest.mark.slow
def test_a_killed_run_says_how_far_its_pass_had_come_and_says_it_once(stopped, tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "LOG_EVERY_S", 0.0)
    Ongoing(stopped)(PassProgress("pass", 3, 15, 60, 600.0, 590.0))
    other = stopped_run(tmp_path / "b.dnmf")
    lines = seen(stopped, Life(*a_life(other)), other).splitlines()
    of_it = [line for line in lines if "a.dnmf" in line]
    assert len(of_it) == 1
    assert of_it[0].endswith("pass 3: 25 % of the rows after 10.0 min")


def test_as_json_there_is_an_object_for_every_change_and_the_result(stopped):
    found = [json.loads(line) for line in seen(stopped, Life(*a_life(stopped)), as_json=True).splitlines()]
    assert [each["type"] for each in found] == ["status"] * 4 + ["result"]
    assert [each["in_hand"] and each["in_hand"]["rows_done"] for each in found] == [None, 15, 30, None, None]
    assert [each["status"] for each in found] == ["running"] * 3 + ["done"] * 2
    assert found[0]["writer"]["pid"] > 0 != found[-1]["writer"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_one_view_is_replaced(stopped, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    shown = seen(stopped, Life(*a_life(stopped)), stream=Terminal())
    assert shown.count("25 % of the rows") == 2
    assert "\x1b[1A" in shown  # up to where it began
    assert "Ctrl-C ends this view" in shown
    assert "Ctrl-C" not in shown[shown.index("done") :]


def test_ctrl_c_ends_the_view_and_not_the_run(stopped):
    def press():
        raise KeyboardInterrupt

    with checkpoint.Store(stopped):
        lines = seen(stopped, Life(press)).splitlines()
    assert len(lines) == 1


def test_what_is_over_is_looked_at_once(stopped):
    result = call("status", stopped, "--watch")
    assert result.exit_code == 0
    assert "a.dnmf: stopped, pass 2" in result.stdout
    done = call("status", stopped, "--watch", "--json")
    assert [each["type"] for each in records(done)] == ["status", "result"]


@pytest.mark.slow
def test_several_are_watched_to_the_end_of_the_last_and_none_is_refused(stopped, tmp_path):
    other = tmp_path / "b.dnmf"
    dnmf.fit(MATRIX, 2, max_passes=2, store=other)
    assert [each["store"] for each in records(call("status", stopped, other, "--watch", "--json"))] == [
        str(stopped), str(other)] * 2  # fmt: skip
    assert_one_clear_line(call("status", tmp_path / "none.dnmf", "--watch"), "none.dnmf", "nothing at this path")


def test_one_that_cannot_be_read_does_not_hide_the_others(stopped, tmp_path):
    none = tmp_path / "none.dnmf"
    done = call("status", stopped, none, "--watch")
    assert_one_clear_line(done, "none.dnmf", "nothing at this path")
    assert "a.dnmf: stopped, pass 2" in done.stdout
    assert "unreadable: " in done.stdout
    told = records(call("status", none, stopped, "--watch", "--json"))
    assert [(each["type"], each.get("status")) for each in told] == [
        ("status", "unreadable"), ("status", "stopped"), ("error", None), ("result", "stopped")]  # fmt: skip
    assert (told[2]["place"], told[2]["exit_code"]) == (str(none), 1)


@pytest.mark.slow
def test_one_that_is_not_there_yet_is_seen_when_it_comes(stopped, tmp_path):
    other = tmp_path / "b.dnmf"
    with checkpoint.Store(stopped) as store:

        def come():
            dnmf.fit(MATRIX, 2, max_passes=2, store=other)
            store.close()

        lines = seen(stopped, Life(come), other).splitlines()
    assert ["unreadable" in line for line in lines if "b.dnmf" in line] == [True, False]


def test_on_a_terminal_the_table_says_so_and_below_it_why(stopped, tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "1000")
    done = call("status", stopped, tmp_path / "none.dnmf", "--watch")
    assert done.exit_code == 1
    assert re.search(r"none.dnmf +unreadable", done.stdout)
    assert "there is nothing at this path" in done.stdout
