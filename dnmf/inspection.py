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
from dnmf.options import LIMITS, FitOptions, describe_solver, more_than
from dnmf.passes.losses import Losses
from dnmf.penalty import Penalty
from dnmf.places import names_objects, place_of
from dnmf.record import PATH
from dnmf.sources.as_fitted import EVERYTHING
from dnmf.sources.names import names_to_show
from dnmf.sources.views import VIEW_PARTS

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

    ``kind`` is ``"path"`` for a regularization path. ``status`` is ``"starting"`` (nothing is committed yet),
    ``"running"`` (a process is writing it), ``"stopped"`` (it can be resumed) or ``"done"``. ``in_hand`` is how far the
    read in hand is, or was when it was stopped (:func:`dnmf.ongoing.read_in_hand`); None where nothing is known of it.

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
        "seen": _seen(record.get("run", record)),
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
        "lost": _told(lost_in([PassRecord.from_json(entry) for entry in history])),
        "stop_reason": record.get("stop_reason") or state.get("reason") or None,
        "go_on_with": _go_on_with(record),
    }


def _seen(run: dict[str, Any]) -> dict[str, int] | None:
    """How many rows and columns of the data were chosen, and how many divided; None where all are as they are."""
    known = run.get("fingerprint", {})
    return {name: known[name]["count"] for name in VIEW_PARTS if name in known} or None


def _told(lost: Losses) -> dict[str, Any] | None:
    """What was lost and made good, in numbers and in words; None where nothing was."""
    return {**lost._asdict(), "told": lost.told} if lost.told else None


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
        "seen": _seen(record.get("run", {})),
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
        "lost": _told(Losses.of_json(state.get("lost", {}))),
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
        ``{"column", "name", "share"}``, the share being that of the component's row of H. With rows: ``{"row", "name",
        "share"}``, shares of its column of W, and ``rows``, in how many it is the strongest.
    """
    from dnmf.measures import sizes

    total, table = float(model.d.sum()) or 1.0, model.top(top, side)
    leads = [{"rows": int(rows)} for rows in sizes(model).rows] if side == "W" else [{}] * model.rank
    return [
        {
            "number": number,
            "weight": float(model.d[number]),
            "share": float(model.d[number]) / total,
            **leads[number],
            "top": [{table.what: e.number, "name": e.name, "share": e.share} for e in table.of(number)],
        }
        for number in np.argsort(-model.d, kind="stable").tolist()
    ]
