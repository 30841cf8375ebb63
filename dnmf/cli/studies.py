"""The commands that fit many models in shared reads: path, ranks, consensus."""

from collections.abc import Callable
from typing import Any

import click

from dnmf.cli.amounts import COUNT_OR_LIST, NUMBERS, RANKS
from dnmf.cli.cnmf import AsCnmf, cnmf_options
from dnmf.cli.data import IMPLICIT, Seen, absolute, entries_options, names_options, seen_options
from dnmf.cli.fits import RESUME, fit_options
from dnmf.cli.groups import Grouped
from dnmf.cli.output import current_output, output_options
from dnmf.cli.where import Where, work_options
from dnmf.cli.work import say_study, taken, watched

NOTHING = AsCnmf()
STORE = click.option("--store", required=True, metavar="RUN", help="For checkpoints and models, such as run.dnmf.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace what the store holds, once this has begun.")
STRUCTURE = click.option("--structure", type=click.Choice(["matrix", "cp"]), default="matrix", show_default=True,
                         help="cp: models of an array of three or more axes, as dnmf cp finds them.")  # fmt: skip
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
                    help="Of the rows that models begin on together, of what is held out or clustered.")  # fmt: skip


def _fitted(
    command: str, function: Callable[..., Any], *, source: str, store: str, where: Where, seen: Seen,
    entries: dict[str, Any], cnmf: AsCnmf = NOTHING, **given: Any,
) -> None:  # fmt: skip
    """Have a study made in a store, say what it came to, and write it in the files of cNMF where these are wanted."""
    output = current_output()
    cnmf.refuse_there(given)
    known = "longest" if given.get("structure") == "cp" else None
    opened = seen.open(absolute(source), known, **entries, **taken(given))
    with watched(store, where, output) as (client, callbacks):
        place = {"client": client, "memory_limit": where.memory_limit, "callbacks": callbacks}
        opened, tpm = cnmf.prepare(opened, place)
        cnmf.write(function(opened, store=store, **place, **given), tpm, place)
    say_study(command, store, output)


@click.command(cls=Grouped, short_help="Factorize a matrix along the strengths of a penalty.")
@click.argument("source")
@click.option("--rank", type=click.IntRange(1), required=True, help="Components k of every model.")
@click.option("--store", required=True, metavar="PATH", help="For checkpoints and models, such as path.dnmf.")
@click.option("--strengths", type=NUMBERS, required=True, help="What all strengths are multiplied by, such as 0,0.1.")
@click.option("--seeds", type=COUNT_OR_LIST, default=1, show_default=True, help="How many, or which: 3,5,7.")
@click.option("--warm", type=click.Choice(["unpenalized", "chain"]), default="unpenalized", show_default=True,
              help="Start each model from the one without a penalty, or from the strength before.")  # fmt: skip
@click.option("--measures", type=click.Choice(["all", "cheap"]), default="all", show_default=True,
              help="Whether to measure what takes reads of its own.")  # fmt: skip
@click.option("--side", type=click.Choice(["W", "H"]), default="H", show_default=True,
              help="On which factor components are compared.")  # fmt: skip
@STRUCTURE
@click.option("--overwrite", is_flag=True, help="Replace a path in the store, once this one has begun.")
@RESUME
@seen_options
@names_options
@entries_options
@IMPLICIT
@fit_options
@work_options
@output_options
def path(**given: Any) -> None:
    """Factorize SOURCE at each of the --strengths of a penalty, all models sharing every read of the data.

    The store PATH holds a store for each model. A path that was stopped goes on with `dnmf resume`.
    """
    from dnmf.paths import path as fit_path

    _fitted("path", fit_path, **given)


@click.command(cls=Grouped, short_help="Find out how many components there are.")
@click.argument("source")
@click.option("--ranks", type=RANKS, required=True, help="Which to try: 2-12, or 5,10,20.")
@STORE
@click.option("--seeds", type=COUNT_OR_LIST, default=6, show_default=True,
              help="Models of all of the data at each rank: how many, or which.")  # fmt: skip
@click.option("--folds", type=click.IntRange(0), default=4, show_default=True,
              help="Parts of the data that are held out, one after the other.")  # fmt: skip
@STRUCTURE
@SEED
@cnmf_options
@OVERWRITE
@RESUME
@seen_options
@names_options
@entries_options
@fit_options
@work_options
@output_options
def ranks(**given: Any) -> None:
    """Fit models of several --ranks to SOURCE in shared reads, and say which rank to take, and why.

    Parts of the data are held out of some of them: how well a rank predicts these, and whether every fold finds the
    same again, decides. The store RUN holds a store for the best model of each rank. What was stopped goes on with
    `dnmf resume`.
    """
    from dnmf.ensembles.ranks_doors import ranks as fit_ranks

    _fitted("ranks", fit_ranks, **given)


@click.command(cls=Grouped, short_help="Find what models from many seeds agree on.")
@click.argument("source")
@click.option("--rank", type=click.IntRange(1), required=True, help="Components k.")
@STORE
@click.option("--seeds", type=COUNT_OR_LIST, default=20, show_default=True, help="How many, or which: 3,5,7.")
@click.option("--best", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True,
              help="The share of the models that count, the best ones; 1: all.")  # fmt: skip
@click.option("--density", type=click.FloatRange(0, min_open=True), default=0.5, show_default=True,
              help="Components that are so far from their nearest others are left out; 2: none.")  # fmt: skip
@SEED
@cnmf_options
@OVERWRITE
@RESUME
@seen_options
@names_options
@entries_options
@fit_options
@work_options
@output_options
def consensus(**given: Any) -> None:
    """Fit models from many --seeds to SOURCE in shared reads, and make one of what they agree on, as cNMF does.

    The store RUN holds an ordinary store of it. What was stopped goes on with `dnmf resume`.
    """
    from dnmf.ensembles.consensus_doors import consensus as fit_consensus

    _fitted("consensus", fit_consensus, **given)
