"""One checksum for everything dnmf stores or compares: CRC-32C, as in Zarr's ``crc32c`` codec."""

from typing import cast

import google_crc32c
import numpy as np


def crc32c_of(content: bytes | bytearray | memoryview | np.ndarray) -> int:
    """Return the CRC-32C (Castagnoli) of bytes, or of an array's elements in C order.

    The dtype and the shape of an array are not part of it: two arrays of the same bytes have the same
    checksum. It finds damage (every burst of up to 32 bits), not a forger.

    Parameters
    ----------
    content : bytes-like or numpy.ndarray
        Read only; an array that is not C-contiguous is copied first.

    Returns
    -------
    int
        From 0 to 2**32 - 1.

    Raises
    ------
    TypeError
        For an array of Python objects, whose bytes are only addresses.

    Examples
    --------
    >>> hex(crc32c_of(b"123456789"))
    '0xe3069283'
    """
    if not isinstance(content, np.ndarray):
        content = np.frombuffer(content, np.uint8) if len(content) else np.empty(0, np.uint8)
    if content.dtype.hasobject:
        raise TypeError(f"an array of dtype {content.dtype} has no bytes to take a checksum of")
    octets = np.ascontiguousarray(content).reshape(-1).view(np.uint8)
    return cast(int, google_crc32c.value(octets))
