"""What a loss has to say of itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

RowKernel = Callable[..., tuple[float, int, int]]


class Loss(ABC):
    """The loss ``ℓ(a, y)`` of predicting y for the entry a. Frozen and small: it travels to workers.

    Attributes
    ----------
    name : str
        What a fit asks for: ``loss="name"``.
    formula : str
        Of the loss of all entries, for people.
    shared_curvature : bool
        Whether its curvature is the same for every entry: all rows then share a Gram matrix, and all columns.
    linear : float
        A slope in y that every entry has, also one that is zero; it is no part of `weights` and `value`.
    zero_is_free : bool
        Whether an entry that is zero costs ``linear · y`` and nothing else: sparse data then stays sparse.
    positive : bool
        Whether predictions have to be above zero.
    above_zero : bool
        Whether the data has to be above zero everywhere.
    most_shrink : float
        How much of itself a factor may give up in one step of Newton's method, 1 for all of it.
    multiplies : bool
        Whether ``r = c y`` for the weights of every entry, as under Kullback–Leibler: multiplicative updates then come
        from the sums of a pass.
    power : float
        With which power of its mean the variance of an entry grows where this is the likelihood's loss: starts are
        found on data divided by the root of that.
    examples : tuple of float
        Entries such as the data has, at which the loss is looked at when it is registered.
    fused : callable, optional
        A compiled function that solves for rows as ``dnmf/passes/newton.py`` does, only faster, with the arguments of
        ``solve_rows`` in ``dnmf/kernels/kullback_leibler.py``. Entries with weights are given to it as the product of
        both.
    """

    name: str
    formula: str = "Σ ℓ(a, p)"
    shared_curvature: bool = False
    linear: float = 0.0
    zero_is_free: bool = False
    positive: bool = False
    above_zero: bool = False
    most_shrink: float = 1.0
    multiplies: bool = False
    power: float = 0.0
    examples: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 5.0, 20.0)
    fused: ClassVar[RowKernel | None] = None

    @abstractmethod
    def value(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the loss of each entry without ``linear · y``, in float64.

        Entries arrive as two flat arrays of one size, and in one dtype: float32 or float64, as the fit has it. With
        ``linear · y`` the loss of all entries is 0 or more: what a fit stops at, and what is explained, are shares of
        it. A fit whose loss turns out to be negative is refused.
        """

    @abstractmethod
    def weights(self, a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``r = −∂ℓ/∂y`` (without `linear`) and a curvature ``c ≥ 0`` of each entry, in the dtype of `y`.

        Entries arrive as for :meth:`value`.

        The curvature is ``∂²ℓ/∂y²``, its expectation, or an upper bound: what makes ``r δ − ½ c δ²`` a model of how
        much the loss falls when y moves by δ.
        """

    def entire(self, a: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the loss of each entry with its linear part, also where nothing is predicted.

        Where predictions have to be above zero it is infinite there, but for entries that are zero themselves.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.value(a, p) + self.linear * p.astype(np.float64)
        nothing = np.isnan(found) & (p <= 0)
        found[nothing] = np.where(a[nothing] != 0, np.inf, 0.0)
        return found

    @property
    def forbids_zero(self) -> bool:
        """Whether to predict zero for what is above it is infinitely wrong: no penalty is worth that."""
        return bool(np.isinf(self.entire(np.ones(1), np.zeros(1))[0]))

    @property
    def spares_zeros(self) -> bool:
        """Whether to predict zero for a zero costs nothing, so that rows of zeros are best zero themselves."""
        return bool(self.entire(np.zeros(1), np.zeros(1))[0] == 0)

    def zeros_are_linear(self, *, observed: bool) -> bool:
        """Return whether zeros cost `linear` times their predictions, seen or not, so that none is looked at.

        Not where only what was `observed` counts: then zeros that were seen are entries as all others.
        """
        return self.zero_is_free and not observed

    def told(self, loss: float, relative_error: float) -> str:
        """Return how well a model does, in words: its loss, and the share of it that the means of rows leave."""
        return f"{self.name} {loss:.6g}, {100 * (1 - relative_error**2):.2f} % explained"

    @property
    def error_formula(self) -> str:
        """What the relative error of a model is: the root of the share that it does not explain."""
        return f"√(D / D₀), D = {self.formula}, D₀ for row means"

    @property
    def whole(self) -> str:
        """What a share of is explained."""
        return "the loss of row means"

    def total(self, a: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the sum of :meth:`value` over entries, each times its weight, in float64."""
        values = self.value(a, y)
        return float(values.sum() if weights is None else values @ weights.astype(np.float64))

    def on_ray(self, N: np.ndarray, F: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return by what each column is best multiplied, its N there, and by what its Q is to be multiplied.

        For a column h of H and the rows w_i that are fixed, ``N = Σ_i (r_i − linear) w_i`` and ``F = Q h`` with
        ``Q = Σ_i c_i w_i w_iᵀ``. Where r and c of ``t y`` follow from those of y, the best t is known exactly, and so
        is everything there. By default t = 1.

        Parameters
        ----------
        N, F, h : ndarray (n, k)
            One row for each column of the data.
        """
        del F
        ones = np.ones(len(h))
        return ones, N, ones
