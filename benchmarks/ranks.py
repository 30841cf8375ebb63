"""How often the rank that ``dnmf.ranks`` suggests is the planted one, beside other ways to choose from its table."""

from collections.abc import Callable, Iterable
from typing import Any

from threadpoolctl import threadpool_limits

import dnmf
from benchmarks.planted_ranks import Planted, every_matrix
from benchmarks.suite import environment

FOLDS, SEEDS = 4, 2
STABLE, DROP = 0.9, 0.02
OPTIONS: dict[str, dict[str, Any]] = {
    "planted": {},
    "none": {},
    "Kullback–Leibler": {"loss": "kullback-leibler"},
    "missing": {"missing": "nan", "penalty": dnmf.Penalty(l2=1e-3, scale="counts")},
}
OURS = "dnmf.ranks"


def lowest_error(table: dict[str, list[Any]]) -> int:
    """Return the rank with the lowest held-out error."""
    errors = table["held_out"]
    return table["rank"][errors.index(min(errors))]


def within_the_drop(table: dict[str, list[Any]]) -> int:
    """Return the smallest rank whose held-out error is within 2 % of the drop from the first to the lowest one."""
    errors = table["held_out"]
    enough = min(errors) + DROP * (errors[0] - min(errors))
    return next(rank for rank, error in zip(table["rank"], errors, strict=True) if error <= enough)


def stable(table: dict[str, list[Any]]) -> int | None:
    """Return the largest rank above one whose seeds agree, if there is one."""
    some = [rank for rank, agree in zip(table["rank"], table["stability"], strict=True) if rank > 1 and agree > STABLE]
    return some[-1] if some else None


RULES: dict[str, Callable[[dict[str, list[Any]]], int | None]] = {
    "lowest held-out error": lowest_error,
    "2 % of the drop": within_the_drop,
    "silhouette above 0.9": stable,
}


def ranks(some: Iterable[Planted] | None = None) -> dict[str, Any]:
    """Return what is chosen of each planted matrix."""
    with threadpool_limits(1, user_api="blas"):
        matrices = [chosen(one) for one in (every_matrix() if some is None else some)]
    return {"matrices": matrices, "environment": environment()}


def chosen(one: Planted) -> dict[str, Any]:
    """Return the ranks that are chosen of a matrix, and what was found at the true one and above it."""
    A = one.draw()
    found = dnmf.ranks(A, one.tried, folds=FOLDS, seeds=SEEDS, **OPTIONS[one.group])
    record = {**one._asdict(), "shape": list(A.shape), "chosen": {OURS: found.suggested}}
    record["chosen"].update({name: rule(found.table) for name, rule in RULES.items()})
    if one.rank is None:
        return {**record, "reason": found.reason}
    at = found.ranks.index(one.rank)
    return {**record, "found": list(found.table["found"][at : at + 2])}
