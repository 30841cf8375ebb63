"""Which rows and columns of a source are meant, and what they are divided by: the door of views."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dnmf.arrays import offers, taken_as_array
from dnmf.errors import InputError
from dnmf.plain import dense
from dnmf.sources.annotations import PickedNames, StoredNames
from dnmf.sources.names import names_of
from dnmf.sources.presence import lies_in_a_store
from dnmf.sources.side_weights import compare_labels
from dnmf.sources.source import Source
from dnmf.sources.views import View, seen

FRAMES = {"rows": "obs", "columns": "var"}  # of an AnnData
MOST_NAMED = 5


def view_of(
    source: Source, data: Any = None, of_data: Source | None = None, *, rows: Any = None, columns: Any = None,
    row_scale: Any = None, column_scale: Any = None,
) -> Source:  # fmt: skip
    """Return a source of some rows and columns of another, divided by numbers; itself where nothing is asked for.

    Parameters
    ----------
    source : Source
        Of all rows and columns.
    data : optional
        What it was opened from: an AnnData has columns of its frames.
    of_data : Source, optional
        The same with the names that lie with the data, where `source` was given others: they lead to its frames.
    rows, columns, row_scale, column_scale
        As in :func:`dnmf.open_source`.

    Raises
    ------
    InputError
        Something that is chosen is not there, is chosen twice, or nothing is; a number is not above zero.
    """
    shape = source.shape[::-1] if source.transposed else source.shape
    of_rows, of_columns = (
        None if given is None else _chosen(what, given, length, source, (of_data or source, data))
        for what, given, length in zip(FRAMES, (rows, columns), shape, strict=True)
    )
    scales = (
        None if given is None else _scale(name, given, length, chosen, source)
        for name, given, length, chosen in zip(
            ("row_scale", "column_scale"), (row_scale, column_scale), shape, (of_rows, of_columns), strict=True
        )
    )
    return seen(source, View(of_rows, of_columns, *scales))


def view_in_file(data: Any, open_whole: Callable[[Any], Source]) -> Source:
    """Return the rows and columns of a file that a view of a backed AnnData shows, which says so under its own names.

    Raises
    ------
    InputError
        Its version of anndata says nothing, or the file cannot be used.
    """
    try:
        whole, rows, columns = data._adata_ref, data._oidx, data._vidx
        view = {"rows": np.arange(whole.n_obs)[rows], "columns": np.arange(whole.n_vars)[columns]}
    except AttributeError as error:
        raise InputError(
            f"a view of the AnnData backed by {data.filename}, whose rows this version of anndata does not tell; give "
            "the path, and which they are: dnmf.open_source(path, rows=…, columns=…)"
        ) from error
    return view_of(open_whole(whole), **view)


def _chosen(what: str, given: Any, length: int, source: Source, beside: tuple[Source, Any]) -> np.ndarray | None:
    """The numbers of the rows or columns that are meant; None where these are all, as they are."""
    name = f"{what} of {source.address}"
    if isinstance(given, slice):
        given = np.arange(length)[given]
    values = _flags(what, given, *beside) if isinstance(given, str) else _array(what, given, source)
    if values.ndim != 1:
        raise InputError(f"{name}: has shape {values.shape}, expected one dimension")
    if values.dtype.kind == "b":
        if len(values) != length:
            raise InputError(f"{name}: a choice of {len(values):,} true or false, but there are {length:,} {what}")
        found = np.flatnonzero(values)
    elif values.dtype.kind in "iu":
        found = values.astype(np.int64)
    elif not len(values):
        found = np.empty(0, np.int64)
    else:
        found = _named(name, what, values, source)
    _refuse_places(name, found, length)
    return None if np.array_equal(found, np.arange(length)) else found.astype(np.int64)


def _array(what: str, given: Any, source: Source) -> np.ndarray:
    with taken_as_array(what, given):
        if lies_in_a_store(given):
            raise InputError(f"{what}: lies in a store; read it first, array[:]")
        found = np.asarray(dense(given, what)) if not isinstance(given, (list, tuple)) else np.asarray(given)
        if found.dtype.kind == "b":
            compare_labels(what, given, what.removesuffix("s"), source)
        if found.dtype.kind == "O" and all(isinstance(each, (bool, np.bool_)) for each in found.ravel().tolist()):
            found = found.astype(bool)
    return found


def _refuse_places(name: str, found: np.ndarray, length: int) -> None:
    if not len(found):
        raise InputError(f"{name}: none is chosen; choose at least one")
    outside = found[(found < 0) | (found >= length)]
    if len(outside):
        raise InputError(f"{name}: there is no number {outside[0]}, they go from 0 to {length - 1}")
    sizes = np.bincount(found, minlength=length)
    if sizes.max() > 1:
        raise InputError(f"{name}: number {int(sizes.argmax())} is chosen more than once; choose each once")


def _named(name: str, what: str, values: np.ndarray, source: Source) -> np.ndarray:
    """The places of names."""
    wanted, known = names_of(values), _names(what, source)()
    if wanted is None or known is None or values.dtype.kind == "f":
        why = f"are {values.dtype}" if values.dtype.kind == "f" else "are names, and the data has none"
        raise InputError(f"{name}: they {why}; give true or false for each, their numbers, or names that the data has")
    places: dict[str, int] = {}
    for place, each in enumerate(known.tolist()):
        places[each] = -1 if each in places else place  # there twice
    missing = [each for each in wanted.tolist() if each not in places]
    if missing:
        shown = ", ".join(map(repr, missing[:MOST_NAMED])) + " …" * (len(missing) > MOST_NAMED)
        raise InputError(f"{name}: {len(missing):,} of {len(wanted):,} names are not among its {len(known):,}: {shown}")
    found = np.array([places[each] for each in wanted.tolist()], np.int64)
    if (found < 0).any():
        raise InputError(
            f"{name}: {wanted[found < 0][0]!r} names more than one; give numbers, or true or false for each"
        )
    return found


def _of_user(source: Source) -> tuple[Any, Any]:
    rows, columns = source._names
    return (columns, rows) if source.transposed else (rows, columns)


def _names(what: str, source: Source) -> Callable[[], np.ndarray | None]:
    by_rows = (what == "rows") != source.transposed
    return source.row_names if by_rows else source.column_names


def _flags(what: str, name: str, source: Source, data: Any) -> np.ndarray:
    """A column of ``obs`` or ``var`` that is true or false."""
    frame = FRAMES[what]
    if offers(data, "obs_names", "var_names", frame):
        return flags_of(getattr(data, frame), name, f"{source.address}: {frame}")
    held = _of_user(source)[list(FRAMES).index(what)]
    if not isinstance(held, (StoredNames, PickedNames)):
        raise InputError(
            f"{source.address}: has no data frame with a column {name!r} for {what}={name!r}; give true or false for "
            f"each, numbers, or a list of names: {what}=[{name!r}]"
        )
    return held.flags(name)


def flags_of(frame: Any, name: str, where: str) -> np.ndarray:
    """Return a column of a data frame that is true or false; `where` is what messages call the frame.

    Raises
    ------
    InputError
        There is none of this name, it is something else, or some of it is missing.
    """
    if name not in frame:
        known = [str(each) for each in frame.columns if str(getattr(frame[each], "dtype", "")).startswith("bool")]
        there = ", ".join(map(repr, known)) or "none"
        raise InputError(f"{where} has no column {name!r} (those that are true or false: {there})")
    return _as_flags(f"{where}[{name!r}]", frame[name])


def _as_flags(name: str, values: Any) -> np.ndarray:
    found = np.asarray(values)
    if found.dtype.kind == "O":  # that may be missing
        if not all(isinstance(each, (bool, np.bool_)) for each in found.tolist()):
            raise InputError(f"{name}: is not true or false for each, or is missing for some")
        found = found.astype(bool)
    if found.dtype.kind != "b":
        raise InputError(f"{name}: has dtype {found.dtype}, expected true or false")
    return found


def _scale(name: str, given: Any, length: int, chosen: np.ndarray | None, source: Source) -> np.ndarray:
    """A number above zero for each row or column that is seen, in float64."""
    what = name.removesuffix("_scale")
    with taken_as_array(name, given):
        if lies_in_a_store(given):
            raise InputError(f"{name}: lies in a store; read it first, array[:]")
        array = np.asarray(dense(given, name))
        compare_labels(name, given, what, source)
    if array.shape != (length,) or array.dtype.kind not in "buif":
        raise InputError(
            f"{name}: has shape {array.shape} and dtype {array.dtype}, expected a number for each of {length} {what}s, "
            "also of those that are not chosen"
        )
    places = np.arange(length) if chosen is None else chosen
    found = array.astype(np.float64)[places]
    bad = np.flatnonzero(~(np.isfinite(found) & (found > 0)))
    if len(bad):
        raise InputError(
            f"{name}: {found[bad[0]]} for {what} {places[bad[0]]}, as {len(bad)} of {len(found)} that nothing can be "
            f"divided by; numbers are finite and above zero: leave such {what}s out with {what}s=, or give them 1"
        )
    return found
