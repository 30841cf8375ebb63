"""What the components of one model are like: how sparse, how large, how alike."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import yes_or_no
from dnmf.arithmetic import undisturbed
from dnmf.arrays import taken_as_array
from dnmf.cp_model import CPModel
from dnmf.errors import InputError
from dnmf.measures.columns import (
    SIDES,
    Columns,
    checked_side,
    columns_of,
    cosines_between,
    labels_along,
    squared_norms,
)
from dnmf.measures.compared import compared
from dnmf.model import Model
from dnmf.plain import dense
from dnmf.schemes.balance import least_penalty
from dnmf.sources.given import in_memory


class Sides(NamedTuple):
    """A number for each side of a model.

    Attributes
    ----------
    W, H : float
        Of the row factor and of the column factor.
    """

    W: float
    H: float


@undisturbed
def sparsity(model: Model) -> Sides:
    """Return the share of exact zeros of W and of H, those of dead components included.

    Parameters
    ----------
    model : Model
        Its W is read once, chunk by chunk.

    Examples
    --------
    >>> import dnmf, numpy as np
    >>> dnmf.measures.sparsity(dnmf.fit(np.eye(2), 2))
    Sides(W=0.5, H=0.5)
    """
    return Sides(*(_share_of_zeros(columns_of(model, side)) for side in SIDES))


def refuse_no_model(model: Any) -> None:
    """Refuse what is no model.

    Raises
    ------
    InputError
        It is something else.
    """
    if not isinstance(model, Model):
        inner = ", or its model_" if hasattr(model, "model_") else ", or of a path path.model(strength)"
        raise InputError(f"a {type(model).__name__} is no model; give what dnmf.fit or dnmf.load returned{inner}")


def _share_of_zeros(columns: Columns) -> float:
    cuts = range(0, columns.length, columns.rows_at_once)
    filled = sum(np.count_nonzero(columns.read(at, at + columns.rows_at_once)) for at in cuts)
    return 1.0 - int(filled) / (columns.length * columns.rank)


@undisturbed
def energy(model: Model) -> np.ndarray:
    """Return ``d_q² ‖w_q‖² ‖h_q‖²`` (k,) for each component: the squared norm of its own matrix ``d_q w_q h_q``.

    Components overlap, so these do not add up to the whole: ``‖W diag(d) H‖² = Σ_pq √(e_p e_q) cos_W(p, q)
    cos_H(p, q)``, which is at least ``Σ_q e_q``, with equality where no two components have an entry of A in common.

    Parameters
    ----------
    model : Model
        Its W is read once, chunk by chunk.
    """
    refuse_no_model(model)
    of_W, of_H = (squared_norms(columns_of(model, side)) for side in SIDES)
    return model.d**2 * of_W * of_H


@undisturbed
def implicit_penalty(model: Model) -> np.ndarray:
    """Return what each component (k,) adds to the penalty of the objective, its scale shared out at its best.

    That is a function of its rank-one term ``d_q w_q h_q`` alone, in closed form :attr:`dnmf.Model.implicit_penalty`.

    Parameters
    ----------
    model : Model
        Its W is read once, chunk by chunk.

    Raises
    ------
    InputError
        Its penalty is no part of an objective, or is more than L1 and L2.
    """
    refuse_no_model(model)
    of_W, of_H = (squared_norms(columns_of(model, side)) for side in SIDES)
    if isinstance(model, CPModel):
        return model.penalty_of_components(of_W)
    return least_penalty(model.penalty, model.d, of_W, of_H)


def cosines(model: Model, side: str = "H") -> np.ndarray:
    """Return the cosine (k, k) between any two components of a side; a zero component has cosine 0, with itself too.

    Parameters
    ----------
    model : Model
        For ``side="W"`` its W is read once, chunk by chunk.
    side : {"W", "H", "both"}
        ``"both"``: the cosine between the matrices ``w_q h_q``, which is the product of those of the two sides.

    Raises
    ------
    InputError
        There is no such side.
    """
    return compared(model, model, side)


@undisturbed
def mean_cosine(model: Model, side: str = "H", diagonal: bool = True) -> float:
    """Return the mean of :func:`cosines`: over all k² entries, or over those off the diagonal.

    A model of rank 1 has nothing off the diagonal, no two components that could be alike: then it is 0.

    Parameters
    ----------
    model, side
        As in :func:`cosines`.
    diagonal : bool
        Whether the cosine of each component with itself counts: 1, or 0 for a dead one.

    Raises
    ------
    InputError
        There is no such side.
    """
    found = cosines(model, side)
    if yes_or_no("diagonal", diagonal):
        return float(found.mean())
    others = found[~np.eye(len(found), dtype=bool)]
    return float(others.mean()) if len(others) else 0.0


@undisturbed
def alike(model: Model, direction: Any, side: str = "H") -> float:
    """Return the mean cosine of the components to one vector; a zero component counts 0.

    With :func:`dnmf.measures.first_singular_vector` it tells how far the components have collapsed to one.

    Parameters
    ----------
    model : Model
        Of its components.
    direction : array (n,), or (m,) for the side of W
        Of any length but 0.
    side : {"W", "H"}
        Which components.

    Raises
    ------
    InputError
        The vector is not as long as the components, or not a vector of numbers.
    """
    refuse_no_model(model)
    components = columns_of(model, checked_side(side))
    with taken_as_array("direction", direction):
        vector = np.asarray(dense(in_memory("direction", direction), "direction"))
    if vector.size != max(vector.shape, default=0):
        raise InputError(f"direction has shape {vector.shape}, expected one vector")
    as_array = vector.reshape(-1, 1) if side == "W" else vector.reshape(1, -1)
    named = replace(columns_of(as_array, side), labels=lambda: labels_along(side, direction))
    return float(cosines_between(named, components).mean())
