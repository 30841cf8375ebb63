"""Checksums: the published CRC32C, and that of an array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from dnmf.checksums import crc32c_of


def test_the_checksum_is_the_published_crc32c():
    assert crc32c_of(b"123456789") == 0xE3069283  # the check value by which CRCs are catalogued
    assert crc32c_of(bytes(32)) == 0x8A9136AA  # RFC 3720, appendix B.4
    assert crc32c_of(b"") == 0


@given(
    array=hnp.arrays(
        dtype=hnp.scalar_dtypes(),
        shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_the_checksum_of_an_array_is_that_of_its_bytes_in_c_order(array):
    expected = crc32c_of(array.tobytes())
    assert crc32c_of(array) == expected
    assert crc32c_of(np.asfortranarray(array)) == expected
    assert crc32c_of(bytearray(array.tobytes())) == expected
    assert crc32c_of(memoryview(array.tobytes())) == expected


def test_the_checksum_of_python_objects_is_refused():
    with pytest.raises(TypeError, match="no bytes"):
        crc32c_of(np.array([{}]))
