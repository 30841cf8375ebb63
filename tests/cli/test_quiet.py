"""What each of --quiet, --json and --debug lets a command say, and where."""

import json
import warnings

import pytest
from command_line import call, records

from dnmf.cli import commands
from dnmf.errors import DnmfError


def fitted(tmp_path, data, *options):
    return call("fit", data, "--rank", 3, "--store", tmp_path / "q.dnmf", "--max-passes", 2, *options)


@pytest.mark.parametrize("name", list(commands.commands))
def test_every_command_has_the_same_ways_to_speak(name):
    shown = call(name, "--help").stdout
    for option in ("--json", "-q, --quiet", "--debug"):
        assert option in shown


def test_a_quiet_fit_says_its_result_and_nothing_else(tmp_path, data):
    result = fitted(tmp_path, data, "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("done")


def test_a_quiet_fit_in_json_says_nothing_to_people(tmp_path, data):
    result = fitted(tmp_path, data, "--quiet", "--json")
    assert result.stderr == ""
    assert [record["type"] for record in records(result)] == ["result"]


def test_a_quiet_conversion_and_a_quiet_error_in_json_are_one_object(tmp_path, data):
    converted = call("convert", data, tmp_path / "b.zarr", "--quiet", "--json")
    assert [record["type"] for record in records(converted)] == ["result"]
    refused = call("convert", tmp_path / "nothing.mtx", tmp_path / "c.zarr", "--quiet", "--json")
    assert [record["type"] for record in records(refused)] == ["error"]


def test_a_quiet_error_is_one_line(tmp_path):
    result = call("fit", tmp_path / "nothing.zarr", "--rank", 3, "--store", tmp_path / "q.dnmf", "-q")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def test_a_quiet_conversion_and_a_quiet_look_say_their_results(tmp_path, data, finished, half_way):
    converted = call("convert", data, tmp_path / "b.zarr", "--quiet")
    assert (converted.exit_code, converted.stderr) == (0, "")
    assert str(tmp_path / "b.zarr") in converted.stdout
    table = call("status", finished, half_way, "--quiet")
    assert table.stderr == ""
    assert len(table.stdout.splitlines()) == 3


def test_warnings_are_said_but_not_when_quiet(monkeypatch, finished):
    class OddWarning(UserWarning):
        __module__ = "dnmf.checkpoint"

    def odd(run):
        warnings.warn("something is odd", OddWarning, stacklevel=2)
        raise DnmfError("and it failed")

    monkeypatch.setattr("dnmf.inspection.run_status", odd)
    assert "dnmf: warning: something is odd" in call("status", finished).stderr
    quiet = call("status", finished, "--quiet")
    assert quiet.stderr == "dnmf: error: and it failed\n"
    assert json.loads(call("status", finished, "--quiet", "--json").stdout)["message"] == "error: and it failed"
