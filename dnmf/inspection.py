"""What can be said of a matrix before it is factorized, and of a run while it goes on and afterwards."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf import checkpoint
from dnmf.checkpoint.locks import LOCK, noted_holder, writer_of
from dnmf.constraints import Constraints, checked_constraints
from dnmf.errors import BudgetError, InputError
from dnmf.implicit import describe
from dnmf.locations import local_path, names_url
from dnmf.ongoing import read_in_hand
from dnmf.options import LIMITS, FitOptions, describe_solver, more_than, parse_bytes
from dnmf.penalty import Penalty
from dnmf.record import PATH
from dnmf.resources import Resources
from dnmf.sources import Source
from dnmf.sources.as_fitted import EVERYTHING
from dnmf.sources.guard import refuse_gone
from dnmf.sources.names import names_to_show
from dnmf.tables import top_entries

if TYPE_CHECKING:
    from dnmf.model import Model

DEFAULT_RANK = 20
HIDDEN = 1e-14  # share of ‖A‖² that is lost in rounding, in float64: float32 cannot tell 1e-4 of noise from nothing
TOP_COLUMNS = 8


def is_run(path: str | Path) -> bool:
    """Whether there is a run (or a saved model) at `path` rather than data."""
    text = str(path)
    if names_url(text) or not (folder := local_path(path)).is_dir():
        return False
    return checkpoint.exists(folder) or bool(noted_holder(folder / LOCK))


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
    from dnmf.schemes.refused import refuse_entries, refuse_of_transposed
    from dnmf.schemes.rehearsal import Kernels
    from dnmf.starts.choose import start_of
    from dnmf.workplace import plan_work

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


def run_status(path: str | Path) -> dict[str, Any]:
    """Return how far the run in a store is, as JSON values.

    ``kind`` is ``"path"`` for a regularization path. ``status`` is ``"starting"`` (nothing is committed yet),
    ``"running"`` (a process is writing it), ``"stopped"`` (it can be resumed) or ``"done"``. ``in_hand`` is how far the
    read in hand is, or was when it was stopped (:func:`dnmf.ongoing.read_in_hand`); None where nothing is known of it.

    Raises
    ------
    CheckpointError
        There is no run, nothing of it was committed, or it is damaged.
    """
    store = checkpoint.local_directory(path)
    writer = writer_of(store)
    if not checkpoint.exists(store) and writer:
        in_hand = read_in_hand(store, 0, writer)
        return {"store": str(path), "status": "starting", "writer": writer, "in_hand": in_hand}
    record = checkpoint.read_latest(store).record
    facts = _path_facts(record) if record.get("kind") == PATH else _run_facts(record)
    done = record.get("status") == "done"
    return {
        "store": str(path),
        "status": "done" if done else "running" if writer else "stopped",
        "writer": None if done else writer,
        "in_hand": None if done else read_in_hand(store, facts["passes"], writer),
        **facts,
    }


def _run_facts(record: dict[str, Any]) -> dict[str, Any]:
    state = record.get("state", {})
    history = record.get("history") or state.get("history", [])
    last = history[-1] if history else {}
    taken = [entry for entry in history if entry.get("accepted", True)]  # passes that rose were taken back
    stands = taken[-1] if taken else last
    return {
        "source": record.get("address"),
        "observed": record.get("run", record).get("observed") or None,
        "implicit": record["options"].get("implicit") or None,
        "rank": record["options"]["rank"],
        "loss_name": record["options"].get("loss", "frobenius"),
        "solver": describe_solver(record["options"]),
        "seed": record["options"]["seed"],
        "restarts": record["options"].get("restarts", 1),
        "best_seed": record.get("best_seed", state.get("seed")),
        **_limits(record["options"]),
        "passes": len(history),
        "relative_error": stands.get("relative_error"),
        "loss": stands.get("loss"),
        "objective": stands.get("objective"),
        "decrease": stands.get("decrease"),
        "reads": last.get("reads"),
        "seconds": sum(entry["seconds"] for entry in history),
        "stop_reason": record.get("stop_reason") or state.get("reason") or None,
        "go_on_with": _go_on_with(record),
    }


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    """What decides when a fit ends."""
    return {name: options.get(name) for name in LIMITS}


def _go_on_with(record: dict[str, Any]) -> dict[str, Any] | None:
    """The limit with which a run goes on that a limit has ended; None for others, and for a model that was saved."""
    if record.get("status") != "done" or "run" not in record:
        return None
    return more_than(record["stop_reason"], record["options"], len(record["history"])) or None


def _path_facts(record: dict[str, Any]) -> dict[str, Any]:
    options, state = record["path"], record.get("state", {})
    models = len(options["strengths"]) * len(options["seeds"])
    return {
        "kind": PATH,
        "source": record.get("run", {}).get("address", ""),
        "observed": record.get("run", {}).get("observed") or None,
        "implicit": options["fit"].get("implicit") or None,
        "rank": options["fit"]["rank"],
        **_limits(options["fit"]),
        "loss_name": options["fit"].get("loss", "frobenius"),
        "solver": describe_solver(options["fit"]),
        "strengths": options["strengths"],
        "seeds": options["seeds"],
        "warm": options["warm"],
        "penalty": str(Penalty(**options["fit"]["penalty"])),
        "models": models,
        "models_done": len(state["done"]) if state else models,
        "passes": state["passes"] if state else record["passes"],
        "reads": record["reads"],
    }


def finished_run(path: str | Path) -> dict[str, Any]:
    """Return what :func:`run_status` says of a finished run, and where its W is.

    Raises
    ------
    CheckpointError
        There is no finished run, or it is damaged.
    """
    from dnmf.api import load

    model = load(path)
    name = checkpoint.read_latest(path).record["W"]
    return {**run_status(path), "shape": list(model.shape), "W": os.path.join(path, name)}


def inspect_run(path: str | Path, top: int = TOP_COLUMNS) -> dict[str, Any]:
    """Return what :func:`run_status` says and, when the run is done, its model: where W is, its components.

    Parameters
    ----------
    path : path
        The store.
    top : int
        How many columns to name for each component.

    Raises
    ------
    CheckpointError
        There is no run, or it is damaged.
    """
    found = run_status(path)
    if found["status"] != "done":
        return found
    if found.get("kind") == PATH:
        return {**found, "rows": checkpoint.read_latest(path).record["rows"]}
    from dnmf.api import load

    model = load(path)
    return {
        **finished_run(path),
        "dtype": model.options.dtype,
        "penalty": describe(model.options.penalty, model.penalty, model.options.limits),
        "alive": model.alive,
        "exact": exact(model),
        "row_names": names_to_show(model.row_names) is not None,
        "column_names": names_to_show(model.column_names) is not None,
        "components": components(model.d, model.H, model.column_names, top),
    }


def exact(model: "Model") -> dict[str, Any] | None:
    """Return of how many products a matrix is the sum, as far as float64 tells; None where it is of none.

    Returns
    -------
    dict or None
        ``{"rank": "non-negative rank", "at_most": 4}``, or of the ``"rank"`` where a factor may be negative. Nothing is
        said of data of which not all was observed, of a fit in float32, or where it is not least squares that is small.
    """
    from dnmf.schemes.facts import ALL_OBSERVED
    from dnmf.schemes.of_options import scheme_of

    options = model.options
    of_all = model.observed.said() == EVERYTHING.said() and not options.implicit
    tells = of_all and options.loss == FitOptions.loss and options.dtype == "float64"
    if not tells or model.relative_error**2 > HIDDEN:
        return None
    signed = scheme_of(options, ALL_OBSERVED).signed
    return {"rank": "rank" if signed else "non-negative rank", "at_most": model.alive}


def components(d: np.ndarray, H: np.ndarray, names: np.ndarray | None, top: int) -> list[dict[str, Any]]:
    """Return the components by falling weight, each with its strongest columns.

    Parameters
    ----------
    d : ndarray (k,)
        The diagonal.
    H : ndarray (k, n)
        Absolute values of a row sum to one.
    names : ndarray of str or None
        Of the columns; their numbers are used where there are none.
    top : int
        Columns to name, at most.

    Returns
    -------
    list of dict
        ``number`` (the row of H), ``weight`` (its entry of d), ``share`` (of the sum of d) and ``top``: a list of
        ``{"column", "name", "share"}``, the share being that of the component's row of H.
    """
    total = float(d.sum()) or 1.0
    named: dict[int, list[dict[str, Any]]] = {}
    for entry in top_entries([(0, H)], names, top):
        named.setdefault(entry.component, []).append({"column": entry.number, "name": entry.name, "share": entry.share})
    return [
        {
            "number": int(number),
            "weight": float(d[number]),
            "share": float(d[number]) / total,
            "top": named.get(int(number), []),
        }
        for number in np.argsort(-d, kind="stable")
    ]
