"""Calls a command in this process, and reads what it printed."""

import json

from click.testing import CliRunner

from dnmf.cli import commands


def call(*arguments):
    """The result of ``dnmf ARGUMENTS``."""
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def records(result):
    """The JSON objects of ``--json``."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_one_clear_line(result, *words):
    """The command failed as it should: exit code 1, one line that holds all words, no traceback."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("dnmf: ")]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("dnmf: error: ")
    for word in words:
        assert word in lines[0]
