"""What a person and a program see of a fit: lines, how often, and the records."""

import io
import json
import subprocess
import sys

import pytest
from example_events import PLANNED, a_pass, the_end

import dnmf
from dnmf.fitting.events import PathFinished, PathPassDone, Started
from dnmf.progress import (
    PartDone,
    Progress,
    event_record,
    format_seconds,
    log_events,
    pass_line,
    path_pass_line,
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def pass_numbers(text):
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("pass ")]


def test_a_pass_is_one_line_with_its_error_decrease_reads_and_time():
    assert pass_line(a_pass(3).record) == "pass   3   error 0.3481   fell 2.1e-04   reads   3.2    1.3 s"


@pytest.mark.parametrize("event", [a_pass(1, float("inf")), a_pass(12), a_pass(123, -1e-5, False), a_pass(9, -1e-12)])
def test_the_columns_of_all_passes_stand_below_each_other(event):
    line, model = pass_line(event.record), pass_line(a_pass(3).record)
    assert len(line) == len(model)
    assert [line.index(word) for word in ("error", "reads")] == [model.index(w) for w in ("error", "reads")]


def test_a_pass_that_was_taken_back_says_so():
    assert "rose, undone" in pass_line(a_pass(4, -1e-5, False).record)


def test_the_plan_says_what_where_and_how_much_memory():
    stream = io.StringIO()
    Progress(stream)(PLANNED)
    text = stream.getvalue()
    for fact in (
        "counts.zarr",
        "2,700 × 32,738",
        "3.0 MiB",
        "in process",
        "9 tasks",
        "12 panels",
        "256.0 MiB",
        "1.0 GiB",
    ):
        assert fact in text


def test_a_resumed_run_says_after_which_pass():
    stream = io.StringIO()
    Progress(stream)(Started("sample", 5.2, resumed_at=5))
    assert "after pass 5" in stream.getvalue()


def test_slow_passes_are_all_printed():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, every_s=2.0, clock=clock)
    for number in range(1, 5):
        progress(a_pass(number))
        clock.now += 3.0
    assert pass_numbers(stream.getvalue()) == [1, 2, 3, 4]


def test_of_fast_passes_the_first_the_last_and_one_every_two_seconds_are_printed():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, every_s=2.0, clock=clock)
    for number in range(1, 51):
        progress(a_pass(number))
        clock.now += 0.1
    progress(the_end(50))
    assert pass_numbers(stream.getvalue()) == [1, 21, 41, 50]


def test_the_last_pass_is_printed_once():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress(a_pass(1))
        progress(the_end(1))
    assert pass_numbers(stream.getvalue()) == [1]


def test_a_fit_that_is_interrupted_shows_its_last_pass_too():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress(a_pass(1))
        progress(a_pass(2))
    assert pass_numbers(stream.getvalue()) == [1, 2]


def test_a_terminal_shows_the_same_lines_and_a_live_one():
    stream = Terminal()
    with Progress(stream, every_s=0) as progress:
        for event in (PLANNED, Started("sample", 0.2), a_pass(1), a_pass(2), the_end(2)):
            progress(event)
    text = stream.getvalue()
    assert "\x1b[" in text  # it moves the cursor
    for line in (pass_line(a_pass(1).record), pass_line(a_pass(2).record), "counts.zarr"):
        assert line in text
    progress.close()  # harmless


def test_a_log_has_no_control_characters():
    stream = io.StringIO()
    with Progress(stream, every_s=0) as progress:
        for event in (PLANNED, Started("sample", 0.2), a_pass(1), the_end(1)):
            progress(event)
    assert not {"\x1b", "\r"} & set(stream.getvalue())


def test_importing_draws_nothing_and_does_not_import_rich():
    code = "import sys, dnmf.progress; assert 'rich' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (PLANNED, "planned"),
        (Started("sample", 0.2), "started"),
        (a_pass(1, float("inf")), "pass"),
        (the_end(1), "finished"),
    ],
)
def test_every_event_is_a_json_record_with_its_type(event, kind):
    record = event_record(event)
    assert record["type"] == kind
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_part_done_is_told_at_most_every_two_seconds():
    stream, clock, told = io.StringIO(), Clock(), []
    with PartDone("converting", stream, told.append, every_s=2.0, clock=clock) as progress:
        for done in range(1, 51):
            clock.now += 0.1
            progress(done, 200)
    assert [record["done"] for record in told] == [20, 40]
    assert stream.getvalue().splitlines() == ["converting  10.0 %", "converting  20.0 %"]


def test_part_done_of_nothing_is_no_error():
    with PartDone("converting", io.StringIO(), lambda record: None, every_s=0) as progress:
        progress(0, 0)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 ms"), (0.0994, "99 ms"), (0.0996, "0.1 s"), (5399, "90.0 min")])
def test_durations_have_a_unit_that_suits_them(seconds, text):
    assert format_seconds(seconds) == text


def test_events_can_go_to_the_log(caplog):
    import numpy as np

    from dnmf.progress import log_events

    with caplog.at_level("INFO", logger="dnmf"):
        model = dnmf.fit(np.eye(6), rank=2, max_passes=2, tol=0, callbacks=[log_events])
    lines = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("pass") for line in lines) == len(model.history)
    assert any("relative error" in line for line in lines)


def test_a_pass_of_a_path_is_a_line_too_and_the_log_has_its_end(caplog):
    stream, event = io.StringIO(), PathPassDone(3, 8, 2, 10, 4.5, 1.25, True)
    with Progress(stream, every_s=0.0) as progress:
        progress(event)
        progress(PathFinished(10, 9, 12.0))
    assert stream.getvalue() == f"{path_pass_line(event)}\n"
    with caplog.at_level("INFO", "dnmf"):
        log_events(event)
        log_events(PathFinished(10, 9, 12.0))
    assert caplog.records[0].getMessage() == path_pass_line(event)
    assert "10 models, 12.0 reads" in caplog.text
    assert event_record(event)["type"] == "path_pass"
