"""The command that goes on with a run where the one at hand did its work."""

import os
from collections.abc import Mapping
from typing import Any

import click

from dnmf.advice import limit_words, resume_command

MODULES, WHERE = "dnmf.modules", "dnmf.where"  # in what a command remembers: names, and options with their values
GO_ON = "DNMF_GO_ON"  # in the environment: the line of a script that makes a cluster, fits there and ends it


def command_again(store: Any, limits: Mapping[str, Any] | None = None) -> str:
    """Return what to type to go on with the run in a store, under other limits where it needs them.

    It is that of the script which did the work, where there is one: the scheduler that it made ends with it.
    """
    ctx = click.get_current_context(silent=True)
    meta: Mapping[str, Any] = {} if ctx is None else ctx.meta
    if WHERE in meta and (line := os.environ.get(GO_ON)):
        return " ".join([line, *limit_words(limits)])
    return resume_command(store, limits, meta.get(WHERE, ()), meta.get(MODULES, ()))
