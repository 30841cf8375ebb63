"""What is minimized, and what a share of is explained, in words: of a loss, over the entries that count."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dnmf.losses.table import is_known, loss_named

WEIGHTS = ("weights", "row_weights", "column_weights")
NOTHING: Mapping[str, Any] = {}


class Words(NamedTuple):
    """The formulas of a fit, for people.

    Attributes
    ----------
    formula : str
        The loss of all entries.
    error : str
        What the relative error is.
    whole : str
        What a share of is explained.
    """

    formula: str
    error: str
    whole: str


def words_of(name: str, said: Mapping[str, Any] = NOTHING, implicit: float = 0.0) -> Words:
    """Return what a fit minimizes and what its errors are, also of a loss that is not known here.

    Parameters
    ----------
    name : str
        Of the loss.
    said : mapping
        What was said of the entries, as :meth:`dnmf.sources.Source.said` has it.
    implicit : float
        The confidence in what is there; 0 where entries are values.

    Examples
    --------
    >>> words_of("frobenius", {"missing": "nan", "row_weights": True}).error
    '‖A − W diag(d) H‖ / ‖A‖ over what was observed, weighted'
    >>> words_of("frobenius", implicit=2.0).whole
    'Σ c b²'
    """
    if implicit:
        where = f"b = 1 where a > 0, else 0, and c = 1 + {implicit:g} a"
        return Words(f"½ Σ c (b − p)², {where}", f"√(Σ c (b − p)² / Σ c b²), {where}", "Σ c b²")
    if not is_known(name):
        found = Words(f"Σ ℓ(a, p) of {name}", "√(D / D₀), D₀ for row means", "the loss of row means")
    else:
        loss = loss_named(name)
        found = Words(loss.formula, loss.error_formula, loss.whole)
    return Words(*(f"{each}{_over(said)}" for each in found))


def _over(said: Mapping[str, Any]) -> str:
    """Which entries count, and whether by weights."""
    some = said.get("missing", "refuse") != "refuse" or bool(said.get("mask"))
    weighted = any(said.get(name) for name in WEIGHTS)
    return " over what was observed" * some + ", weighted" * weighted
