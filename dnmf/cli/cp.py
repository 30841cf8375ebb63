"""The command that factorizes arrays of more than two axes: cp."""

from typing import Any

import click

from dnmf.cli.amounts import STRENGTHS
from dnmf.cli.data import IMPLICIT, absolute, entries_options, split_axes
from dnmf.cli.fits import MAX_SECONDS, RESTARTS, RESUME, ending_options, solving_options
from dnmf.cli.groups import Grouped
from dnmf.cli.output import current_output, output_options
from dnmf.cli.where import Where, work_options
from dnmf.cli.work import say_model, watched

EACH = "X|LONG,OTHERS|LONG,FIRST,SECOND,…"


@click.command(cls=Grouped, short_help="Factorize an array of three or more axes into a store.")
@click.argument("source")
@click.option("--rank", type=click.IntRange(1), required=True, help="Components k.")
@click.option("--store", required=True, metavar="RUN", help="For checkpoints and factors: run.dnmf, s3://BUCKET/RUN.")
@click.option(
    "--row-axes",
    metavar="AXIS",
    default="longest",
    show_default=True,
    help="The long axis, along which slabs are read: time or 0.",
)
@click.option("--rows", "row_names", metavar="FILE", help="Labels along the long axis, one a line.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is drawn at random.")
@RESTARTS
@solving_options
@click.option("--l1", type=STRENGTHS, default=(0.0, 0.0), metavar=EACH, help="L1 on all factors, or on these.")
@click.option("--l2", type=STRENGTHS, default=(0.0, 0.0), metavar=EACH, help="L2 (ridge) on all factors, or on these.")
@click.option(
    "--penalty-scale",
    type=click.Choice(["objective", "fraction"]),
    default="objective",
    show_default=True,
    help="Of these: as they are, or as fractions of what leaves nothing.",
)
@ending_options
@MAX_SECONDS
@entries_options
@IMPLICIT
@click.option("--overwrite", is_flag=True, help="Replace a run in the store, once this one has begun.")
@RESUME
@work_options
@output_options
def cp(source: str, store: str, where: Where, entries: dict[str, Any], **given: Any) -> None:
    """Factorize SOURCE, an array of three or more axes, into a store: nonnegative CP, one factor for each axis.

    Slabs along the long axis are read one after the other; all other axes are short, and are updated in memory. Every
    pass is committed to the store: what was stopped goes on with `dnmf resume`.
    """
    from dnmf.penalty import Penalty
    from dnmf.sources import open_source
    from dnmf.tensors import cp as fit_cp

    output = current_output()
    axes = split_axes(given.pop("row_axes"))
    about = {name: given.pop(name) for name in ("row_names", "missing_chunks")}
    penalty = Penalty(given.pop("l1"), given.pop("l2"), given.pop("penalty_scale"))
    given |= {"penalty": penalty if penalty.active else None}
    opened = open_source(absolute(source), row_axes=axes, **about, **entries)
    with watched(store, where, output) as (client, callbacks):
        fit_cp(opened, store=store, client=client, memory_limit=where.memory_limit, callbacks=callbacks, **given)
    say_model("cp", store, output)
