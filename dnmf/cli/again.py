"""The command that goes on with a run where the one at hand did its work."""

from collections.abc import Mapping
from typing import Any

import click

from dnmf.advice import resume_command

MODULES, WHERE = "dnmf.modules", "dnmf.where"  # in what a command remembers: names, and options with their values


def command_again(store: Any, limits: Mapping[str, Any] | None = None) -> str:
    """Return what to type to go on with the run in a store, under other limits where it needs them."""
    ctx = click.get_current_context(silent=True)
    meta: Mapping[str, Any] = {} if ctx is None else ctx.meta
    return resume_command(store, limits, meta.get(WHERE, ()), meta.get(MODULES, ()))
