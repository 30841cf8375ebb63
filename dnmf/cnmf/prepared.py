"""What cNMF makes of counts before it factorizes them, as views: nothing is copied."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dnmf.arguments import is_finite, shown
from dnmf.errors import InputError
from dnmf.fitting.events import Callback
from dnmf.measures import moments, variable_columns
from dnmf.measures.variable import deviations, sizes_of_rows
from dnmf.sources import Source, open_source

PER = 1e6


class Prepared(NamedTuple):
    """Two views of the same counts.

    Attributes
    ----------
    counts : Source
        What is factorized: variable columns, each of unit variance.
    tpm : Source
        All columns, rows brought to one total: what the spectra are then found in.
    """

    counts: Source
    tpm: Source


def prepare(
    source: Any, count: int | None = 2000, *, columns: Any = None, per: float = PER, client: Any = None,
    memory_limit: Any = None, callbacks: Sequence[Callback] = (),
) -> Prepared:  # fmt: skip
    """Return what cNMF's ``prepare`` makes of counts, as two views of them; in two reads.

    Parameters
    ----------
    source : anything :func:`dnmf.open_source` takes
        Counts, not negative: cells are rows, genes columns.
    count : int or None
        How many variable columns are seen in `counts`, or None, as in :func:`dnmf.measures.variable_columns`.
    columns : optional
        Which columns are seen, in place of variable ones, as in :func:`dnmf.open_source`: names, numbers, the name of a
        column of ``var``; then in one read.
    per : float
        The total that rows of `tpm` have: 1e6, transcripts per million.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`.

    Raises
    ------
    InputError
        The data cannot be used, or there are fewer columns that vary.
    BudgetError
        A worker's memory cannot hold what the work needs.

    Examples
    --------
    >>> import numpy as np, dnmf
    >>> A = np.random.default_rng(0).poisson(1.0, (400, 50))
    >>> prepared = dnmf.cnmf.prepare(A, 10)
    >>> prepared.counts.shape, prepared.tpm.shape
    ((400, 10), (400, 50))
    """
    if not (is_finite(per) and per > 0):
        raise InputError(f"per={shown(per)}: give a total above zero that rows are brought to, such as 1e6")
    opened = open_source(source)
    where = {"client": client, "memory_limit": memory_limit, "callbacks": callbacks}
    if columns is None:
        found = variable_columns(opened, count, per=per, **where)
        columns, scale, sizes = found.chosen, found.scale, found.row_scale
    else:
        of_data = moments(opened, **where)
        scale, sizes = deviations(of_data), sizes_of_rows(of_data, per)
    seen = open_source(opened, columns=columns, column_scale=scale)
    return Prepared(seen, open_source(opened, row_scale=sizes))
