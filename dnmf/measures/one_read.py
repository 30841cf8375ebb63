"""One read of all rows for somebody who measures them: planned, watched and run where a fit is."""

from contextlib import closing
from typing import Any

import numpy as np

from dnmf.fitting.meter import Meter, as_part
from dnmf.memory import NO_START, Shape
from dnmf.options import FitOptions
from dnmf.passes.choose import choose_executor
from dnmf.passes.executor import run_pass
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Demands, Work
from dnmf.plan import make_plan
from dnmf.resources import Resources
from dnmf.schemes.rehearsal import Kernels
from dnmf.sources import Source
from dnmf.sources.guard import guard_source, guarded

DTYPE = "float64"


def read_once(
    source: Source, visitor: Visitor, resources: Resources, *, columns: int, kept_rows: int = 0, given: Any = None
) -> Any:
    """Return the sums of a visitor over all rows; values may be negative, and have to be finite.

    Parameters
    ----------
    source : Source
        The data.
    visitor : Visitor
        What is done with its rows.
    resources : Resources
        Where to run.
    columns : int
        How many columns its sums have.
    kept_rows : int
        Of how many rows it writes something out, which comes back in `kept`.
    given : ndarray (m, k) or RowsOnDemand, optional
        Rows of W that it visits along with those of the data.

    Raises
    ------
    InputError
        The data cannot be used.
    BudgetError
        A worker's memory cannot hold what the work needs.
    """
    work = Work((visitor,), DTYPE, check=True, demands=Demands(signed=True))
    with guarded(guard_source(source)), closing(choose_executor(resources.client, source)) as executor:
        machine = executor.machine(resources.memory_bytes, Kernels.of(source, FitOptions(1)))
        shape = Shape(columns, visitor.rank, np.dtype(DTYPE).itemsize, kept_rows=kept_rows, start=NO_START)
        plan = make_plan(source.layout(), shape, machine)
        executor.preflight(source)
        back = Meter(as_part(resources.callbacks, "measure")).begin("measure", source.shape[0])
        with executor.giving_back(plan):
            targets = ("",) if kept_rows else ()
            return run_pass(executor, source, plan, work, given=given, targets=targets, rows_back=back).models[0]
