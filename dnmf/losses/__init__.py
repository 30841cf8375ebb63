"""How badly a prediction describes an entry: elementwise, with nothing of rows, sparsity or chunks.

A loss is its curvature: around a prediction y every one of them is weighted least squares with residual weights
``r = −∂ℓ/∂y`` and curvature weights ``c = ∂²ℓ/∂y²``. :class:`Loss` is what one has to say; :func:`register` makes it
known by its name to every door.
"""

from dnmf.losses.loss import Loss
from dnmf.losses.table import (
    is_known,
    like_one_of_ours,
    loss_named,
    parameters_of,
    refuse_other_parameters,
    register,
)
from dnmf.losses.words import Words, words_of

__all__ = [
    "Loss", "Words", "is_known", "like_one_of_ours", "loss_named", "parameters_of", "refuse_other_parameters",
    "register", "words_of",
]  # fmt: skip
