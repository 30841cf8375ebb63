"""What the estimator accepts, and what it prints: starting factors, containers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from dnmf.arrays import offers, taken_as_array
from dnmf.callers import warn_caller
from dnmf.errors import InputError, InputTypeError
from dnmf.fitting.events import Event, PassDone
from dnmf.missing import NOT_OBSERVED, NOT_STORED, refuse_missing
from dnmf.plain import dense, plain
from dnmf.sources import Source
from dnmf.sources.columns import twice
from dnmf.sources.given import in_memory, matrix_of
from dnmf.sources.labels import labels_given, names_along, refuse_labels_of_others
from dnmf.sources.memory import is_pydata_sparse, type_name
from dnmf.sources.names import is_count, names_of, names_to_show, refuse_other_names
from dnmf.sources.source import check_dtype
from dnmf.streams import Forgiving

FLOATS = [np.float64, np.float32]


@contextmanager
def checked_by_sklearn(name: str, values: Any) -> Iterator[None]:
    """Let what scikit-learn's checks raise end in an error of dnmf too: its ValueErrors stay as they are.

    Raises
    ------
    InputError
        The values cannot be read; an :class:`~dnmf.errors.InputTypeError` where scikit-learn raised a TypeError.
    """
    try:
        yield
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # whatever objects do that are asked to be arrays
        kind = InputTypeError if isinstance(error, TypeError) else InputError
        raise kind(f"{name}: a {type(values).__name__} cannot be used: {error}") from error


def validated(estimator: Any, X: Any, *, reset: bool, of_fit: np.ndarray | None = None) -> Any:
    """Return data in memory as scikit-learn's conventions have it, its columns noted (`reset`) or compared.

    Names that scikit-learn reads in another way than :mod:`dnmf.sources.names` are left to :func:`check_columns`.

    Raises
    ------
    ValueError
        It cannot be used.
    """
    with_nan = estimator.missing == "nan"
    values = with_no_mask(X, as_nan=with_nan)
    with checked_by_sklearn("X", X), _saying_how_to_leave_out(values):
        values = check_array(
            values.to_scipy_sparse() if is_pydata_sparse(values) else values, accept_sparse=("csr", "csc"),
            dtype="numeric", ensure_non_negative=True, estimator=estimator, input_name="X",
            ensure_all_finite="allow-nan" if with_nan else True,
        )  # fmt: skip
        if read_alike(getattr(X, "columns", None), None if reset else of_fit):
            validate_data(estimator, X if offers(X, "columns") else values, reset=reset, skip_check_array=True)
        elif reset:
            note_columns(estimator, values.shape[1], names_of(X.columns))
        else:
            check_columns(type_name(X), (values.shape[1], None), (estimator.n_features_in_, None))
    return values


@contextmanager
def _saying_how_to_leave_out(values: Any) -> Iterator[None]:
    """Say of missing entries what dnmf can do; scikit-learn speaks of filling them."""
    try:
        yield
    except ValueError as error:
        if "contains NaN" not in str(error):
            raise
        is_sparse = scipy.sparse.issparse(values) or is_pydata_sparse(values)
        raise InputError(f"Input X contains NaN; {NOT_STORED if is_sparse else NOT_OBSERVED}") from None


def read_alike(columns: Any, of_fit: np.ndarray | None) -> bool:
    """Whether scikit-learn makes the same of labels of columns as the rule of names; `of_fit` are known already.

    It takes no text that is there twice or beside numbers, and compares a count that is written as text with names.
    """
    texts = [] if columns is None else [name for name in columns if isinstance(name, str)]
    if not texts:
        return True
    if len(texts) < len(columns) or len(set(texts)) < len(texts):
        return False
    return of_fit is None or not (is_count(of_fit) or is_count(names_of(texts)) or twice(of_fit.tolist()))


def note_columns(estimator: Any, count: int, names: np.ndarray | None) -> None:
    """Note how many columns there are and what they are called, as scikit-learn does; a count is no name."""
    estimator.n_features_in_ = count
    names = names_to_show(names)
    if names is not None:
        estimator.feature_names_in_ = names.astype(object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def is_stored(X: Any) -> bool:
    """Return whether `X` has to be opened; an array, a DataFrame or a list is validated as it is instead."""
    marks = (("dask",), ("obs_names", "var_names"), ("dims", "coords"), ("store", "metadata"), ("group", "backend"))
    opened = isinstance(X, (str, os.PathLike, Source)) or any(offers(X, *names) for names in marks)
    return opened or type(X).__module__.startswith("h5py")


def labels_of(X: Any, *, rows: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the names of rows (where those are asked for) and columns of a DataFrame, None for what has none."""
    index = X.index if rows and offers(X, "iloc", "index") else None
    return names_of(index), names_of(getattr(X, "columns", None))


def with_no_mask(X: Any, *, as_nan: bool = False) -> Any:
    """Return the values of `X` without a mask; scikit-learn would take what lies under one for a value.

    What is masked or missing is NaN where that is asked for.

    Raises
    ------
    InputError
        Something is masked or missing, the zeros of a sparse array are not zero, its values are times or records, or it
        cannot be read.
    """
    name = type_name(X)
    with taken_as_array(name, X):
        values = plain(in_memory(name, X), name, as_nan=as_nan)
        values = values if hasattr(values, "dtype") else np.asarray(values)
        kind = getattr(values.dtype, "kind", "")
        if kind in tuple("mMV"):
            check_dtype(name, values.dtype)
        if kind == "O":
            refuse_missing(values, name)
    return values


def check_start(init: Any, W: Any, H: Any, source: Source) -> tuple[Any, Any]:
    """Return the W and H to start from as float arrays, None where there is none.

    Raises
    ------
    ValueError
        There is none although ``init="custom"``, or one is not a matrix of finite values that are not
        negative and not all zero, or has the labels of other rows or columns than the data has.
    """
    if init == "custom":
        if W is None and H is None:
            raise InputError("NMF: init='custom' needs a W or an H; give one to fit or fit_transform")
        labels = labels_given("W", W) + labels_given("H", H)
        factors = _check_factor("W", W), _check_factor("H", H)
        refuse_labels_of_others(labels, source.address, partial(names_along, source))
        return factors
    if W is not None or H is not None:
        warn_caller(
            "When init!='custom', provided W or H are ignored. Set init='custom' to start from them.", RuntimeWarning
        )
    return None, None


def _check_factor(name: str, factor: Any) -> Any:
    if factor is None:
        return None
    factor = matrix_of(factor)
    with taken_as_array(name, factor):
        given = dense(in_memory(name, factor), name)
    with checked_by_sklearn(name, factor):
        array = check_array(given, dtype=FLOATS, ensure_non_negative=True, input_name=name)
    if not array.any():
        raise InputError(f"NMF: the given {name} is full of zeros, from where no solver gets away; give another")
    return array


Columns = tuple[int, np.ndarray | None]


def check_columns(address: str, found: Columns, fitted: Columns) -> None:
    """Compare number and names of columns with those of the fit; names count where both have them.

    Raises
    ------
    InputError
        They are not the same.
    """
    (count, names), (expected, known) = found, fitted
    if count != expected:
        raise InputError(f"{address}: X has {count} features, but NMF is expecting {expected} features as input")
    refuse_other_names(address, names, known)


def choose_rank(n_components: Any, shape: tuple[int, int], W: Any, H: Any) -> int:
    """Return the number of components for data of a shape; ``"auto"`` goes by the start, if there is one.

    Raises
    ------
    InputError
        More than the smaller side of the data.
    """
    rank = n_components
    if rank == "auto":
        rank = H.shape[0] if H is not None else W.shape[1] if W is not None else None
    rank = shape[1] if rank is None else int(rank)
    if rank > min(shape):
        raise InputError(
            f"NMF: n_components={n_components!r} asks for {rank} components of data with "
            f"n_samples={shape[0]} and n_features={shape[1]}; give at most the smaller of the two"
        )
    return rank


def print_pass(event: Event) -> None:
    """Print a line for every pass: what ``verbose`` is for."""
    if isinstance(event, PassDone):
        at = event.record
        line = f"pass {at.number}: objective {at.objective:.6g}, error {at.relative_error:.6f}\n"
        Forgiving(sys.stdout).write(line)
