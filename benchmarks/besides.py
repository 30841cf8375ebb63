"""What is measured beside the matrices of the suite: each is a record of its own, and a part of the page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.clusters import clusters
from benchmarks.clusters import section as clusters_section
from benchmarks.cnmf import cnmf
from benchmarks.cnmf import section as cnmf_section
from benchmarks.counts import counts, of_counts
from benchmarks.counts_page import counts_section
from benchmarks.exact_rows import exact_rows
from benchmarks.exact_rows import section as exact_rows_section
from benchmarks.first_call import first_call
from benchmarks.first_call import section as first_call_section
from benchmarks.missing import missing
from benchmarks.missing_page import missing_section
from benchmarks.problems import Problem
from benchmarks.ranks import ranks
from benchmarks.ranks_page import ranks_section, reads_section
from benchmarks.ranks_reads import reads_of_ranks
from benchmarks.ridge_cp import ridge_cp
from benchmarks.ridge_cp_page import section as ridge_cp_section
from benchmarks.ridge_cp_pictures import draw as draw_ridge_cp
from benchmarks.settling import section as settling_section
from benchmarks.settling import settling
from benchmarks.solvers import section as solvers_section
from benchmarks.solvers import solvers
from benchmarks.starts import section as starts_section
from benchmarks.starts import starts
from benchmarks.tensors import section as tensors_section
from benchmarks.tensors import tensors
from benchmarks.watched import section as watched_section
from benchmarks.watched import watched
from benchmarks.wide import section as wide_section
from benchmarks.wide import wide


def no_pictures(record: dict[str, Any], folder: Path) -> list[Path]:
    """Return that nothing was drawn."""
    del record, folder
    return []


class Beside(NamedTuple):
    """A measurement.

    Attributes
    ----------
    measure : callable
        Returns its record; is handed the matrices that were asked for.
    section : callable
        Returns its part of the page, from its record and a line on where it was measured.
    draw : callable
        Writes its pictures into a folder, from its record, and returns where they are.
    """

    measure: Callable[[Sequence[Problem]], dict[str, Any]]
    section: Callable[[dict[str, Any], str], str]
    draw: Callable[[dict[str, Any], Path], list[Path]] = no_pictures


BESIDES = {
    "first call": Beside(lambda _: first_call(), first_call_section),
    "exact rows": Beside(exact_rows, exact_rows_section),
    "counts": Beside(lambda some: counts(of_counts(some)), counts_section),
    "missing entries": Beside(missing, missing_section),
    "solvers": Beside(lambda _: solvers(), solvers_section),
    "clusters": Beside(lambda _: clusters(), clusters_section),
    "settling": Beside(lambda _: settling(), settling_section),
    "starts": Beside(starts, starts_section),
    "cNMF": Beside(lambda _: cnmf(), cnmf_section),
    "ranks": Beside(lambda _: ranks(), ranks_section),
    "reads of ranks": Beside(lambda _: reads_of_ranks(), reads_section),
    "wide": Beside(lambda _: wide(), wide_section),
    "tensors": Beside(lambda _: tensors(), tensors_section),
    "ridge CP": Beside(lambda _: ridge_cp(), ridge_cp_section, draw_ridge_cp),
    "watched": Beside(lambda _: watched(), watched_section),
}
"""By the names that ``--only`` takes, in the order of the page."""
