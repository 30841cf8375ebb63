"""What a shell offers for the arguments and options of commands: files and directories, by what help calls them."""

from typing import Any

import click
from click.shell_completion import CompletionItem

FILES = {"SOURCE", "SOURCE|RUN...", "IN", "FILE", "FILE.html", "ADDRESS|local|FILE"}
DIRECTORIES = {"RUN", "RUN...", "PATH", "OUT", "W.zarr", "FOLDER"}
WORDS = {"ADDRESS|local|FILE": ("local",)}


class Place(click.ParamType):
    """A path, an address or a URL: handed on as it was typed, completed as a path.

    Parameters
    ----------
    kind : {"file", "dir"}
        What is offered; directories are where files are.
    words : sequence of str
        What may stand there instead.
    """

    name = "path"

    def __init__(self, kind: str, words: tuple[str, ...] = ()):
        self.kind, self.words = kind, words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the words that fit, and what lets the shell look for paths."""
        del ctx, param
        words = [CompletionItem(word) for word in self.words if word.startswith(incomplete)]
        return [*words, CompletionItem(incomplete, type=self.kind)]


def complete_places(command: click.Command) -> click.Command:
    """Return the command with every parameter that help calls by the name of a place completed as one."""
    for parameter in command.params:
        called = called_in_help(parameter)
        if isinstance(parameter.type, click.types.StringParamType) and called in FILES | DIRECTORIES:
            parameter.type = Place("file" if called in FILES else "dir", WORDS.get(called, ()))
    return command


def called_in_help(parameter: click.Parameter) -> str:
    """Return what help calls the value of a parameter."""
    called: Any = parameter.metavar or parameter.name
    return str(called) if parameter.metavar else str(called).upper()
