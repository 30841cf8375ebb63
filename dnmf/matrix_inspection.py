"""What can be said of a matrix before it is factorized, and of how a fit would cut it."""

from typing import Any

import numpy as np

from dnmf.constraints import Constraints, checked_constraints
from dnmf.errors import BudgetError, InputError
from dnmf.options import FitOptions, parse_bytes
from dnmf.penalty import Penalty
from dnmf.resources import Resources
from dnmf.sources import Source
from dnmf.sources.guard import refuse_gone
from dnmf.sources.names import names_to_show
from dnmf.sources.views import what_is_seen

DEFAULT_RANK = 20


def inspect_source(  # noqa: PLR0913  what the plan of a fit is made by, by name
    source: Source, rank: int | None = None, memory_limit: str | int | None = None, loss: str = "frobenius",
    implicit: float = 0.0, *, init: str = "auto", solver: str = "cd", sweeps: int = 1, exact_rows: bool = True,
    penalty: Penalty | None = None, constraints: Constraints | None = None, dtype: str = "float32",
    restarts: int = 1, extrapolate: bool = True, keep: str = "auto",
) -> dict[str, Any]:  # fmt: skip
    """Return what a matrix is and how a fit would cut it, as JSON values; no values are read.

    Parameters
    ----------
    source : Source
        From :func:`dnmf.open_source`.
    rank : int, optional
        For the plan; by default 20, or as many as the matrix allows.
    memory_limit : str or int, optional
        Of a worker; by default what is free on this machine.
    loss, implicit, init, solver, sweeps, exact_rows, penalty, constraints, dtype, restarts, extrapolate, keep
        For the plan, as in :func:`dnmf.fit`.

    Raises
    ------
    InputError
        An option is none for this matrix, the rank is more than it allows, or it cannot be opened or leads to a file
        that is not there.
    """
    refuse_gone(source)
    most = min(source.shape)
    if rank is not None and not 1 <= rank <= most:
        raise InputError(f"{source.address}: rank {rank} is not between 1 and min(rows, columns) = {most}")
    options = FitOptions(
        min(rank or DEFAULT_RANK, most), init, solver, loss, penalty or Penalty(), dtype, extrapolate=extrapolate,
        limits=checked_constraints(constraints).limits, implicit=implicit, restarts=restarts, sweeps=sweeps,
        exact_rows=exact_rows,
    )  # fmt: skip
    return {**_facts(source, implicit), "plan": _plan(source, options, memory_limit, keep)}


def _facts(source: Source, implicit: float) -> dict[str, Any]:
    """What a matrix is."""
    layout = source.layout()
    rows, columns = source.shape[::-1] if source.transposed else source.shape
    stored = getattr(source, "nonzeros", None) if source.sparse else None
    rows_named, columns_named = map(names_to_show, (source.row_names(), source.column_names()))
    if source.transposed:
        rows_named, columns_named = columns_named, rows_named
    return {
        "address": source.address,
        "kind": ("csc" if source.transposed else "csr") if source.sparse else "dense",
        "shape": [rows, columns],
        "dtype": str(source.dtype),
        "nonzeros": stored,
        "observed": source.said() or None,
        "unfolding": source.unfolding.to_json() if source.unfolding else None,
        "seen": {name: len(part) for name, part in what_is_seen(source).parts.items()} or None,
        "implicit": implicit or None,
        "density": None if stored is None else stored / (rows * columns),
        "decoded_bytes": layout.total_bytes,
        "row_names": rows_named is not None,
        "column_names": columns_named is not None,
        "first_row_name": _first(rows_named),
        "first_column_name": _first(columns_named),
        "layout": {
            "transposed": source.transposed,
            "row_step": layout.row_step,
            "pieces": len(layout.cuts) - 1,
            "object_bytes": layout.object_bytes,
        },
    }


def _first(names: np.ndarray | None) -> str | None:
    return None if names is None or len(names) == 0 else str(names[0])


def _plan(source: Source, options: FitOptions, memory_limit: str | int | None, keep: str) -> dict[str, Any]:
    """How a fit into a store would be cut for threads of this process, or why it cannot be."""
    from dnmf.passes.threads import InProcess
    from dnmf.planned import plan_work
    from dnmf.schemes.refused import refuse_entries, refuse_of_transposed
    from dnmf.schemes.rehearsal import Kernels
    from dnmf.starts.choose import start_of

    refuse_entries(options, source)
    if source.transposed:
        refuse_of_transposed(options, source.address)
    resources, executor = Resources(memory_bytes=parse_bytes(memory_limit), keep=keep), InProcess()
    machine = executor.machine(resources.memory_bytes, Kernels.of(source, options))
    known = {
        "rank": options.rank,
        "loss": options.loss,
        "restarts": options.restarts,
        "threads": machine.threads,
        "limit_bytes": machine.memory_bytes,
    }
    try:
        work = plan_work(executor, source, options, resources, stored=True)
    except BudgetError as error:
        return {**known, "refused": str(error)}
    plan = work.plan
    return {
        **known,
        "init": start_of(options, plan),
        "starts_per_pass": work.models_per_pass,
        "keeps": work.keeps,
        "tasks": len(plan.groups),
        "panels": plan.n_panels,
        "panel_bytes": plan.panel_bytes,
        "projected_bytes": plan.need.total,
        "projection": str(plan.need),
        "gave_up": list(plan.gave_up),
        "refused": None,
    }
