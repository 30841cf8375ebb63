"""The values of a pandas DataFrame: of one dtype of numbers, sparse where all of it is, nothing missing."""

from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.missing import NOT_OBSERVED, refuse_fill_value

NUMERIC_KINDS = "buif"


def frame_values(frame: Any, name: str, *, as_nan: bool = False, way: str = NOT_OBSERVED) -> Any:
    """Return the values of a DataFrame as an ndarray, of the narrowest dtype that holds them all; sparse ones as COO.

    Parameters
    ----------
    frame : pandas.DataFrame
    name : str
        For messages.
    as_nan : bool
        Return missing entries as NaN.
    way : str
        What to do about missing entries that are refused.

    Raises
    ------
    InputError
        A column holds no numbers, an entry is missing (unless `as_nan`; a NaN is none), or the zeros of sparse columns
        are not zero.
    """
    dtypes = list(frame.dtypes)
    numbers = [_dtype_of_numbers(dtype) for dtype in dtypes]
    if not numbers:
        return np.empty(frame.shape)
    for column, dtype, found in zip(frame.columns, dtypes, numbers, strict=True):
        if found is None or found.kind not in NUMERIC_KINDS:
            raise InputError(
                f"{name}: column {str(column)!r} has dtype {dtype}; dnmf reads integers and floating point numbers, "
                "leave it out or convert it"
            )
    if all(map(_is_sparse, dtypes)):
        return _sparse_values(frame, name)
    common = np.result_type(*numbers)  # type: ignore[arg-type]
    nullable = [at for at, dtype in enumerate(dtypes) if hasattr(dtype, "na_value") and not _is_sparse(dtype)]
    missing = frame.iloc[:, nullable].isna().to_numpy()
    if not missing.any():
        return frame.to_numpy(dtype=common)
    if as_nan:
        return frame.to_numpy(dtype=np.result_type(common, np.float32), na_value=np.nan)
    row, at = (int(n) for n in np.argwhere(missing)[0])
    raise InputError(
        f"{name}: row {row}, column {str(frame.columns[nullable[at]])!r} is missing, as {int(missing.sum())} of "
        f"{frame.size} entries; {way}"
    )


def _dtype_of_numbers(dtype: Any) -> np.dtype | None:
    """The dtype of numpy under one of pandas; None where there is none."""
    for name in ("subtype", "numpy_dtype") if _is_sparse(dtype) else ("numpy_dtype",):
        dtype = getattr(dtype, name, dtype)
    return dtype if isinstance(dtype, np.dtype) else None


def _is_sparse(dtype: Any) -> bool:
    """Whether a dtype of pandas is that of a sparse column; intervals have a dtype under theirs too."""
    return hasattr(dtype, "subtype") and hasattr(dtype, "fill_value")


def _sparse_values(frame: Any, name: str) -> Any:
    for dtype in frame.dtypes:
        refuse_fill_value(dtype.fill_value, name, "frame.sparse.to_dense()")
    return frame.sparse.to_coo()
