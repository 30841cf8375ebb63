"""Modules of the caller's own that are imported before a command, such as one that registers a loss."""

import importlib
import sys
from typing import Any

import click

from dnmf.cli.again import MODULES


def import_first(ctx: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Import modules, also those in the present directory; one that cannot be is a usage error."""
    if names and "" not in sys.path:
        sys.path.insert(0, "")
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise click.BadParameter(f"{name}: {type(error).__name__}: {error}", ctx, parameter) from error
    ctx.meta[MODULES] = names
    return names


class LossName(click.Choice[Any]):
    """A loss of dnmf, or one that an imported module has registered."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name; dnmf.losses, which loads slowly, is asked only for one that is not among ours."""
        if value in self.choices:
            return value
        from dnmf.losses import is_known

        if not is_known(value):
            self.fail(
                f"{value!r} is not one of {', '.join(self.choices)}; one of yours needs dnmf --import MODULE",
                param,
                ctx,
            )
        return value
