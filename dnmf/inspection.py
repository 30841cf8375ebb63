"""What can be said of a run while it goes on and afterwards."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf import checkpoint
from dnmf.checkpoint.locks import LOCK, noted_holder
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.history import PassRecord, lost_in
from dnmf.implicit import describe
from dnmf.locations import names_url
from dnmf.ongoing import read_in_hand
from dnmf.options import FitOptions, describe_solver, more_than
from dnmf.places import names_objects, place_of
from dnmf.record import STUDIES
from dnmf.sources.as_fitted import EVERYTHING
from dnmf.sources.names import names_to_show
from dnmf.study_facts import facts_of_study, limits_of, result_of_study, seen_in, told_of

if TYPE_CHECKING:
    from dnmf.model import Model

HIDDEN = 1e-14  # share of ‖A‖² that is lost in rounding, in float64: float32 cannot tell 1e-4 of noise from nothing
TOP_COLUMNS = 8


def is_run(path: str | Path) -> bool:
    """Whether there is a run (or a saved model) at `path` rather than data."""
    if names_url(str(path)) and not names_objects(path):
        return False
    try:
        place = place_of(path)
        return checkpoint.exists(place) or bool(noted_holder(place / LOCK))
    except (CheckpointError, InputError, OSError):
        if names_objects(path):  # who opens it as data will say what it is
            return False
        raise


def run_status(path: str | Path) -> dict[str, Any]:
    """Return how far the run in a store is, as JSON values.

    ``kind`` is that of a study: ``"path"``, ``"ranks"`` or ``"consensus"``. ``status`` is ``"starting"`` (nothing is
    committed yet), ``"running"`` (a process is writing it), ``"stopped"`` (it can be resumed) or ``"done"``.
    ``in_hand`` is how far the read in hand is, or was when it was stopped (:func:`dnmf.ongoing.read_in_hand`); None
    where nothing is known of it.

    Raises
    ------
    CheckpointError
        There is no run, nothing of it was committed, or it is damaged.
    """
    store = checkpoint.store_place(path)
    writer = checkpoint.writer_of(store)
    if not checkpoint.exists(store) and writer:
        in_hand = read_in_hand(store, 0, writer)
        return {"store": str(path), "status": "starting", "writer": writer, "in_hand": in_hand}
    record = checkpoint.read_latest(store).record
    facts = facts_of_study(record) if record.get("kind") in STUDIES else _run_facts(record)
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
        "seen": seen_in(record.get("run", record)),
        "unfolding": record.get("run", record).get("unfolding") or None,
        "implicit": record["options"].get("implicit") or None,
        "rank": record["options"]["rank"],
        "loss_name": record["options"].get("loss", "frobenius"),
        "solver": describe_solver(record["options"]),
        "seed": record["options"]["seed"],
        "restarts": record["options"].get("restarts", 1),
        "best_seed": record.get("best_seed", state.get("seed")),
        **limits_of(record["options"]),
        "passes": len(history),
        "relative_error": stands.get("relative_error"),
        "loss": stands.get("loss"),
        "objective": stands.get("objective"),
        "decrease": stands.get("decrease"),
        "reads": last.get("reads"),
        "seconds": sum(entry["seconds"] for entry in history),
        "lost": told_of(lost_in([PassRecord.from_json(entry) for entry in history])),
        "stop_reason": record.get("stop_reason") or state.get("reason") or None,
        "go_on_with": _go_on_with(record),
    }


def _go_on_with(record: dict[str, Any]) -> dict[str, Any] | None:
    """The limit with which a run goes on that a limit has ended; None for others, and for a model that was saved."""
    if record.get("status") != "done" or "run" not in record:
        return None
    return more_than(record["stop_reason"], record["options"], len(record["history"])) or None


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
    return {**run_status(path), "shape": list(model.shape), "W": os.path.join(str(path), name)}


def inspect_run(path: str | Path, top: int = TOP_COLUMNS, side: str = "H") -> dict[str, Any]:
    """Return what :func:`run_status` says and, when the run is done, its model: where W is, its components.

    Parameters
    ----------
    path : path
        The store.
    top : int
        How many columns to name for each component.
    side : {"H", "W"}
        ``"W"`` names rows instead, and says in how many rows each component is the strongest: W is read.

    Raises
    ------
    CheckpointError
        There is no run, or it is damaged.
    """
    found = run_status(path)
    if found["status"] != "done":
        return found
    if found.get("kind") in STUDIES:
        return {**found, **result_of_study(checkpoint.read_latest(path).record)}
    from dnmf.api import load

    model = load(path)
    return {
        **finished_run(path),
        "dtype": model.options.dtype,
        "penalty": describe(model.options.penalty, model.penalty, model.options.limits, model.short_axes),
        "alive": model.alive,
        "exact": exact(model),
        "row_names": names_to_show(model.row_names) is not None,
        "column_names": names_to_show(model.column_names) is not None,
        "side": side,
        "components": components(model, top, side),
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


def components(model: "Model", top: int, side: str = "H") -> list[dict[str, Any]]:
    """Return the components by falling weight, each with its strongest columns, or rows.

    Parameters
    ----------
    model : Model
        Whose.
    top : int
        Columns or rows to name, at most.
    side : {"H", "W"}
        Columns, or rows.

    Returns
    -------
    list of dict
        ``number`` (the row of H), ``weight`` (its entry of d), ``share`` (of the sum of d) and ``top``: a list of
        ``{"column", "name", "share"}``, the share being that of the component's row of H; of a CP the axis stands for
        ``column``, for each short one. With rows: ``{"row", "name", "share"}``, shares of its column of W, and
        ``rows``, in how many it is the strongest.
    """
    from dnmf.measures import sizes

    total, tables = float(model.d.sum()) or 1.0, model.strongest(top, side)
    leads = [{"rows": int(rows)} for rows in sizes(model).rows] if side == "W" else [{}] * model.rank
    return [
        {
            "number": number,
            "weight": float(model.d[number]),
            "share": float(model.d[number]) / total,
            **leads[number],
            "top": [
                {table.what: e.number, "name": e.name, "share": e.share} for table in tables for e in table.of(number)
            ],
        }
        for number in np.argsort(-model.d, kind="stable").tolist()
    ]
