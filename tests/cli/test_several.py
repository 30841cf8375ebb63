"""The commands that look at several places at once: one that cannot be looked at does not hide the others."""

import re
from pathlib import Path

import pytest
from command_line import call, records

from dnmf.checkpoint.notes import leave_note


@pytest.fixture
def nothing(tmp_path):
    return tmp_path / "nothing.dnmf"


def test_status_of_several_runs_is_a_table(finished, half_way):
    leave_note(Path(half_way), {"what": "pass", "number": 99, "rows_done": 3, "rows": 4, "seconds": 9.0, "at": "2026"})
    result = call("status", finished, half_way)
    assert result.exit_code == 0, result.stderr
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["run", "status", "rank", "passes", "error", "reads"]
    assert re.fullmatch(rf"{finished} +done +3 +\d+ +0\.\d{{4}} +\d+\.\d", first)
    assert re.fullmatch(rf"{half_way} +stopped +3 .*pass 99: 75 % of the rows after 9\.0 s", second)


@pytest.mark.parametrize("command", ["status", "inspect"])
def test_a_place_that_cannot_be_looked_at_does_not_hide_the_others(finished, half_way, nothing, command):
    result = call(command, nothing, finished, half_way)
    assert result.exit_code == 1
    assert len(re.findall("^dnmf: error: ", result.stderr, re.M)) == 1
    assert str(nothing) in result.stderr
    for place in (finished, half_way):
        assert str(place) in result.stdout


@pytest.mark.parametrize("command", ["status", "inspect"])
def test_json_is_one_object_a_place(finished, half_way, nothing, command):
    result = call(command, finished, nothing, half_way, "--json")
    assert result.exit_code == 1
    first, second, third = records(result)
    assert [record["type"] for record in (first, second, third)] == ["result", "error", "result"]
    assert [first["store"], third["store"]] == [finished, half_way]
    assert (second["place"], second["command"], second["exit_code"]) == (str(nothing), command, 1)


def test_inspect_takes_matrices_and_runs_together(finished, data):
    result = call("inspect", data, finished, "--json")
    assert result.exit_code == 0
    assert [("plan" in record, "components" in record) for record in records(result)] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    "option",
    [("--rank", 3), ("--memory-limit", "2GB"), ("--init", "auto"), ("--l1", 0), ("--mask", "m"), ("--no-diagonal",)],
)
def test_inspect_of_a_run_refuses_what_is_for_the_plan_of_a_matrix(finished, option):
    result = call("inspect", finished, *option)
    assert result.exit_code == 2
    assert "is a run" in result.stderr


def test_inspect_of_a_matrix_refuses_what_is_for_a_run(data):
    result = call("inspect", data, "--top", 3)
    assert result.exit_code == 2
    assert "is a matrix" in result.stderr
