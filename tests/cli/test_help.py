"""What help shows of commands, and what shells offer for them."""

import re
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from command_line import call

from dnmf.cli import commands
from dnmf.cli.completion import Place, called_in_help
from dnmf.cli.groups import GROUPS, OTHERS, Grouped

GROUPED = [name for name, command in commands.commands.items() if isinstance(command, Grouped)]
NO_PLACES = {"long", "title", "measure", "feature_type", "layer", "var_mask", "obs_mask", "row_axes"}
PARAMETERS = [
    pytest.param(parameter, id=f"{name} {parameter.name}")
    for name, command in commands.commands.items()
    for parameter in command.params
]


def test_the_commands_of_many_options_have_them_in_groups():
    assert GROUPED == ["inspect", "fit", "cp", "ranks", "consensus", "path", "resume", "transform"]


@pytest.mark.parametrize("name", GROUPED)
def test_every_option_is_in_one_group(name):
    shown = call(name, "--help").stdout
    titles = re.findall(r"^(\w[\w ]+):$", shown, re.M)
    assert titles == [title for title, _ in GROUPS if title in titles]
    assert OTHERS not in titles
    for parameter in commands.commands[name].params:
        if isinstance(parameter, click.Option):
            assert len(re.findall(rf"^  .*{parameter.opts[-1]}(?![\w-]).*$", shown, re.M)) >= 1


def test_the_groups_of_a_fit_come_from_what_to_where():
    titles = [title for title, _ in commands.commands["fit"].option_groups(click.Context(commands.commands["fit"]))]
    assert titles == [
        "Model",
        "Start",
        "Stopping",
        "Penalties",
        "Constraints",
        "Data",
        "Observed entries",
        "Where it runs",
        "Output",
    ]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_text_that_is_a_place_is_completed_as_one(parameter):
    if isinstance(parameter.type, click.types.StringParamType):
        assert parameter.name in NO_PLACES, f"{called_in_help(parameter)} is not completed"


def offered(arguments, incomplete):
    """What a shell is told to offer: kinds and words."""
    shell = ShellComplete(commands, {}, "dnmf", "_DNMF_COMPLETE")
    return [(item.type, item.value) for item in shell.get_completions([str(a) for a in arguments], incomplete)]


@pytest.mark.parametrize(
    ("arguments", "incomplete", "expected"),
    [
        (["fit"], "da", [("file", "da")]),
        (["fit", "a.zarr", "--store"], "", [("dir", "")]),
        (["fit", "a.zarr", "--fixed-h"], "h", [("file", "h")]),
        (["fit", "a.zarr", "--scheduler"], "lo", [("plain", "local"), ("file", "lo")]),
        (["status", "a.dnmf"], "b", [("dir", "b")]),
        (["inspect"], "", [("file", "")]),
        (["convert", "a.npy"], "", [("dir", "")]),
        (["transform", "a.dnmf"], "", [("file", "")]),
        (["transform", "a.dnmf", "b.zarr", "--out"], "", [("dir", "")]),
        (["resume", "a.dnmf", "--source"], "", [("file", "")]),
        (["plot", "a.dnmf", "--out"], "", [("file", "")]),
        (["report"], "", [("dir", "")]),
        (["demo", "--dir"], "", [("dir", "")]),
        (["fit", "a.zarr", "--init"], "sa", [("plain", "sample")]),
        ([], "sta", [("plain", "status")]),
    ],
)
def test_a_shell_offers_paths_where_paths_belong(arguments, incomplete, expected):
    assert offered(arguments, incomplete) == expected


@pytest.mark.parametrize("given", ["~/a.zarr", "s3://bucket/a.zarr", "a.h5ad::layers/counts", ""])
def test_a_place_is_handed_on_as_it_was_typed(given):
    assert Place("file").convert(given, None, None) == given


@pytest.mark.slow
def test_completion_and_help_import_nothing_that_takes_long():
    heavy = ("scipy", "numba", "dask", "distributed", "zarr", "rich", "sklearn", "IPython")
    code = f"import dnmf.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
