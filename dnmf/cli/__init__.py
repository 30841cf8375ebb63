"""The command line: ``dnmf …``, and the same commands as ``dask nmf …``."""

import click

from dnmf import __version__
from dnmf.cli.completion import complete_places
from dnmf.cli.cp import cp
from dnmf.cli.exits import Commands
from dnmf.cli.look import convert, inspect, status
from dnmf.cli.modules import import_first
from dnmf.cli.pictures import plot, report
from dnmf.cli.streams import stand_in
from dnmf.cli.studies import consensus, path, ranks
from dnmf.cli.try_out import demo
from dnmf.cli.work import fit, resume, transform


class _InOrder(Commands):
    """Lists the commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names as they were added."""
        del ctx
        return list(self.commands)


# The name under which dask lists the group; alone it is called dnmf.
@click.group(cls=_InOrder, name="nmf", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--import", "modules", multiple=True, metavar="MODULE", callback=import_first, expose_value=False,
              help="Import a module first, such as one that registers a loss of yours.")  # fmt: skip
@click.version_option(__version__, prog_name="dnmf", message="%(prog)s %(version)s")
def commands() -> None:
    """Factorize non-negative matrices that do not fit in memory: A ≈ W · diag(d) · H.

    \b
    Exit codes: 0 done · 1 error · 2 usage · 75 stopped by SIGTERM after a
    committed pass, resume · 130 the same by Ctrl-C.
    """


for command in (demo, inspect, convert, fit, cp, ranks, consensus, path, resume, status, transform, plot, report):
    commands.add_command(complete_places(command))


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    stand_in()
    commands(prog_name="dnmf")
