"""What the record of a study says: how far it is, of what, and what came of it."""

from collections.abc import Callable
from typing import Any

from dnmf.options import LIMITS, describe_solver
from dnmf.passes.losses import Losses
from dnmf.penalty import Penalty
from dnmf.record import CONSENSUS, PATH, RANKS
from dnmf.sources.views import VIEW_PARTS

Facts = dict[str, Any]


def facts_of_study(record: Facts) -> Facts:
    """Return how far a study is and what it was asked for, as JSON values."""
    kind, state = record["kind"], record.get("state", {})
    asked, run = record[kind], record.get("run", {})
    own, models = _OWN[kind](asked)
    return {
        "kind": kind,
        "source": run.get("address", ""),
        "observed": run.get("observed") or None,
        "seen": seen_in(run),
        "unfolding": run.get("unfolding") or None,
        "implicit": asked["fit"].get("implicit") or None,
        "rank": asked["fit"]["rank"],
        **limits_of(asked["fit"]),
        "loss_name": asked["fit"].get("loss", "frobenius"),
        "solver": describe_solver(asked["fit"]),
        "seeds": asked["seeds"],
        **own,
        "models": models,
        "models_done": _done_of(kind, state) if state else models,
        "passes": state["passes"] if state else record["passes"],
        "reads": record["reads"],
        "lost": told_of(Losses.of_json(state.get("lost", {}))),
    }


def _done_of(kind: str, state: Facts) -> int:
    """How many models have ended: of a path those that are written, else those too that wait for their last pass."""
    waiting = 0 if kind == PATH else sum(bool(fit["state"]["reason"]) for fit in state["wave"])
    return len(state["done"]) + waiting


def result_of_study(record: Facts) -> Facts:
    """Return what came of a study that is finished, as JSON values."""
    return {name: record[name] for name in _RESULTS[record["kind"]]}


def _of_path(asked: Facts) -> tuple[Facts, int]:
    own = {name: asked[name] for name in ("strengths", "warm")}
    penalty = str(Penalty(**asked["fit"]["penalty"]))
    return {**own, "penalty": penalty}, len(asked["strengths"]) * len(asked["seeds"])


def _of_ranks(asked: Facts) -> tuple[Facts, int]:
    of_each = len(asked["seeds"]) + asked["folds"] * asked["starts"]
    return {"ranks": asked["ranks"], "folds": asked["folds"]}, len(asked["ranks"]) * of_each


def _of_consensus(asked: Facts) -> tuple[Facts, int]:
    return {name: asked[name] for name in ("best", "density")}, len(asked["seeds"])


_OWN: dict[str, Callable[[Facts], tuple[Facts, int]]] = {
    PATH: _of_path, RANKS: _of_ranks, CONSENSUS: _of_consensus,
}  # fmt: skip
_RESULTS = {
    PATH: ("rows",),
    RANKS: ("rows", "suggested", "reason"),
    CONSENSUS: ("silhouette", "share_kept", "stability", "sizes", "found_in", "counted", "errors", "relative_error"),
}


def seen_in(run: dict[str, Any]) -> dict[str, int] | None:
    """Return how many rows and columns of the data were chosen, and how many divided; None where it is as it is."""
    known = run.get("fingerprint", {})
    return {name: known[name]["count"] for name in VIEW_PARTS if name in known} or None


def told_of(lost: Losses) -> dict[str, Any] | None:
    """Return what was lost and made good, in numbers and in words; None where nothing was."""
    return {**lost._asdict(), "told": lost.told} if lost.told else None


def limits_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return what decides when a fit ends."""
    return {name: options.get(name) for name in LIMITS}
