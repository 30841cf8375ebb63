"""What a penalty of an objective amounts to for the rank-one terms themselves, once their scale is at its best."""

from typing import NamedTuple

from dnmf.constraints import NO_LIMITS, Limits
from dnmf.penalty import Penalty

NORMS = {1: "|{0}_q|₁", 2: "‖{0}_q‖"}


class Implicit(NamedTuple):
    """``strength · Σ_q (norm of w_q · norm of h_q)^degree``: a group penalty on the terms ``w_q h_q``.

    Attributes
    ----------
    strength : float
        In front of the sum.
    degree : float
        1 for L2 on both factors (the sum of the Frobenius norms), ½ for L1 on both, ⅔ for one of each: below 1 it
        does not shrink large terms much, and takes small ones away at once.
    text : str
        The formula.
    """

    strength: float
    degree: float
    text: str


def implicit_of(penalty: Penalty) -> Implicit | None:
    """Return the penalty on rank-one terms that a penalty of an objective is equivalent to, in closed form.

    With ``μ_i g_i(x)`` of degree p_i on factor i and ``P = Σ 1/p_i`` it is ``P (Π (p_i μ_i g_i)^(1/p_i))^(1/P)`` for
    each term (Cohen & Leplat 2025). There is no closed form, and None is returned, where a factor has L1 and L2
    together, or none, or another penalty.

    Examples
    --------
    >>> implicit_of(Penalty(l2=3.0, scale="objective")).text
    '3 · Σ_q ‖w_q‖ ‖h_q‖'
    >>> implicit_of(Penalty(l1=(1.0, 4.0), scale="objective")).text
    '4 · Σ_q (|w_q|₁ |h_q|₁)^(1/2)'
    """
    sides = [_one_term(penalty, at) for at in (0, 1)]
    if not penalty.in_objective or any(penalty.angular) or penalty.smooth or penalty.target or None in sides:
        return None
    (p, mu), (q, nu) = (side for side in sides if side is not None)
    P = 1 / p + 1 / q
    strength = P * ((p * mu) ** (1 / p) * (q * nu) ** (1 / q)) ** (1 / P)
    norms = f"{NORMS[p].format('w')} {NORMS[q].format('h')}"
    powers = {(1, 1): "1/2", (1, 2): "2/3", (2, 1): "2/3"}
    text = f"({norms})^({powers[p, q]})" if (p, q) in powers else norms
    return Implicit(strength, 1 / P, f"{strength:.4g} · Σ_q {text}")


def describe(penalty: Penalty, came_to: Penalty, limits: Limits = NO_LIMITS) -> str:
    """Return what was asked of the factors in words: penalty, what it came to, on the rank-one terms, and limits."""
    parts = [str(penalty), *filter(None, [str(limits)])]
    if came_to != penalty:
        parts.append(f"as strengths of the objective: {came_to}")
    found = implicit_of(came_to)
    if found is not None:
        parts.append(f"on the rank-one terms: {found.text}")
    return "; ".join(parts)


def _one_term(penalty: Penalty, at: int) -> tuple[int, float] | None:
    l1, l2 = penalty.l1[at], penalty.l2[at]
    if bool(l1) == bool(l2):
        return None
    return (1, l1) if l1 else (2, l2 / 2)
