"""Which values of a DataArray its attributes say to be valid: xarray decodes the rest of them, and leaves these."""

from typing import Any

import numpy as np

from dnmf.arrays import offers
from dnmf.sources.conventions import LIMITS, PACKING, Convention, hinted_dtype, limits_in, numbers_of


def within_limits(data: Any, address: str, *, as_nan: bool = False) -> Any:
    """Return what a DataArray holds, where its attributes limit what is valid looked at: at once, or in dask's tasks.

    Raises
    ------
    InputError
        Something is not valid, unless that becomes NaN (`as_nan`).
    """
    convention = _limits_of(data, address)
    if convention is None:
        return data.data
    convention = convention.with_nan() if as_nan else convention
    if not offers(data.data, "dask", "numblocks"):
        return convention.decode(data.data, 0, address)
    how = {
        "convention": convention,
        "address": address,
        "dtype": convention.dtype,
        "meta": data.data._meta.astype(convention.dtype),
    }
    return data.data.map_blocks(_decoded_block, **how)


def _decoded_block(block: Any, convention: Convention, address: str, block_info: Any = None) -> Any:
    places = [low for low, _ in block_info[0]["array-location"]]
    return convention.decode(block, places, address)


def _limits_of(data: Any, address: str) -> Convention | None:
    """What is valid, None where nothing is said; limits of integers that xarray has unpacked are of what was stored."""
    attributes = {name: numbers_of(name, data.attrs[name], address) for name in LIMITS if name in data.attrs}
    if not attributes or data.dtype.kind not in "biuf":
        return None
    how = data.encoding
    packed = any(name in how for name in PACKING)
    stored = np.dtype(how.get("dtype", data.dtype)) if packed else data.dtype
    of_stored, of_values = limits_in(attributes, stored, hinted_dtype(stored, [how.get("_Unsigned")]))
    scale, offset = how.get("scale_factor", 1), how.get("add_offset", 0)
    code = Convention(data.dtype, data.dtype, scale, offset)  # the operations, in the dtype, that made the values
    if packed:
        low, high = (None if n is None else code.decode(np.array([n], data.dtype), 0, address)[0] for n in of_stored)
    else:
        low, high = of_stored
    low, high = (high, low) if packed and scale < 0 else (low, high)
    limits = [value if value is not None else other for value, other in zip((low, high), of_values, strict=True)]
    return Convention(data.dtype, data.dtype, limits=(limits[0], limits[1]))
