"""Options that say how data is read: which of it is seen, its names, and which of its entries were observed."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import click

MISSING_CHUNKS = click.option(
    "--missing-chunks",
    type=click.Choice(["error", "zeros"]),
    default="error",
    show_default=True,
    help="What an absent chunk of a Zarr array means.",
)
NAMES = (
    click.option("--columns", "column_names", metavar="FILE", help="Names of the columns, one a line."),
    click.option("--rows", "row_names", metavar="FILE", help="Names of the rows, one a line."),
)
IMPLICIT = click.option(
    "--implicit", type=click.FloatRange(0), default=0.0, metavar="ALPHA",
    help="Implicit feedback: what is there is trusted 1 + ALPHA times its value more than what is not.",
)  # fmt: skip
MISSING = click.option(
    "--missing", type=click.Choice(["refuse", "nan", "unstored"]), default="refuse", show_default=True,
    help="Entries that were not observed: none, NaN in dense data, what sparse data does not store.",
)  # fmt: skip
MISSING_OF_OTHERS = click.option(
    "--missing", type=click.Choice(["same", "refuse", "nan", "unstored"]), default="same", show_default=True,
    help="Entries that were not observed: what the fit was told, none, NaN in dense data, what sparse data does not "
         "store.",
)  # fmt: skip
ENTRIES = (
    click.option("--mask", metavar="PATH", help="As large as the data, true where an entry was observed."),
    click.option("--weights", metavar="PATH", help="As large as the data: how much each entry counts."),
    click.option("--row-weights", metavar="FILE", help="How much each row counts: .npy, or text with one a line."),
    click.option("--column-weights", metavar="FILE", help="How much each column counts, as --row-weights."),
)  # fmt: skip
LAYER = click.option("--layer", metavar="NAME", help="This layer of an AnnData, in place of X.")
SEEN = (
    LAYER,
    click.option("--var-mask", metavar="NAME", help="Only the columns that are true in this column of var."),
    click.option("--obs-mask", metavar="NAME", help="Only the rows that are true in this column of obs."),
    click.option("--row-axes", metavar="AXES", help="Of an array of more axes: those of the rows, as time or 0,1."),
)
BESIDE = ("mask", "weights")
NOTHING_SAID = {"missing": "refuse", "mask": None, "weights": None, "row_weights": None, "column_weights": None}


class Seen(NamedTuple):
    """What is seen of a source: a layer, the columns of ``var`` and ``obs`` that say which, the axes of its rows."""

    layer: str | None
    var_mask: str | None
    obs_mask: str | None
    row_axes: str | None

    def open(self, source: str, known_axes: Any = None, **about: Any) -> Any:
        """Return the source at an address, opened with what else is said `about` all of it.

        Where nobody says which axes make its rows, they are those that are known.
        """
        from dnmf.sources import open_source

        axes = known_axes if self.row_axes is None else split_axes(self.row_axes)
        about |= {"columns": self.var_mask, "rows": self.obs_mask, "row_axes": axes}
        return open_source(in_layer(source, self.layer), **about)


def seen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is seen of an AnnData, and hand them to the command as `seen`."""

    @functools.wraps(command)
    def packed(**given: Any) -> Any:
        return command(seen=Seen(*(given.pop(name) for name in Seen._fields)), **given)

    for option in reversed(SEEN):
        packed = option(packed)
    return packed


def split_axes(given: str) -> tuple[str, ...]:
    """Return axes that are given with commas between them.

    Examples
    --------
    >>> split_axes("y, x")
    ('y', 'x')
    """
    return tuple(each.strip() for each in given.split(","))


def in_layer(source: str, layer: str | None) -> str:
    """Return the address of a layer of an AnnData, or of a modality where the address names one.

    Examples
    --------
    >>> in_layer("cells.h5ad", "counts"), in_layer("cells.h5mu::mod/rna", "counts")
    ('cells.h5ad::layers/counts', 'cells.h5mu::mod/rna/layers/counts')
    """
    if layer is None:
        return source
    return f"{source}{'/' if '::' in source else '::'}layers/{layer}"


def names_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that give names to rows and columns."""
    for option in reversed(NAMES):
        command = option(command)
    return command


def entries_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what was observed, and hand them to the command as `entries`: for ``open_source``."""
    return _entries_options(command, MISSING)


def known_entries_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the same for a run that goes on, or for other rows than those of a fit: what is missing is known then."""
    return _entries_options(command, MISSING_OF_OTHERS)


def _entries_options(command: Callable[..., Any], missing: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def packed(**given: Any) -> Any:
        entries = {name: given.pop(name) for name in NOTHING_SAID}
        entries |= {name: absolute(entries[name]) for name in BESIDE if entries[name] is not None}
        return command(entries=entries, **given)

    for option in reversed((missing, *ENTRIES)):
        packed = option(packed)
    return packed


def entries_of_run(entries: dict[str, Any], observed: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is said of the entries of a run that goes on: what it knows, with what is told anew in its place.

    Raises
    ------
    click.UsageError
        Another ``--missing`` is told than the run has.
    """
    before = {"missing": "refuse", **(observed or {})}
    if entries["missing"] not in ("same", before["missing"]):
        raise click.UsageError(
            f"--missing {entries['missing']}: the run began with --missing {before['missing']}, and goes on with it; "
            "leave the option out, or begin another fit"
        )
    known = {name: before[name]["data"] for name in NOTHING_SAID if name != "missing" and name in before}
    anew = {name: value for name, value in entries.items() if name != "missing" and value is not None}
    return {"missing": before["missing"], **known, **anew}


def absolute(source: str) -> str:
    """Return the address of data as workers and a later resume find it: local paths from the root."""
    from dnmf.sources.addresses import split_address

    path, inner = split_address(source)
    return f"{path}::{inner}" if inner else path
