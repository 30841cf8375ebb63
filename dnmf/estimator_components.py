"""Components as the estimator shows them, and a model of those that were set from outside instead of fitted."""

from dataclasses import replace

import numpy as np

from dnmf.model import Model
from dnmf.options import FitOptions
from dnmf.schemes.facts import ALL_OBSERVED
from dnmf.schemes.of_options import scheme_of
from dnmf.schemes.terms import terms_of
from dnmf.sources.as_fitted import Observed
from dnmf.sources.stored_factor import AbsentFactor


def components_of(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor H (k, n) of a model, and what the columns of its W are multiplied by to go with it (k,).

    With penalties it is at the scale of their objective, else each component's norm is shared evenly.
    """
    of_H = np.sqrt(model.d) if scheme_of(model.options, ALL_OBSERVED).free_scale else model.h_scale
    of_W = np.divide(model.d, of_H, out=np.zeros_like(model.d), where=of_H > 0)
    return (of_H[:, None] * model.H).astype(model.H.dtype), of_W


def in_order_of_start(model: Model) -> Model:
    """Return a model with its components as they were in its start, which whoever gave one goes by."""
    return model if model.inside is None else model.reordered(np.argsort(model.inside))


def with_components(model: Model, components: np.ndarray) -> Model:
    """Return a model with other components (k, n), without a W: its rows are solved for with these as they are."""
    sums = components.sum(axis=1, dtype=np.float64)
    H = np.divide(components, sums[:, None], out=np.zeros(components.shape), where=sums[:, None] > 0)
    options = replace(model.options, rank=len(sums))
    return model._with(
        stored_W=AbsentFactor(model.shape[0], len(sums)), d=sums, H=H.astype(options.dtype), h_scale=sums,
        w_scale=np.ones(len(sums)), options=options, history=(), path=None, order=None, inside=None,
    )  # fmt: skip


def model_of(components: np.ndarray, options: FitOptions, missing: str) -> Model:
    """Return a model of components (k, n) that nobody fitted, under the penalty on W of some options.

    Parameters
    ----------
    components : ndarray (k, n)
        Of the computation's dtype.
    options : FitOptions
        With a penalty without a scale of its own, or one in the objective.
    missing : {"refuse", "nan", "unstored"}
        What is not observed of the rows that are solved for.
    """
    ones = np.ones(len(components))
    bare = Model(
        AbsentFactor(0, len(components)), ones, components, ones, ones, options,
        terms_of(options.penalty, "W", options.limits), observed=Observed(missing),
    )  # fmt: skip
    return with_components(bare, components)
