"""What a scheduler keeps of the fits it was told of."""

import json
import math

import numpy as np
import pytest
from example_events import PLANNED, a_pass, the_end

from dnmf.fitting.events import PassProgress, Started, StudyFinished, StudyPassDone
from dnmf.watched.feed import told_of
from dnmf.watched.runs import MOST_PASSES, MOST_RUNS, Runs

FACTS = {"type": "facts", "source": "/data/counts.zarr", "rank": 20, "host": "here", "pid": 7}


def hear(runs, *events, mark="a", client="c", at=10.0):
    """Tell of a run what its events say."""
    told = [event if isinstance(event, dict) else told_of(event) for event in events]
    runs.hear({"run": mark, "client": client, "told": told}, at)
    return views(runs)[mark]


def views(runs):
    """What is known of all runs, as a program that reads the JSON has it, by their marks."""
    return {run.mark: json.loads(json.dumps(run.view(), allow_nan=False)) for run in runs}


def test_a_run_is_known_from_its_first_word_to_its_last():
    runs = Runs()
    assert hear(runs, FACTS)["status"] == "starting"
    assert hear(runs, PLANNED)["plan"]["projected_bytes"] == PLANNED.projected_bytes
    assert hear(runs, Started("sample", 0.2))["status"] == "running"
    found = hear(runs, PassProgress("pass", 1, 900, 2700, 30.0))
    assert found["now"] == {
        "what": "pass", "number": 1, "rows_done": 900, "rows": 2700, "seconds": 30.0, "left_s": 60.0,
    }  # fmt: skip
    assert found["bytes_per_second"] == PLANNED.total_bytes / 3 / 30
    found = hear(runs, a_pass(1))
    assert (found["relative_error"], found["reads"], found["now"]) == (0.3481, 1.2, None)
    assert (found["name"], found["rank"], found["host"]) == ("counts.zarr", 20, "here")
    assert hear(runs, a_pass(2, accepted=False, last=True))["passes"][1]["accepted"] is False
    found = hear(runs, the_end(2))
    assert (found["status"], found["ended"]["reason"], len(found["passes"])) == ("done", "tol", 2)


def test_bytes_a_second_are_those_of_one_pass():
    runs, size = Runs(), 1000.0
    hear(runs, {"type": "planned", "total_bytes": size}, {"type": "started", "reads": 1.0})
    for number in (1, 2, 3):
        found = hear(runs, {"type": "pass", "number": number, "bytes_read": (1 + number) * size, "seconds": number})
    assert [each["bytes_per_second"] for each in found["passes"]] == [1000, 500, 1000 / 3]


def test_what_a_record_gains_is_shown_without_being_asked_for():
    found = hear(Runs(), {"type": "pass", "number": 1, "reads": 1.0, "seconds": 1.0, "workers_lost": 2})
    assert found["passes"][0]["workers_lost"] == 2


def test_numbers_that_are_none_become_null():
    found = hear(Runs(), {"type": "pass", "number": 1, "relative_error": math.nan, "gradient": math.inf})
    assert (found["relative_error"], found["gradient"]) == (None, None)


def test_a_study_is_a_run_of_many_models():
    found = hear(Runs(), {**FACTS, "models": 36}, PLANNED, StudyPassDone(4, 30, 6, 36, 5.25, 2.0, True))
    assert (found["passes"][0]["done"], found["reads"], found["relative_error"]) == (6, 5.25, None)
    assert found["passes"][0]["bytes_per_second"] == 5.25 * PLANNED.total_bytes / 2
    runs = Runs()
    assert hear(runs, StudyFinished(36, 9, 12.0))["status"] == "done"


def test_runs_are_told_apart_and_so_are_those_of_two_clients():
    runs = Runs()
    hear(runs, FACTS, mark="a", client="first")
    hear(runs, FACTS, mark="b", client="second")
    runs.client_left("first", 20.0)
    assert {mark: found["status"] for mark, found in views(runs).items()} == {"a": "left", "b": "starting"}


def test_workers_that_went_and_came_count_for_runs_that_go_on():
    runs = Runs()
    hear(runs, FACTS, the_end(1), mark="over")
    hear(runs, FACTS, mark="on")
    runs.worker_gone()
    runs.worker_gone()
    runs.worker_came()
    found = views(runs)
    assert (found["on"]["workers_gone"], found["on"]["workers_came"]) == (2, 1)
    assert (found["over"]["workers_gone"], found["over"]["workers_came"]) == (0, 0)


def test_memory_is_bounded_and_what_is_over_goes_first():
    runs = Runs()
    for number in range(MOST_RUNS):
        hear(runs, *([the_end(1)] if number in (5, 7) else []), mark=str(number), at=float(100 - number))
    hear(runs, mark="new")
    assert set(views(runs)) == {*map(str, range(MOST_RUNS)), "new"} - {"7"}
    hear(runs, *({"type": "pass", "number": number} for number in range(10 * MOST_PASSES)), mark="new")
    numbers = [each["number"] for each in views(runs)["new"]["passes"]]
    assert MOST_PASSES / 2 < len(numbers) <= MOST_PASSES
    assert (numbers[0], numbers[-1]) == (0, 10 * MOST_PASSES - 1)
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "odd",
    [
        "text", {}, {"type": 3}, {"type": "progress", "what": "pass", "number": 1},
        {"type": "progress", "what": "pass", "number": "1", "rows_done": "9", "rows": [], "seconds": None},
        {"type": "progress", "what": "pass", "number": 1, "rows_done": 10**400, "rows": 1, "seconds": 1},
        {"type": "standing"}, {"type": "planned", "shape": ["3", "4"], "total_bytes": "much"},
        {"type": "facts", "rank": "<b>"}, {"type": "started", "reads": "two"},
    ],
)  # fmt: skip
def test_of_what_is_not_as_it_should_be_nothing_is_kept(odd):
    runs = Runs()
    hear(runs, FACTS, {"type": "planned", "total_bytes": 8})
    runs.hear({"run": "a", "client": "c", "told": [odd]}, 11.0)
    found = hear(runs, {"type": "pass", "number": 1, "reads": 1.0, "seconds": 2.0})
    assert (found["rank"], found["now"], found["passes"][0]["number"]) == (20, None, 1)
    assert (found["plan"] or {}).get("shape") is None


def test_what_a_client_says_of_a_fit_does_not_stand_for_what_the_scheduler_knows_of_it():
    assert hear(Runs(), {**FACTS, "status": "done", "run": "b", "began": "never"})["status"] == "starting"


def test_numbers_of_numpy_are_numbers():
    found = hear(Runs(), {"type": "pass", "number": np.int64(1), "alive": np.int32(3), "accepted": np.bool_(False),
                          "relative_error": np.float32(0.5), "shares": np.array([1, 2])})  # fmt: skip
    assert (found["passes"][0]["number"], found["passes"][0]["shares"]) == (1, [1, 2])
    assert (found["alive"], found["relative_error"], found["passes"][0]["accepted"]) == (3, 0.5, False)


@pytest.mark.broad(1)
@pytest.mark.parametrize("message", [None, "text", 7, {}, {"told": 3}, {"run": "a"}])
def test_messages_of_others_are_passed_over(message):
    runs = Runs()
    runs.hear(message, 1.0)
    assert views(runs) == {}


@pytest.mark.slow
def test_words_of_a_later_version_are_passed_over():
    assert hear(Runs(), FACTS, {"type": "unheard of", "x": 1})["status"] == "starting"
