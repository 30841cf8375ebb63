"""Which scheme a fit has: chosen once, from what the caller asked for."""

from dataclasses import replace

import numpy as np

from dnmf.constraints import NO_GUIDES, NO_LIMITS, Guides, Limits
from dnmf.errors import InputError
from dnmf.losses import loss_named
from dnmf.options import CP, FitOptions
from dnmf.penalty import Penalty
from dnmf.schemes.constrained import wants
from dnmf.schemes.curved import Divergence
from dnmf.schemes.divergent_cp import DivergentProducts, MultipliedProducts
from dnmf.schemes.facts import Facts
from dnmf.schemes.khatri_rao import KhatriRao
from dnmf.schemes.least_squares import LeastSquares
from dnmf.schemes.multiplied import MultipliedDivergence
from dnmf.schemes.objective import PenalizedLeastSquares
from dnmf.schemes.observed import ObservedLeastSquares
from dnmf.schemes.observed_cp import ObservedProducts
from dnmf.schemes.penalized_cp import PenalizedKhatriRao
from dnmf.schemes.products import Products
from dnmf.schemes.rule import RelativeRule, Rule
from dnmf.schemes.scheme import Scheme
from dnmf.schemes.update import Update
from dnmf.schemes.updates import COORDINATE_DESCENT, refuse_sweeps, update_named


def scheme_of(options: FitOptions, facts: Facts, guides: Guides = NO_GUIDES) -> Scheme:
    """Return what a fit with these options minimizes, or iterates, in the orientation of the options.

    Raises
    ------
    InputError
        Its solver does not take what is asked for.
    """
    loss, penalty, limits = loss_named(options.loss), options.penalty, options.limits
    own_gram = has_own_gram(options, facts)
    solver = update_named(options.solver, wants(penalty, limits, loss, own_gram=own_gram))
    refuse_sweeps(options, solver)
    solver = solver.of_sweeps(options.sweeps)
    if own_gram and not options.exact_rows:
        raise InputError(
            "exact_rows=False: where rows have Gram matrices of their own (missing entries, weights, other losses than "
            "least squares) these are what a pass costs, and solving them is cheap beside it; leave exact_rows out"
        )
    if options.structure == CP:
        return products(options, facts, solver)
    if not own_gram:
        return least_squares(penalty, limits, guides, solver, exact_rows=options.exact_rows)
    if loss.shared_curvature:
        return ObservedLeastSquares(
            penalty, limits, guides, solver=solver, implicit=options.implicit, diagonal_curvature=facts.diagonal
        )
    kind = MultipliedDivergence if solver.positive else Divergence
    return kind(
        penalty, limits, guides, solver=solver, loss=loss, observed=facts.observed, diagonal_curvature=facts.diagonal
    )


def products(options: FitOptions, facts: Facts, solver: Update) -> Products:
    """Return what a CP minimizes."""
    penalty, loss, lengths = options.penalty, loss_named(options.loss), facts.lengths
    if not has_own_gram(options, facts):
        of_squares = PenalizedKhatriRao if penalty.active else KhatriRao
        return of_squares(penalty, solver=solver, exact_rows=options.exact_rows, lengths=lengths)
    if loss.shared_curvature:
        return ObservedProducts(
            penalty, solver=solver, lengths=lengths, implicit=options.implicit, diagonal_curvature=facts.diagonal
        )
    kind = MultipliedProducts if solver.positive else DivergentProducts
    return kind(
        penalty, solver=solver, lengths=lengths, loss=loss, observed=facts.observed, diagonal_curvature=facts.diagonal
    )


def has_own_gram(options: FitOptions, facts: Facts) -> bool:
    """Whether rows and columns have Gram matrices of their own: of what was observed, or of losses that have them."""
    return facts.observed or bool(options.implicit) or not loss_named(options.loss).shared_curvature


def least_squares(
    penalty: Penalty, limits: Limits = NO_LIMITS, guides: Guides = NO_GUIDES, solver: Update = COORDINATE_DESCENT, *,
    exact_rows: bool = True,
) -> LeastSquares:  # fmt: skip
    """Return least squares under a penalty and limits."""
    if penalty.in_objective:
        kind: type[LeastSquares] = PenalizedLeastSquares
    elif penalty.is_rule:
        kind = RelativeRule if penalty.scale == "relative" else Rule
    else:
        kind = LeastSquares
    return kind(penalty, limits, guides, solver=solver, exact_rows=exact_rows)


def in_units(options: FitOptions, units: tuple[float, float]) -> FitOptions:
    """Return the options with the strengths of their penalty as they are, where they were given as fractions."""
    return replace(options, penalty=options.penalty.in_units(units))


def wants_units(options: FitOptions) -> bool:
    """Whether strengths were given as fractions of what has to be found in the data first."""
    return options.penalty.scale == "fraction" and options.penalty.active


def last_resort(options: FitOptions, h: np.ndarray) -> np.ndarray | None:
    """Return the component that a penalty kills last, where the fractions of `options` let it live."""
    return h if max(*options.penalty.l1, *options.penalty.l2) < 1 else None
