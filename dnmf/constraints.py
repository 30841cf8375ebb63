"""What the factors must be, or should be like, beyond being non-negative: what the caller says."""

import math
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from dnmf.arithmetic import undisturbed
from dnmf.arrays import taken_as_array
from dnmf.errors import InputError
from dnmf.newer import refuse_newer
from dnmf.plain import dense, plain
from dnmf.sources.given import in_memory, matrix_of
from dnmf.sources.labels import Labels, labels_given, refuse_labels_that_differ
from dnmf.strengths import SIDES

ROUNDING = 1e-12
LEAST_BOUND = 1e-16


@dataclass(frozen=True)
class Limits:
    """The part of the constraints that is numbers, one pair (W, H) each, and goes to JSON.

    Attributes
    ----------
    upper : (float, float)
        Largest entries of the factors of ``A ≈ WH``; infinite where there is no bound.
    free : {"", "W", "H"}
        The factor that may be negative.
    held : (int, int)
        How many of the first components have their W, or their H, given.
    """

    upper: tuple[float, float] = (math.inf, math.inf)
    free: str = ""
    held: tuple[int, int] = (0, 0)

    @property
    def bounded(self) -> bool:
        """Whether there is an upper bound."""
        return min(self.upper) < math.inf

    def is_free(self, side: str) -> bool:
        """Whether this factor may be negative."""
        return self.free == side

    def __str__(self) -> str:
        """The limits in words; empty where there are none."""
        parts = [f"{self.free} may be negative"] if self.free else []
        parts += [f"{side} at most {most:g}" for side, most in zip(SIDES, self.upper, strict=True) if most < math.inf]
        parts += [f"{side} of the first {count} given" for side, count in zip(SIDES, self.held, strict=True) if count]
        return ", ".join(parts)

    def swapped(self) -> "Limits":
        """The same with the roles of W and H exchanged, for a matrix used as its transpose."""
        return Limits(self.upper[::-1], {"W": "H", "H": "W"}.get(self.free, ""), self.held[::-1])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; no bound is None."""
        upper = [None if value == math.inf else value for value in self.upper]
        return {**asdict(self), "upper": upper, "held": list(self.held)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Limits":
        """The limits that :meth:`to_json` wrote; NewerError where they say more than this dnmf knows."""
        refuse_newer(cls, record)
        of_W, of_H = (math.inf if value is None else float(value) for value in record["upper"])
        return cls((of_W, of_H), record["free"], (record["held"][0], record["held"][1]))


class Guides(NamedTuple):
    """The part of the constraints that is arrays, in the orientation of the engine.

    Attributes
    ----------
    W : ndarray (m, held) or None
        The given columns of W, their absolute values summing to one: H carries their scale.
    W_sums : ndarray (held,) or None
        What they were divided by for that.
    H : ndarray (held, n) or None
        The given rows of H. They are in the first H, and stay.
    target : ndarray (k, n) or None
        What H is pulled to; a row of NaN is not.
    laplacian : sparse array (n, n) or None
        Of the graph over the columns: ``diag(sums) − weights``.
    """

    W: np.ndarray | None = None
    W_sums: np.ndarray | None = None
    H: np.ndarray | None = None
    target: np.ndarray | None = None
    laplacian: Any = None

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, for a checkpoint."""
        named = {"guide_W": self.W, "guide_W_sums": self.W_sums, "guide_H": self.H, "guide_target": self.target}
        if self.laplacian is not None:
            parts = self.laplacian.tocsr()
            named |= {"graph_data": parts.data, "graph_indices": parts.indices, "graph_indptr": parts.indptr}
        return {name: values for name, values in named.items() if values is not None}

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray]) -> "Guides":
        """The guides that :meth:`arrays` described."""
        laplacian = None
        if "graph_indptr" in arrays:
            n = len(arrays["graph_indptr"]) - 1
            parts = (arrays["graph_data"], arrays["graph_indices"], arrays["graph_indptr"])
            laplacian = scipy.sparse.csr_array(parts, shape=(n, n))
        W, W_sums, H, target = (arrays.get(f"guide_{name}") for name in ("W", "W_sums", "H", "target"))
        return cls(W, W_sums, H, target, laplacian)


NO_LIMITS, NO_GUIDES = Limits(), Guides()


@dataclass(frozen=True, eq=False)
class Constraints:
    """What the factors of ``A ≈ W diag(d) H`` must be, or should be like, beyond being non-negative.

    Parameters
    ----------
    upper : float or (float, float), optional
        Upper bounds for the entries of W and H in ``A ≈ WH``, or a (W, H) pair, None for no bound; needs a penalty of
        scale ``"objective"`` (of any strength, also 0), where the scale of the factors is part of the problem.
        Not together with parts that are given.
    free : {"", "W", "H"}
        The factor that may be negative (semi-NMF); the data may then be negative too. No L1 on it, and no bound.
    fixed_H : array (f, n) or (n,), optional
        Profiles of the first f components, held up to their scale (guided NMF): known programs, spectra, topics.
    fixed_W : array (m, f) or (m,), optional
        Columns of W of the first f components, held up to their scale: known covariates, batches, loadings. Together
        with `fixed_H`, whose components then come behind these, where not all entries were observed: a column and a row
        of ones are biases of columns and of rows.
    target_H : array (k, n), optional
        What H is pulled to with the strength ``Penalty(target=…)``; a row of NaN is left alone, and so are
        components whose H is given.
    graph : array or sparse matrix (n, n), optional
        Weights of a graph over the columns, symmetric and not negative: columns that are joined get similar entries in
        every component, with the strength ``Penalty(smooth=…)``: ``½ s Σ_q Σ_i<j g_ij (h_qi − h_qj)²``.

    Raises
    ------
    InputError
        A value cannot be used; the message names it. Labels of frames and coordinates are compared: with each other
        here, with the names of the data when it is fitted.

    Examples
    --------
    >>> Constraints(upper=(1.0, None)).limits.upper
    (1.0, inf)
    """

    upper: Any = None
    free: str = ""
    fixed_H: Any = None
    fixed_W: Any = None
    target_H: Any = None
    graph: Any = None
    labels: tuple[Labels, ...] = field(default=(), init=False, repr=False)

    @undisturbed
    def __post_init__(self):
        if not isinstance(self.free, str) or self.free not in ("", *SIDES):
            raise InputError(f"constraints free={self.free!r}: 'W', 'H' or '' for neither")
        self._set("upper", _bounds(self.upper))
        given = {name: getattr(self, name) for name in ("fixed_W", "fixed_H", "target_H", "graph")}
        self._set("labels", tuple(chain.from_iterable(labels_given(*each) for each in given.items())))
        for name in ("fixed_H", "fixed_W", "target_H"):
            if getattr(self, name) is not None:
                self._set(name, _matrix(name, getattr(self, name), allow_nan=name == "target_H"))
        if self.graph is not None:
            self._set("graph", _weights(self.graph))
        self._check_together()

    def _check_together(self) -> None:
        for side in SIDES:
            self._check_side(side)
        refuse_labels_that_differ(self.labels)
        if self.limits.bounded and any(self.limits.held):
            raise InputError("constraints: a bound would cut what is given; give one of the two")
        if self.target_H is not None and self.free != "H" and (self.target_H < 0).any():
            raise InputError("constraints target_H: holds negative values, which only a free H may have")
        if self.target_H is not None and np.isnan(self.target_H).all():
            raise InputError("constraints target_H: every row is NaN; there is nothing to pull to")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_side(self, side: str) -> None:
        given, free = getattr(self, f"fixed_{side}"), self.free == side
        if free and self.upper[SIDES.index(side)] < math.inf:
            raise InputError(f"constraints: {side} is free and has an upper bound; give one of the two")
        if given is not None and not free and (given < 0).any():
            raise InputError(f"constraints fixed_{side}: holds negative values, which only a free {side} may")
        if given is not None and not given.any(axis=0 if side == "W" else 1).all():
            raise InputError(
                f"constraints fixed_{side}: a given component is zero everywhere; it has shape {given.shape}, and a "
                f"component is a {'column' if side == 'W' else 'row'}"
            )

    @property
    def limits(self) -> Limits:
        """The part that is numbers."""
        of_W = 0 if self.fixed_W is None else self.fixed_W.shape[1]
        return Limits(self.upper, self.free, (of_W, 0 if self.fixed_H is None else len(self.fixed_H)))

    def guides(self, shape: tuple[int, int], rank: int, *, transposed: bool, dtype: str) -> Guides:
        """Return the arrays as the engine wants them, checked against a matrix of `shape` (m, n).

        Raises
        ------
        InputError
            A shape does not fit, or the engine cannot use an array because it works on the transpose.
        """
        m, n = shape
        _check_shape("fixed_W", self.fixed_W, (m, rank), "or fewer columns")
        _check_shape("fixed_H", self.fixed_H, (rank, n), "or fewer rows")
        of_W, of_H = self.limits.held
        if of_W + of_H > rank:
            raise InputError(
                f"constraints: rank={rank} is less than the {of_W + of_H} components that are given, {of_W} by fixed_W "
                f"and {of_H} more by fixed_H; give a rank of at least so many"
            )
        _check_shape("target_H", self.target_H, (rank, n))
        _check_shape("graph", self.graph, (n, n))
        if transposed and (self.graph is not None or self.target_H is not None):
            raise InputError(
                "constraints: a matrix stored by columns (CSC) is factorized as its transpose, where H is the long "
                "factor; a graph or a target needs H to be the short one: convert the matrix to CSR with dnmf convert"
            )
        W, H, target = (
            None if values is None else np.ascontiguousarray(values, dtype=dtype)
            for values in (self.fixed_W, self.fixed_H, self.target_H)
        )
        if transposed:
            W, H = (None if values is None else np.ascontiguousarray(values.T) for values in (H, W))
        W, W_sums = (None, None) if W is None else _with_columns_of_one(W)
        return Guides(W, W_sums, H, target, None if self.graph is None else _laplacian(self.graph))


def _with_columns_of_one(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`W` with columns whose absolute values sum to one, and the sums they were divided by."""
    sums = np.abs(W).sum(axis=0, dtype=np.float64)
    return (W / sums).astype(W.dtype), sums


def _check_shape(name: str, values: Any, wanted: tuple[int, int], fewer: str = "") -> None:
    if values is None:
        return
    rows, columns = (a == b for a, b in zip(values.shape, wanted, strict=True))
    rows |= fewer.endswith("rows") and values.shape[0] < wanted[0]
    columns |= fewer.endswith("columns") and values.shape[1] < wanted[1]
    if not (rows and columns):
        raise InputError(f"constraints {name}: has shape {values.shape}, expected {wanted} {fewer}".rstrip())


def _bounds(value: Any) -> tuple[float, float]:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        of_W, of_H = (math.inf if one is None else float(one) for one in pair)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"constraints upper={value!r}: give one number or a (W, H) pair, None for no bound") from None
    if not (of_W > 0 and of_H > 0):
        raise InputError(f"constraints upper={value!r}: bounds are above zero")
    if min(of_W, of_H) < LEAST_BOUND:
        raise InputError(
            f"constraints upper={value!r}: the least is {LEAST_BOUND:g}, or products vanish; rescale the data"
        )
    return of_W, of_H


def _matrix(name: str, values: Any, *, allow_nan: bool) -> np.ndarray:
    values = matrix_of(values)
    with taken_as_array(f"constraints {name}", values):
        values = in_memory(f"constraints {name}", values)
        array = np.asarray(dense(values, f"constraints {name}", as_nan=allow_nan))
    if array.ndim == 1 and name.startswith("fixed"):  # one component
        array = array[:, None] if name == "fixed_W" else array[None, :]
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise InputError(f"constraints {name}: has shape {array.shape} and dtype {array.dtype}, expected a matrix")
    array = array.astype(np.float64)
    missing = np.isnan(array).all(axis=1, keepdims=True) if allow_nan else np.zeros((len(array), 1), bool)
    if not np.isfinite(np.where(missing, 0.0, array)).all():
        allowed = "; a row of NaN alone is left alone" if allow_nan else ""
        raise InputError(f"constraints {name}: holds a NaN or an infinity{allowed}")
    return array


def _weights(graph: Any) -> Any:
    graph = matrix_of(graph)
    with taken_as_array("constraints graph", graph):
        weights = in_memory("constraints graph", graph)
        weights = scipy.sparse.csr_array(plain(weights, "constraints graph"), dtype=np.float64)
    if weights.ndim != 2:
        raise InputError(f"constraints graph: has shape {weights.shape}, expected one row and column for each column")
    if weights.shape[0] != weights.shape[1]:
        raise InputError(f"constraints graph: has shape {weights.shape}, expected one row and column for each column")
    if not (np.isfinite(weights.data).all() and (weights.data >= 0).all()):
        raise InputError("constraints graph: weights are finite and not negative (a Laplacian is not expected)")
    difference = abs(weights - weights.T)
    if difference.nnz and difference.max() > ROUNDING * weights.max():
        raise InputError("constraints graph: is not symmetric; give (G + G.T) / 2 if that is what is meant")
    return weights


def _laplacian(weights: Any) -> Any:
    return scipy.sparse.csr_array(scipy.sparse.csgraph.laplacian(weights))


def checked_constraints(constraints: Any) -> Constraints:
    """Return `constraints`, none for None.

    Raises
    ------
    InputError
        It is something else.
    """
    if constraints is not None and not isinstance(constraints, Constraints):
        raise InputError(f"constraints={constraints!r}: give a dnmf.Constraints(…)")
    return constraints or Constraints()


def without_bounds(limits: Limits) -> Limits:
    """The same limits without upper bounds, for factors on another scale than the one they are meant on."""
    return replace(limits, upper=(math.inf, math.inf))
