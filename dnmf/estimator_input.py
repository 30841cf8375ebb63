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
from sklearn.utils.validation import check_non_negative, validate_data

from dnmf.arrays import offers, refuse_no_array, taken_as_array
from dnmf.callers import warn_caller
from dnmf.errors import InputError, InputTypeError
from dnmf.fitting.events import Event, PassDone
from dnmf.missing import NOT_OBSERVED, NOT_STORED, refuse_missing
from dnmf.options import OF_ALL_ENTRIES, FitOptions
from dnmf.plain import dense, plain
from dnmf.sources import Source, open_source
from dnmf.sources.columns import twice
from dnmf.sources.given import in_memory, matrix_of
from dnmf.sources.labels import labels_given, names_along, refuse_labels_of_others
from dnmf.sources.memory import MemorySource, is_pydata_sparse, type_name
from dnmf.sources.names import is_count, names_of, names_to_show, refuse_other_names
from dnmf.sources.observed import observed
from dnmf.sources.source import check_dtype
from dnmf.streams import Forgiving

FLOATS = [np.float64, np.float32]


def opened(estimator: Any, X: Any, *, reset: bool) -> Source:
    """Return `X` as a source, its columns noted (`reset`) or compared with those that the estimator knows.

    Raises
    ------
    ValueError
        It cannot be used, or its columns are others.
    """
    of_fit = None if reset or not hasattr(estimator, "model_") else estimator.model_.column_names
    if not is_stored(X):
        return _opened_here(estimator, X, of_fit, reset=reset)
    source = open_source(X, missing=estimator.missing)
    count, names = shape_of(source)[1], names_along(source, "column")
    if reset:
        note_columns(estimator, count, names)
    else:
        check_columns(source.address, (count, names), (estimator.components_.shape[1], of_fit))
    return source


def _opened_here(estimator: Any, X: Any, of_fit: np.ndarray | None, *, reset: bool) -> Source:
    """Return data that lies in this process."""
    refuse_no_array("X", X)
    (rows, labels), address = labels_of(X, rows=reset), type_name(X)
    X = validated(estimator, X, reset=reset, of_fit=of_fit)
    if not reset:  # of names that are numbers scikit-learn takes no notice
        refuse_other_names(address, labels, of_fit)
    names = getattr(estimator, "feature_names_in_", None) if labels is None and reset else labels
    if X.dtype == np.float16:  # the kernels know no half precision
        X = X.astype(np.float64)
    return observed(MemorySource(X, rows, names_of(names), address), estimator.missing)


def shape_of(source: Source) -> tuple[int, int]:
    """Return (rows, columns) of the data as the user sees it."""
    return source.shape[::-1] if source.transposed else source.shape


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
        if not reset and not hasattr(estimator, "n_features_in_"):  # nothing was fitted: the components were set
            check_columns(type_name(X), (values.shape[1], None), (estimator.components_.shape[1], None))
        elif read_alike(getattr(X, "columns", None), None if reset else of_fit):
            validate_data(estimator, X if offers(X, "columns") else values, reset=reset, skip_check_array=True)
        elif reset:
            note_columns(estimator, values.shape[1], names_of(X.columns))
        else:
            check_columns(type_name(X), (values.shape[1], None), (estimator.components_.shape[1], None))
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


def check_start(init: Any, W: Any, H: Any, source: Source, n_components: Any = "auto") -> tuple[Any, Any]:
    """Return the W and H to start from as float arrays, None where there is none.

    Raises
    ------
    ValueError
        There is none although ``init="custom"``, or one is not a matrix of finite values that are not
        negative and not all zero, has another shape, or the labels of other rows or columns than the data has.
    """
    if init == "custom":
        if W is None and H is None:
            raise InputError("NMF: init='custom' needs a W or an H; give one to fit or fit_transform")
        labels = labels_given("W", W) + labels_given("H", H)
        rows, columns = shape_of(source)
        rank = columns if n_components is None else n_components
        H = check_factor("H", H, (rank, columns))
        W = check_factor("W", W, (rows, rank if H is None else len(H)))
        for name, factor in (("H", H), ("W", W)):
            if factor is not None and not factor.any():
                raise InputError(
                    f"Array passed to NMF (input {name}) is full of zeros, from where no solver gets away; give another"
                )
        refuse_labels_of_others(labels, source.address, partial(names_along, source))
        return W, H
    if W is not None or H is not None:
        warn_caller(
            "When init!='custom', provided W or H are ignored. Set init='custom' to start from them.", RuntimeWarning
        )
    return None, None


def check_factor(name: str, factor: Any, shape: tuple[Any, Any] = ("auto", "auto")) -> Any:
    """Return a factor as a float array, None where there is none; ``"auto"`` is a side of any length.

    Raises
    ------
    ValueError
        It is not a matrix of finite values that are not negative, or not of this shape.
    """
    if factor is None:
        return None
    factor, whom = matrix_of(factor), f"NMF (input {name})"
    with taken_as_array(name, factor):
        given = dense(in_memory(name, factor), name)
    with checked_by_sklearn(name, factor):
        array = check_array(given, dtype=FLOATS, input_name=name)
        for side, expected, found in zip(("first", "second"), shape, array.shape, strict=True):
            if expected not in ("auto", found):
                raise InputError(
                    f"Array with wrong {side} dimension passed to {whom}. Expected {expected}, but got {found}: "
                    f"{name} has shape {array.shape}"
                )
        check_non_negative(array, whom)
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


def choose_rank(n_components: Any, source: Source, W: Any, H: Any) -> int:
    """Return the number of components; ``"auto"`` goes by the start, if there is one, and None by the columns."""
    rank = n_components
    if rank == "auto":
        rank = H.shape[0] if H is not None else W.shape[1] if W is not None else None
    return shape_of(source)[1] if rank is None else int(rank)


def look_at_rank(options: FitOptions, source: Source) -> None:
    """Warn of more components than rows or columns, and refuse them of a start that is made of directions.

    Raises
    ------
    InputError
        There are no more directions than rows or columns; the words are scikit-learn's.
    """
    most = min(source.shape)
    if options.rank <= most:
        return
    if options.init in OF_ALL_ENTRIES:
        raise InputError(
            f"init = '{options.init}' can only be used when n_components <= min(n_samples, n_features), which is "
            f"{most}; use init='random'"
        )
    warn_caller(
        f"{source.address}: n_components={options.rank} is more than min(n_samples, n_features) = {most}: so many meet "
        "the data exactly, and what is left over repeats others or is zero",
        UserWarning,
    )


def print_pass(event: Event) -> None:
    """Print a line for every pass: what ``verbose`` is for."""
    if isinstance(event, PassDone):
        at = event.record
        line = f"pass {at.number}: objective {at.objective:.6g}, error {at.relative_error:.6f}\n"
        Forgiving(sys.stdout).write(line)
