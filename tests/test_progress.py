"""What a person and a program see of a fit: lines, how often, and the records."""

import io
import json
import re
import subprocess
import sys
import types
from dataclasses import replace

import pytest
from example_events import PLANNED, a_pass, the_end

import dnmf
from dnmf.fitting.events import PassProgress, PathFinished, PathPassDone, Started
from dnmf.progress import (
    PartDone,
    Progress,
    event_record,
    format_seconds,
    log_events,
    pass_line,
    path_pass_line,
)
from dnmf.progress.lines import event_lines


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def without_times(text):
    return [line.split("  ", 1)[1] for line in text.splitlines()]


def pass_numbers(text):
    return [int(line.split()[1]) for line in without_times(text) if line.startswith("pass ")]


def test_a_pass_is_one_line_with_its_error_decrease_reads_and_time():
    assert (
        pass_line(a_pass(3).record) == "pass   3   error 0.3481   fell 2.1e-04   moved 3.1e-02   reads   3.2    1.3 s"
    )


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


@pytest.mark.parametrize("compiles", [True, False])
def test_the_plan_says_that_kernels_are_compiled_where_they_are(compiles):
    said = "\n".join(event_lines(replace(PLANNED, compiles=compiles)))
    assert ("compiling kernels (once on a machine)" in said) == compiles


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


def hours_of_a_pass(number=4, hours=0.05, rows=1000):
    """What is told of a pass whose tasks come back every two seconds."""
    seconds = [2.0 * i for i in range(1, int(hours * 1800))]
    return [PassProgress("pass", number, round(rows * s / hours / 3600), rows, s, s - 2.0) for s in seconds]


def test_a_log_has_a_line_a_minute_inside_a_long_pass_and_the_time_before_every_line():
    stream = io.StringIO()
    with Progress(stream) as progress:
        for event in hours_of_a_pass():
            progress(event)
    assert without_times(stream.getvalue()) == [
        "pass   4   33 % of the rows after 60.0 s, about 2 min left",
        "pass   4   67 % of the rows after 2.0 min, about 60 s left",
    ]
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  \w", line) for line in stream.getvalue().splitlines())


def test_a_pass_that_waits_for_its_line_is_printed_before_what_the_next_one_says():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock=clock) as progress:
        for event in (a_pass(1), a_pass(2), PassProgress("pass", 3, 1, 2, 61.0, 59.0)):
            progress(event)
        assert [line.split()[1] for line in without_times(stream.getvalue())] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (PassProgress("pass", 4, 300, 1000, 90.0), ["pass   4", "30 %", "about 4 min left"]),
        (PassProgress("last", 5, 500, 1000, 9000.0), ["pass   5, which makes W", "50 %", "about 2.5 h left"]),
        (PassProgress("sample", 1, 0, 1000, 90.0), ["reading a sample of the rows", "0 %"]),
    ],
)
def test_a_terminal_shows_how_far_a_read_is(event, words):
    stream = Terminal()
    with Progress(stream) as progress:
        progress(event)
    for word in words:
        assert word in stream.getvalue()


def test_after_the_last_pass_no_other_is_announced():
    stream = Terminal()
    with Progress(stream, every_s=0) as progress:
        for event in (PLANNED, Started("sample", 0.2), a_pass(1), a_pass(2, last=True), the_end(2)):
            progress(event)
    assert "pass   2" in stream.getvalue()
    assert "pass   3" not in stream.getvalue()


class Notebook:
    """What IPython shows in the output of a cell."""

    def __init__(self):
        self.outputs = []

    def display(self, content, *, raw, display_id):
        assert raw
        assert display_id
        self.outputs.append([content])
        return self

    def update(self, content, *, raw):
        assert raw
        self.outputs[-1].append(content)


@pytest.fixture
def notebook(monkeypatch):
    """This process as the kernel of a notebook."""
    shown, shell = Notebook(), types.SimpleNamespace(kernel="a kernel")
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return shown


def test_a_notebook_shows_one_output_with_a_bar_while_it_goes_on_and_the_end_when_it_is_over(notebook, capsys):
    with Progress(every_s=0) as progress:
        for event in (PLANNED, PassProgress("pass", 1, 250, 1000, 20.0)):
            progress(event)
        (shown,) = notebook.outputs
        bar = shown[-1]["text/html"]
        assert re.search(r'<progress max="1" value="0.2500"', bar)
        assert "25 %" in bar
        assert "about 60 s left" in bar
        for event in (a_pass(1, last=True), the_end(1)):
            progress(event)
    (shown,) = notebook.outputs
    assert "<progress" not in shown[-1]["text/html"]
    lines = shown[-1]["text/plain"].splitlines()
    assert lines[-2] == pass_line(a_pass(1).record)
    assert lines[-1] == "done      tol, relative error 0.3481"
    assert capsys.readouterr() == ("", "")


def test_names_in_a_notebook_are_text_not_tags(notebook):
    Progress()(replace(PLANNED, source="<b>.zarr"))
    assert "&lt;b&gt;.zarr" in notebook.outputs[0][-1]["text/html"]


def test_a_stream_that_is_given_is_used_in_a_notebook_too(notebook):
    stream = io.StringIO()
    Progress(stream)(PLANNED)
    assert "counts.zarr" in stream.getvalue()
    assert notebook.outputs == []


def test_the_log_of_the_process_has_a_line_a_minute_inside_a_long_pass(caplog):
    with caplog.at_level("INFO", logger="dnmf"):
        for event in hours_of_a_pass():
            log_events(event)
    assert [record.getMessage()[:13] for record in caplog.records] == ["pass   4   33", "pass   4   67"]


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
        (PassProgress("pass", 2, 0, 900, 5.0), "pass_progress"),
        (PassProgress("pass", 2, 300, 900, 5.0), "pass_progress"),
        (the_end(1), "finished"),
    ],
)
def test_every_event_is_a_json_record_with_its_type(event, kind):
    record = event_record(event)
    assert record["type"] == kind
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_part_done_is_told_to_programs_every_two_seconds_and_to_logs_once_a_minute():
    stream, clock, told = io.StringIO(), Clock(), []
    with PartDone("converting", stream, told.append, clock=clock) as progress:
        for done in range(1, 131):
            clock.now += 1.0
            progress(done, 200)
    assert [record["done"] for record in told] == list(range(2, 131, 2))
    assert without_times(stream.getvalue()) == [
        "converting   30 % after 60.0 s, about 2 min left",
        "converting   60 % after 2.0 min, about 80 s left",
    ]


def test_part_done_of_nothing_is_no_error():
    told = []
    with PartDone("converting", io.StringIO(), told.append) as progress:
        progress(0, 0)
    assert told == []


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
    assert without_times(stream.getvalue()) == [path_pass_line(event)]
    with caplog.at_level("INFO", "dnmf"):
        log_events(event)
        log_events(PathFinished(10, 9, 12.0))
    assert caplog.records[0].getMessage() == path_pass_line(event)
    assert "10 models, 12.0 reads" in caplog.text
    assert event_record(event)["type"] == "path_pass"
