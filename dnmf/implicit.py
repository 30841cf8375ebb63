"""What a penalty of an objective amounts to for the rank-one terms themselves, once their scale is at its best."""

import math
from fractions import Fraction
from typing import NamedTuple

from dnmf.constraints import NO_LIMITS, Limits
from dnmf.penalty import Penalty

SHORT = "xyz"  # what vectors of short axes are called
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


def implicit_of(penalty: Penalty, short_axes: int = 1) -> Implicit | None:
    """Return the penalty on rank-one terms that a penalty of an objective is equivalent to, in closed form.

    The rows of H are products of so many factors, for `short_axes` above 1, each with its penalty.

    With ``μ_i g_i(x)`` of degree p_i on factor i and ``P = Σ 1/p_i`` it is ``P (Π (p_i μ_i g_i)^(1/p_i))^(1/P)`` for
    each term (Cohen & Leplat 2025). There is no closed form, and None is returned, where a factor has L1 and L2
    together, or none, or another penalty.

    Examples
    --------
    >>> implicit_of(Penalty(l2=3.0, scale="objective")).text
    '3 · Σ_q ‖w_q‖ ‖h_q‖'
    >>> implicit_of(Penalty(l1=(1.0, 4.0), scale="objective")).text
    '4 · Σ_q (|w_q|₁ |h_q|₁)^(1/2)'
    >>> implicit_of(Penalty(l2=2.0, scale="objective"), short_axes=2).text
    '3 · Σ_q (‖w_q‖ ‖x_q‖ ‖y_q‖)^(2/3)'
    """
    each = [_one_term(*strengths) for strengths in penalty.on_each(1 + short_axes)]
    if not penalty.in_objective or any(penalty.angular) or penalty.smooth or penalty.target or None in each:
        return None
    terms = [term for term in each if term is not None]
    P = sum(1 / p for p, _ in terms)
    strength = P * math.prod((p * mu) ** (1 / p) for p, mu in terms) ** (1 / P)
    norms = " ".join(NORMS[p].format(called) for (p, _), called in zip(terms, _called(short_axes), strict=True))
    power = Fraction(2, round(2 * P))  # P is a multiple of one half
    text = norms if power == 1 else f"({norms})^({power})"
    return Implicit(strength, 1 / P, f"{strength:.4g} · Σ_q {text}")


def describe(penalty: Penalty, came_to: Penalty, limits: Limits = NO_LIMITS, short_axes: int = 1) -> str:
    """Return what was asked of the factors in words: penalty, what it came to, on the rank-one terms, and limits."""
    parts = [str(penalty), *filter(None, [str(limits)])]
    if came_to != penalty:
        parts.append(f"as strengths of the objective: {came_to}")
    found = implicit_of(came_to, short_axes)
    if found is not None:
        parts.append(f"on the rank-one terms: {found.text}")
    return "; ".join(parts)


def _called(short_axes: int) -> list[str]:
    """What the vectors of a component are called."""
    if short_axes == 1:
        return ["w", "h"]
    many = [f"x{at}" for at in range(1, 1 + short_axes)]
    return ["w", *(SHORT[:short_axes] if short_axes <= len(SHORT) else many)]


def _one_term(l1: float, l2: float) -> tuple[int, float] | None:
    if bool(l1) == bool(l2):
        return None
    return (1, l1) if l1 else (2, l2 / 2)
