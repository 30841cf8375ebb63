"""Options for who comes from cNMF: its preparation of counts, and its files."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import click

CNMF = (
    click.option("--variable-columns", type=click.IntRange(1), metavar="N",
                 help="Of counts: the N columns that vary most, on unit variance, as cNMF does."),
    click.option("--cnmf-files", metavar="FOLDER", help="Write what was found in cNMF's files, too: OUTPUT_DIR/NAME."),
)  # fmt: skip


class AsCnmf(NamedTuple):
    """What is to be done as in cNMF.

    Attributes
    ----------
    variable_columns : int or None
        How many variable columns are factorized.
    files : str or None
        Where its files are written.
    """

    variable_columns: int | None = None
    files: str | None = None

    def prepare(self, source: Any, where: dict[str, Any]) -> tuple[Any, Any]:
        """Return what is factorized, and all columns with rows of one total; None where nothing is to be prepared."""
        if self.variable_columns is None:
            return source, None
        from dnmf.cnmf import prepare

        return prepare(source, self.variable_columns, **_connected(where))

    def refuse_there(self, given: dict[str, Any]) -> None:
        """Refuse to replace files before anything is fitted; of ranks where no single one is `given`."""
        if self.files is None:
            return
        from dnmf.cnmf.files import Files

        one = "rank" in given
        files = Files.of_consensus(self.files, given["rank"], given["density"]) if one else Files.of_ranks(self.files)
        files.refuse_there(overwrite=given["overwrite"])

    def write(self, found: Any, tpm: Any, where: dict[str, Any]) -> None:
        """Write what was found; nobody minds what :meth:`refuse_there` let pass."""
        if self.files is None:
            return
        from dnmf.cnmf import write, write_k_selection
        from dnmf.ensembles.ranks_result import Ranks

        if isinstance(found, Ranks):
            write_k_selection(found, self.files, overwrite=True)
        else:
            write(found, self.files, tpm, overwrite=True, **_connected(where))


def _connected(where: dict[str, Any]) -> dict[str, Any]:
    return {**where, "client": where["client"].client}


def cnmf_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, and hand them to the command as `cnmf`."""

    @functools.wraps(command)
    def packed(*, variable_columns: int | None, cnmf_files: str | None, **given: Any) -> Any:
        return command(cnmf=AsCnmf(variable_columns, cnmf_files), **given)

    for option in reversed(CNMF):
        packed = option(packed)
    return packed
