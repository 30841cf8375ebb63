"""Which component of one model is which of another: the best one-to-one matching on their cosines."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from dnmf.arithmetic import undisturbed
from dnmf.measures.columns import checked_side
from dnmf.measures.compared import compared
from dnmf.measures.components import refuse_no_model
from dnmf.model import Model

NOBODY = -1


class Matching(NamedTuple):
    """A one-to-one matching of a model's components to those of a reference.

    Attributes
    ----------
    order : ndarray of int (components of the reference,)
        The component of the model for each of the reference; -1 where the model has none left.
    cosines : ndarray (components of the reference,)
        Of each pair; 0 where there is none.
    unmatched : ndarray of int
        The components of the model that none of the reference is left for, rising.
    """

    order: np.ndarray
    cosines: np.ndarray
    unmatched: np.ndarray


@undisturbed
def match(model: Model, reference: Any, side: str = "W") -> Matching:
    """Return the one-to-one matching of components with the smallest sum of ``1 − cosine``.

    Where the ranks differ, as many pairs are made as the smaller one has components. A dead component has cosine 0
    with everything, so any partner is as good for it as another.

    Parameters
    ----------
    model : Model
        What is matched.
    reference : Model, array or (W, H)
        To what: another model, or factors that are known, such as planted ones or k-means centres: (m, k') for
        side ``"W"``, (k', n) for side ``"H"``, a pair of these for both. W may be a Zarr array; it is read once,
        a chunk at a time.
    side : {"W", "H", "both"}
        On which components' cosines. ``"both"``: on those between the matrices ``w_q h_q``, which are the products
        of the cosines of the two sides; of two CPs of those along all axes, whichever of them is the long one.

    Raises
    ------
    InputError
        There is no such side, or the reference does not go with the model: its sides, of an array, are made of other
        axes, or of these in another order.
    """
    refuse_no_model(model)
    cosines = compared(reference, model, side)
    theirs, ours = linear_sum_assignment(1.0 - cosines)
    order, of_pairs = np.full(len(cosines), NOBODY), np.zeros(len(cosines))
    order[theirs], of_pairs[theirs] = ours, cosines[theirs, ours]
    return Matching(order, of_pairs, np.setdiff1d(np.arange(model.rank), ours))


@undisturbed
def robustness(model: Model, reference: Any, side: str = "W") -> float:
    """Return 1 − the mean cost of the optimal matching, its mean cosine: 1 where both have the same components.

    Where the ranks differ, the smaller one counts as if it had zero components besides: whoever stays without a
    partner has cosine 0, so the mean is over the larger rank and it does not matter which of the two is the reference.

    Parameters
    ----------
    model, reference, side
        As in :func:`match`.

    Raises
    ------
    InputError
        As in :func:`match`.
    """
    found = match(model, reference, side)
    return float(found.cosines.sum()) / (len(found.order) + len(found.unmatched))


def align(model: Model, reference: Any, side: str = "W") -> Model:
    """Return the model with its components in the order of a reference, those without a partner at the end.

    W is not copied: where it is stored, its columns are put in order as they are read. The result lives in no store
    until it is saved (:meth:`dnmf.Model.save`), which writes W in the new order.

    Parameters
    ----------
    model, reference, side
        As in :func:`match`.

    Raises
    ------
    InputError
        As in :func:`match`.
    """
    found = match(model, reference, side)
    return model.reordered(np.concatenate([found.order[found.order != NOBODY], found.unmatched]))


@undisturbed
def similarity(model: Model, directions: Any, side: str = "H") -> float:
    """Return the mean, over the model's components, of the cosine to their directions under the optimal matching.

    A component without a direction counts 0; directions that nothing is left for do not count.

    Parameters
    ----------
    model : Model
        Of its components.
    directions : array (k', n), or (m, k') for the side of W
        For example k-means centres, one for each component (:func:`dnmf.measures.kmeans_centres`).
    side : {"W", "H"}
        Which components.

    Raises
    ------
    InputError
        As in :func:`match`.
    """
    return float(match(model, directions, checked_side(side)).cosines.sum()) / model.rank
