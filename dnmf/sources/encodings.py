"""How the stored bytes of a chunk become values, for the encodings that can be decoded straight into place."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.checksums import crc32c_of

CHECKSUM_BYTES = 4
BLOSC_HEADER_BYTES = 16


@dataclass(frozen=True)
class Encoding:
    """Values in the byte order of this machine, perhaps compressed, perhaps followed by a checksum.

    Attributes
    ----------
    compressor : numcodecs codec or None
        Blosc or Zstandard.
    decoded_bytes : callable or None
        What the header of compressed bytes says of their decoded length; None where it says nothing.
    checked : bool
        Whether a CRC-32C follows.
    """

    compressor: Any = None
    decoded_bytes: Callable[[np.ndarray], int | None] | None = None
    checked: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the stored bytes are the values themselves."""
        return self.compressor is None and not self.checked

    def decode(self, stored: np.ndarray, target: np.ndarray) -> None:
        """Decode bytes into `target`, a flat array of bytes that they fill exactly.

        Raises
        ------
        ValueError, RuntimeError
            The checksum does not fit, they do not decode, or to another length.
        """
        content = _without_checksum(stored) if self.checked else stored
        if self.compressor is not None and self.decoded_bytes is not None:
            if self.decoded_bytes(content) == target.nbytes:
                self.compressor.decode(content, target)
                return
            content = np.frombuffer(self.compressor.decode(content), np.uint8)  # the codec judges what its header hides
        if content.nbytes != target.nbytes:
            raise ValueError(f"{content.nbytes} bytes where {target.nbytes} belong")
        target[:] = content


def _without_checksum(stored: np.ndarray) -> np.ndarray:
    content, checksum = stored[:-CHECKSUM_BYTES], stored[-CHECKSUM_BYTES:]
    if len(checksum) < CHECKSUM_BYTES or crc32c_of(content) != int.from_bytes(checksum.tobytes(), "little"):
        raise ValueError("the stored and the computed checksum do not match")
    return content


def _blosc_decoded_bytes(stored: np.ndarray) -> int:
    header = stored[:BLOSC_HEADER_BYTES].tobytes()
    if len(header) < BLOSC_HEADER_BYTES or int.from_bytes(header[12:16], "little") > stored.nbytes:
        raise ValueError(f"{stored.nbytes} bytes are not all that blosc wrote")  # it would read on behind them
    return int.from_bytes(header[4:8], "little")


def _zstd_decoded_bytes(stored: np.ndarray) -> int | None:
    """The content size in the header of a Zstandard frame (RFC 8878, 3.1.1.1)."""
    header = stored[:18].tobytes()
    if len(header) < 6:
        return None
    descriptor = header[4]
    is_single_segment = descriptor >> 5 & 1
    at = 6 - is_single_segment + (0, 1, 2, 4)[descriptor & 3]
    width = (is_single_segment, 2, 4, 8)[descriptor >> 6]
    if not width:
        return None
    return int.from_bytes(header[at : at + width], "little") + (256 if width == 2 else 0)


def _compressed(name: str, checked: bool) -> Encoding | None:
    import numcodecs

    if name == "blosc":
        return Encoding(numcodecs.Blosc(), _blosc_decoded_bytes, checked)
    if name == "zstd":
        return Encoding(numcodecs.Zstd(), _zstd_decoded_bytes, checked)
    return None


def encoding_of_codecs(codecs: Sequence[dict[str, Any]], itemsize: int) -> Encoding | None:
    """Return the encoding that the codecs of a Zarr v3 array (or of the chunks in a shard) make, None for others."""
    names = [str(codec["name"]) for codec in codecs]
    checked = names[-1:] == ["crc32c"]
    body = names[: len(names) - checked]
    if body[:1] != ["bytes"] or len(body) > 2:
        return None
    order = codecs[0].get("configuration", {}).get("endian", sys.byteorder)
    if order != sys.byteorder and itemsize > 1:
        return None
    return Encoding(checked=checked) if len(body) == 1 else _compressed(body[1], checked)


def encoding_of_compressor(compressor: dict[str, Any] | None) -> Encoding | None:
    """Return the encoding that the compressor of a Zarr v2 array makes, None for others."""
    return Encoding() if compressor is None else _compressed(str(compressor["id"]), checked=False)
