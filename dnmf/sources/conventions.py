"""What attributes of a stored array say about its values, as netCDF, the CF conventions and xarray write them.

Packed values are unpacked as xarray does it, ``stored · scale_factor + add_offset``; what is declared missing or not
valid is refused with its place. See https://cfconventions.org, sections 2.5 and 8.1.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from dnmf.errors import InputError
from dnmf.missing import NOT_OBSERVED
from dnmf.sources.datasets import address_of, sources_of
from dnmf.sources.nodes import DIMENSIONS_OF_XARRAY
from dnmf.sources.presence import is_hdf5

PACKING = ("scale_factor", "add_offset", "_Unsigned")
MISSING = ("_FillValue", "missing_value")
LIMITS = ("valid_range", "valid_min", "valid_max")
LENGTHS = {"valid_range": 2, "valid_min": 1, "valid_max": 1}
Pair = tuple[Any, Any]
TIMES = re.compile(r"(years?|months?|weeks?|days?|hours?|h|minutes?|min|seconds?|s|m\w*seconds?|n\w*seconds?) since \d")


@dataclass(frozen=True)
class Convention:
    """How stored values are to be understood; :func:`convention_of` finds it.

    Attributes
    ----------
    seen_as : numpy dtype
        The stored one, or the one of other sign with the same bytes.
    dtype : numpy dtype
        Of the values.
    scale, offset : number or None
        Values are ``stored * scale + offset``.
    missing : tuple of (str, number)
        Stored values that stand for nothing, and who says so.
    stored_limits, limits : (number or None, number or None)
        What is outside is not valid: of stored values, and of values.
    as_nan : bool
        Whether what is missing or not valid becomes NaN, rather than an error.
    """

    seen_as: np.dtype
    dtype: np.dtype
    scale: Any = None
    offset: Any = None
    missing: tuple[tuple[str, Any], ...] = ()
    stored_limits: tuple[Any, Any] = (None, None)
    limits: tuple[Any, Any] = (None, None)
    as_nan: bool = False

    def with_nan(self) -> "Convention":
        """The same with what is missing or not valid as NaN, in a dtype that has one."""
        return replace(self, dtype=np.result_type(self.dtype, np.float32), as_nan=True)

    def decode(self, stored: np.ndarray, start: int | list[int], address: str) -> np.ndarray:
        """Return the values of rows `start` and on (from a place on), in the dtype of the convention.

        Raises
        ------
        InputError
            One is missing, or not valid; the message says which.
        """
        stored = stored.view(self.seen_as) if stored.dtype != self.seen_as else stored
        if self.as_nan:
            return self._with_holes(stored)
        for name, value in self.missing:
            _refuse(stored == value, stored, start, f"{address}: is missing there ({name})")
        for name, outside in _outside(stored, self.stored_limits):
            _refuse(outside, stored, start, f"{address}: is not valid ({name})")
        values = self._unpacked(stored)
        for name, outside in _outside(values, self.limits):
            _refuse(outside, values, start, f"{address}: is not valid ({name})")
        return values

    def _with_holes(self, stored: np.ndarray) -> np.ndarray:
        values = self._unpacked(stored).copy()
        holes = np.zeros(stored.shape, bool)
        for _, value in self.missing:
            holes |= stored == value
        for _, outside in (*_outside(stored, self.stored_limits), *_outside(values, self.limits)):
            holes |= outside
        values[holes] = np.nan
        return values

    def _unpacked(self, stored: np.ndarray) -> np.ndarray:
        values = stored.astype(self.dtype, copy=self.scale is not None or self.offset is not None)
        if self.scale is not None:
            values *= self.scale
        if self.offset is not None:
            values += self.offset
        return values


def _outside(values: np.ndarray, limits: tuple[Any, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Which values are below or above what is valid, and by what."""
    low, high = limits
    for name, limit, outside in (("valid_min", low, np.less), ("valid_max", high, np.greater)):
        if limit is not None:
            yield f"{name} {limit}", outside(values, limit)


def _refuse(bad: np.ndarray, values: np.ndarray, start: int | list[int], what: str) -> None:
    if bad.any():
        place = tuple(int(n) for n in np.argwhere(bad)[0])
        where, _, reason = what.partition(": ")
        starts = start if isinstance(start, list) else [start]
        element = tuple(n + first for n, first in zip_longest(place, starts, fillvalue=0))
        raise InputError(
            f"{where}: element {element if len(element) > 1 else element[0]} is {values[place]!s}, which {reason}, as "
            f"{int(np.count_nonzero(bad))} of the {bad.size} read together; {NOT_OBSERVED}"
        )


def convention_of(node: Any, address: str) -> Convention | None:
    """Return what the attributes of an opened array say about its values, None where they say nothing.

    Parameters
    ----------
    node : zarr.Array or h5py.Dataset
        Of numbers.
    address : str
        For messages.

    Raises
    ------
    InputError
        They are times, an attribute cannot be understood, or a source of a virtual dataset has one of its own.
    """
    if is_hdf5(node) and node.is_virtual:
        for source, dataset in sources_of(node):
            _refuse_other_values(source, dataset)
    attributes = {name: node.attrs[name] for name in (*PACKING, *MISSING, *LIMITS) if name in node.attrs}
    refuse_times(node, address)
    fill = _own_fill(node)
    if (not attributes and fill is None) or node.dtype.kind not in "biuf":
        return None
    if node.dtype.kind == "b":
        told = ", ".join(attributes) or "its fill value"
        raise InputError(
            f"{address}: holds bool, which stands for something else by {told}; write the values as they are meant, or "
            "take away attributes not meant"
        )
    attributes = {name: numbers_of(name, value, address) for name, value in attributes.items()}
    seen_as = hinted_dtype(node.dtype, attributes.pop("_Unsigned", None))
    scale, offset = (_one_number(name, attributes.get(name), address) for name in ("scale_factor", "add_offset"))
    stored_limits, limits = limits_in(attributes, node.dtype, seen_as)
    missing = [(name, value) for name in MISSING for value in attributes.get(name, ())]
    missing += [] if fill is None else [("its fill value", fill)]
    codes = [(name, _as_stored(value, node.dtype, seen_as)) for name, value in missing]
    found = Convention(
        seen_as, _unpacked_dtype(seen_as, scale, offset), scale, offset,
        tuple((name, code) for name, code in codes if code is not None), stored_limits, limits,
    )  # fmt: skip
    return None if found == Convention(node.dtype, node.dtype) else found


def _refuse_other_values(source: Any, dataset: Any) -> None:
    """Refuse a source of a virtual dataset whose values are others there: HDF5 hands over what is stored, cast."""
    address = address_of(source)
    refuse_times(source, address)
    unlike = [name for name in (*PACKING, *MISSING, *LIMITS) if not _is_repeated(name, source, dataset, address)]
    if _own_fill(source) not in (None, _own_fill(dataset)):
        unlike.append("its fill value")
    over = f"the virtual dataset {address_of(dataset)} over it"
    if unlike:
        raise InputError(
            f"{address}: says of its values ({', '.join(unlike)}) what {over} does not; repeat it there, for all "
            "of its sources alike, or write it once as one dataset"
        )
    if not np.can_cast(source.dtype, dataset.dtype, "safe"):
        raise InputError(
            f"{address}: has dtype {source.dtype}, and {over} {dataset.dtype}, which cannot hold it; make it anew with "
            "a dtype that can"
        )


def _is_repeated(name: str, source: Any, dataset: Any, address: str) -> bool:
    if name not in source.attrs:
        return True
    said = numbers_of(name, source.attrs[name], address)
    if name in MISSING and all(map(is_nan, said)):
        return True
    return name in dataset.attrs and said == numbers_of(name, dataset.attrs[name], address)


def is_nan(value: Any) -> bool:
    """Whether a number is no number."""
    return np.asarray(value).dtype.kind == "f" and bool(np.isnan(value))


def refuse_times(node: Any, address: str) -> None:
    """Refuse what its attributes say to be times.

    Raises
    ------
    InputError
        They do.
    """
    units, dtype = (_text(node.attrs.get(name)) for name in ("units", "dtype"))
    if TIMES.match(units.strip()) or dtype.startswith(("datetime64", "timedelta64")):
        raise InputError(f"{address}: holds times ({units or dtype}), not amounts; convert the array first")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _own_fill(node: Any) -> Any:
    """The value of what was never written, where it is a mark for that: not zero, which is also a value."""
    if is_hdf5(node):
        fill = node.fillvalue
    elif (
        getattr(getattr(node, "metadata", None), "zarr_format", None) == 2 and DIMENSIONS_OF_XARRAY in node.attrs
    ):  # where xarray keeps _FillValue
        fill = node.fill_value
    else:
        return None
    return fill if fill is not None and np.ndim(fill) == 0 and fill and not is_nan(fill) else None


def numbers_of(name: str, value: Any, address: str) -> tuple[Any, ...]:
    """Return an attribute as numbers; the hint of a sign as it is.

    Raises
    ------
    InputError
        It is none.
    """
    if name == "_Unsigned":
        return (_text(value) or str(value),)
    found = [
        _number_of_text(_text(one), name) if isinstance(one, (str, bytes)) else one for one in np.ravel(np.array(value))
    ]
    if not found or any(np.asarray(number).dtype.kind not in "iuf" for number in found):
        raise InputError(f"{address}: its attribute {name} is {value!r}, which is not a number; repair it")
    length = LENGTHS.get(name, len(found))
    if len(found) != length:
        raise InputError(f"{address}: its attribute {name} holds {len(found)} numbers, not {length}; repair it")
    return tuple(found)


def _one_number(name: str, found: tuple[Any, ...] | None, address: str) -> Any:
    """The number that all values are packed with, None where there is none."""
    if found is None:
        return None
    if any(number != found[0] for number in found[1:]):
        raise InputError(f"{address}: its attribute {name} holds {len(found)} numbers, not one; unpack the array first")
    if name == "scale_factor" and found[0] == 0:
        raise InputError(f"{address}: its attribute scale_factor is 0, which would leave nothing but zeros; repair it")
    return found[0]


def _number_of_text(text: str, name: str) -> Any:
    """A number that JSON could not hold: NaN, infinity, or eight bytes in base64 as xarray writes a fill value."""
    try:
        return np.float64(text)
    except ValueError:
        pass
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f8")[0] if name in MISSING else None
    except (ValueError, IndexError, binascii.Error):
        return None


def hinted_dtype(stored: np.dtype, hint: Any) -> np.dtype:
    """Return a dtype of integers with the sign that ``_Unsigned`` asks for; others as they are."""
    sign = str(hint[0]).lower() if hint is not None else ""
    if stored.kind == "i" and sign == "true":
        return np.dtype(f"{stored.byteorder}u{stored.itemsize}")
    if stored.kind == "u" and sign == "false":
        return np.dtype(f"{stored.byteorder}i{stored.itemsize}")
    return stored


def _as_stored(value: Any, stored: np.dtype, seen_as: np.dtype) -> Any:
    """A number of an attribute as a value of the array; None where the array cannot hold it."""
    if is_nan(value):
        return None  # a NaN is refused anyway, and there is none among integers
    if stored.kind == "f":
        return stored.type(value)
    if seen_as != stored and np.asarray(value).dtype.kind in "iu" and _fits(value, stored):
        return np.asarray(value, stored).view(seen_as)[()]
    return seen_as.type(value) if _fits(value, seen_as) else None


def _fits(value: Any, dtype: np.dtype) -> bool:
    about = np.iinfo(dtype)
    return bool(np.isfinite(value)) and int(value) == value and about.min <= int(value) <= about.max


def limits_in(
    attributes: dict[str, Any], stored: np.dtype, seen_as: np.dtype
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return limits of stored values and of values: those of integers are of values where they are no integers."""
    low, high = attributes.get(
        "valid_range", (*attributes.get("valid_min", (None,)), *attributes.get("valid_max", (None,)))
    )
    of_stored, of_values = [None, None], [None, None]
    for at, limit in enumerate((low, high)):
        if limit is None:
            continue
        if stored.kind in "iu" and np.asarray(limit).dtype.kind == "f":
            of_values[at] = limit
        else:
            of_stored[at] = _as_stored(limit, stored, seen_as) if stored.kind == "f" or seen_as != stored else limit
    return (of_stored[0], of_stored[1]), (of_values[0], of_values[1])


def _unpacked_dtype(stored: np.dtype, scale: Any, offset: Any) -> np.dtype:
    """The dtype that xarray unpacks to: that of the attributes, double precision where single would lose digits.

    Not of integers, nor of half precision: xarray takes the dtype of those too, in which values overflow.
    """
    given = [np.asarray(number).dtype for number in (scale, offset) if number is not None]
    if not given:
        return stored
    single = all(dtype == np.float32 for dtype in given)
    narrow = offset is None or (scale is not None and not (stored.kind in "iu" and stored.itemsize >= 4))
    found = np.dtype(np.float32 if single and narrow else np.float64)
    return np.result_type(found, stored) if stored.kind == "f" else found
