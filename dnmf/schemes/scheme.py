"""The contract between what is minimized and the loop that minimizes it."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dnmf.arithmetic import at_least_zero
from dnmf.passes.ahead import Ahead
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Demands
from dnmf.schemes.starting import Startable


@dataclass(frozen=True)
class Measured:
    """What the sums of a pass say of its (W, H).

    Attributes
    ----------
    loss : float
        Of the model: for least squares ``½‖A − WH‖²``, with its diagonal where that is fitted on its own.
    objective : float
        The loss plus the penalties, where they are part of an objective.
    gradient : float
        How far H is from stationary, without a unit: for least squares the norm of the projected gradient over that of
        ``WᵀA``, for other losses the slope along each entry over what keeps it where it is.
    alive : int
        Components with a non-zero column of W and row of H.
    below : float
        By how much of `whole` the sums put the loss below zero: what their rounding, or other data, made of it.
    whole : float
        The loss of a model that explains nothing: of zero for least squares, of the means of rows for other losses.
    """

    loss: float
    objective: float
    gradient: float
    alive: int
    below: float = 0.0
    whole: float = 0.0

    @property
    def relative_error(self) -> float:
        """The root of the share that is not explained; 0 where nothing is to be explained, or only rounding is left."""
        return float(np.sqrt(at_least_zero(self.loss) / self.whole)) if self.whole > 0 else 0.0


class SolvedColumns(NamedTuple):
    """Columns of H that were solved for, and how they came about.

    Attributes
    ----------
    H : ndarray (k, n)
        In the dtype of the computation.
    finished : int
        How many were above the tolerance after coordinate descent and solved with an active set.
    unsolved : int
        How many are above it still.
    """

    H: np.ndarray
    finished: int = 0
    unsolved: int = 0


@dataclass(frozen=True)
class Factors:
    """A finished factorization ``A ≈ W diag(d) H``.

    Attributes
    ----------
    W : ndarray or StoredFactor (m, k)
        The rows in memory or in the store; columns sum to one.
    d : ndarray (k,)
        The diagonal, float64.
    H : ndarray (k, n)
        Rows sum to one.
    h_scale : ndarray (k,)
        Rows are solved with ``diag(h_scale) H``.
    w_scale : ndarray (k,)
        What a solution is divided by to become a row of W.
    terms : Terms
        What the penalty does to the normal equations of a row.
    """

    W: Any
    d: np.ndarray
    H: np.ndarray
    h_scale: np.ndarray
    w_scale: np.ndarray
    terms: Terms

    def taken(self, order: np.ndarray, W: Any) -> "Factors":
        """The components in another order, W in that order already."""
        return Factors(W, self.d[order], self.H[order], self.h_scale[order], self.w_scale[order], self.terms)


class Scheme(Startable):
    """What a fit minimizes, or iterates: the loss with its side terms, in the engine's orientation.

    The loop, extrapolation, taking back, stopping, pruning, records and checkpoints ask it, and never a loss, a
    penalty or a constraint. Frozen: what changes from pass to pass is in the state of the fit. `sums` are what the
    visitors of this scheme fold in a whole pass.
    """

    @property
    @abstractmethod
    def descends(self) -> bool:
        """Whether there is an objective that no accepted pass raises; else steps are taken as they come."""

    @property
    def exact(self) -> bool:
        """Whether no update raises the objective, so that one that rises all the same is lost digits."""
        return True

    @property
    def loss_name(self) -> str:
        """The loss as a fit asks for it, for messages."""
        return "frobenius"

    @property
    def first_extrapolated(self) -> int:
        """After which pass an update is extrapolated first: the way from a start to its first one may point nowhere."""
        return 2

    @property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the axes for each of which a row of H has a vector, where it is their product; else none."""
        return ()

    @property
    def refines(self) -> bool:
        """Whether its sums are those of :class:`~dnmf.schemes.estimated.EstimatedSums`, so that H can be refined."""
        return False

    @property
    def prunes(self) -> bool:
        """Whether the objective says what a component is worth, and one may be dropped."""
        return False

    @property
    def given(self) -> np.ndarray | None:
        """What is given of the rows of W (m, k or fewer), handed to the visitors beside the data."""
        return None

    @property
    @abstractmethod
    def given_columns(self) -> int:
        """How many of the first components have their columns of W given."""

    @property
    @abstractmethod
    def given_rows(self) -> slice:
        """The components whose rows of H are given: behind those whose columns of W are."""

    @property
    @abstractmethod
    def given_components(self) -> int:
        """How many of the first components have a given factor."""

    @property
    @abstractmethod
    def free_scale(self) -> bool:
        """Whether the scale between the factors means nothing."""

    @property
    @abstractmethod
    def bounded(self) -> bool:
        """Whether entries of a factor have an upper bound."""

    def curvature_size(self, rank: int) -> int:
        """Return how many numbers a pass folds for the curvature of a column, where each has its own."""
        del rank
        return 0

    @property
    @abstractmethod
    def signed(self) -> bool:
        """Whether a factor may be negative."""

    @property
    @abstractmethod
    def demands(self) -> Demands:
        """What the values of the data have to be."""

    @abstractmethod
    def is_signed(self, side: str) -> bool:
        """Whether this factor, ``"W"`` or ``"H"``, may be negative."""

    @abstractmethod
    def lasting(self) -> dict[str, np.ndarray]:
        """Return the arrays that are the same in every pass, by name, for a checkpoint."""

    @abstractmethod
    def visitor(
        self, H: np.ndarray, peak: float = 0.0, tolerance: float | None = None, *, first: bool = False
    ) -> Visitor:
        """Return what visits the rows for `H` (k, n).

        `peak` is what the pass before noted (:meth:`peak`), a `tolerance` that of rows where the usual one is not
        meant, and the `first` pass over some data is asked about it (:meth:`of_data`).
        """

    @abstractmethod
    def rows_of_model(self, H: np.ndarray, terms: Terms, held: int) -> Visitor:
        """Return what solves for rows under the terms of a finished model, beside `held` given columns of W."""

    @abstractmethod
    def of_data(self, statistics: Statistics) -> float:
        """Return what a first pass found out about the data, for :meth:`measure`; for least squares ``‖A‖²``."""

    @abstractmethod
    def peak(self, sums: Any) -> float:
        """Return what the next visitor has to know of this pass."""

    @abstractmethod
    def measure(self, sums: Any, H: np.ndarray, of_data: float) -> Measured:
        """Return what the sums of a pass that was made with `H` say; `of_data` as :meth:`of_data` found it."""

    @abstractmethod
    def loss_of_rows(self, statistics: Statistics, H: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """Return the loss of rows solved for with `H`, components weighted by (k,), and that of explaining nothing."""

    @abstractmethod
    def counted(self, sums: Any, H: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return both as the model has them after the last pass: without components that are not used."""

    @abstractmethod
    def update(self, sums: Any, H: np.ndarray, tolerance: float | None = None) -> SolvedColumns:
        """Return the next H (k, n) for the W behind `sums`; under an exact scheme the objective cannot rise with it."""

    def ahead(self, H: np.ndarray) -> Ahead | None:
        """Return what can be made of columns from a pass that is made with `H`, where their sums are; None: nothing.

        It has what :meth:`measure` and :meth:`update` take from P; nothing else may ask for P then.
        """
        del H
        return None

    def scale(self, after: np.ndarray, before: np.ndarray, sums: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return an update of H, which may be changed, and the one before it on the best scale between the factors."""
        del sums
        return after, before

    def between(self, H: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return what is half way from an H to an update of it that went too far."""
        return (0.5 * (H + other)).astype(H.dtype)

    @abstractmethod
    def project(self, H: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """Return what is allowed and nearest to an H beyond a `plain` update; that H may be changed."""

    def worth(self, sums: Any, H: np.ndarray) -> np.ndarray:
        """Return by how much the objective rises without each component (k,); asked only of a scheme that prunes."""
        raise NotImplementedError

    @abstractmethod
    def factors(self, sums: Any, H: np.ndarray, peak: float, *, transposed: bool) -> Factors:
        """Return the factors of the last pass but for W, the components in the order of the engine.

        `transposed`: for one whose rows are the columns of the engine.
        """

    @abstractmethod
    def order(self, d: np.ndarray, *, transposed: bool = False) -> np.ndarray:
        """Return the components (k,) in the order of a model with the diagonal `d`.

        `transposed`: of one whose rows are the columns of the engine; what is given of its W comes first there too.
        """

    @property
    @abstractmethod
    def stand_in(self) -> "Scheme":
        """What starts are raced for on a sample whose variance is even."""
