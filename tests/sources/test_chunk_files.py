"""Local Zarr arrays are decoded straight into place: what comes equals what Zarr reads, and damage is an error."""

import itertools
import shutil
from unittest import mock

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from dnmf.errors import InputError
from dnmf.sources.chunk_files import chunk_files_of
from dnmf.sources.encodings import encoding_of_codecs, encoding_of_compressor
from dnmf.sources.forward import ForwardReader
from dnmf.sources.opened import OpenedArrays
from dnmf.sources.stored import StoredArray

V3 = {
    "plain": None,
    "checked": [Crc32cCodec()],
    "lz4": [BloscCodec(cname="lz4", shuffle="shuffle")],
    "lz4, checked": [BloscCodec(cname="lz4"), Crc32cCodec()],
    "blosc of zstd": [BloscCodec(cname="zstd", shuffle="bitshuffle")],
    "zstd": [ZstdCodec()],
    "zstd, its own checksum": [ZstdCodec(checksum=True)],
    "zstd, checked": [ZstdCodec(), Crc32cCodec()],
}
V2 = {"plain": None, "blosc": numcodecs.Blosc(), "zstd": numcodecs.Zstd(checksum=True)}
LEFT_TO_ZARR = {
    "gzip": {"compressors": [GzipCodec()]},
    "a checksum inside": {"compressors": [Crc32cCodec(), ZstdCodec()]},
    "two compressors": {"compressors": [ZstdCodec(), BloscCodec()]},
    "gzip in shards": {"compressors": [GzipCodec()], "shards": (8, 6)},
    "transposed": {"filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
    "other byte order": {"serializer": zarr.codecs.BytesCodec(endian="big")},
    "lz4 of v2": {"zarr_format": 2, "compressors": numcodecs.LZ4()},
    "filter of v2": {"zarr_format": 2, "filters": [numcodecs.Delta("f4")]},
    "column-major": {"zarr_format": 2, "order": "F"},
    "other byte order of v2": {"zarr_format": 2, "dtype": ">f4"},
}


def values_of(shape, dtype="f4"):
    return np.random.default_rng(0).integers(0, 9, shape).astype(dtype)


def stored(path, shape=(23, 6), chunks=(4, 6), dtype="f4", **how):
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype=dtype, overwrite=True,
                              config={"write_empty_chunks": True}, **how)  # fmt: skip
    array[...] = values_of(shape, dtype)
    return zarr.open_array(path, mode="r")


def read_in_place(array, start, stop, **how):
    target = np.full((stop - start, *array.shape[1:]), 77, array.dtype)
    chunk_files_of(array).read(target, start, **how)
    return target


def zarr_refused():
    """Zarr's own way to read, which must not be taken."""
    return mock.patch.object(zarr.Array, "__getitem__", side_effect=AssertionError("read by Zarr"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("arrays")


@st.composite
def arrays(draw):
    """Arguments of :func:`stored` for a vector or a matrix of any cut, and rows of it."""
    shape = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=2)))
    chunks = tuple(draw(st.integers(1, n + 3)) for n in shape)
    how = {"shape": shape, "chunks": chunks, "dtype": draw(st.sampled_from(["f4", "u2", "i8", "?", "f2"]))}
    if draw(st.booleans()):
        how |= {"zarr_format": 2, "compressors": V2[draw(st.sampled_from(sorted(V2)))]}
    else:
        how["compressors"] = V3[draw(st.sampled_from(sorted(V3)))]
        if draw(st.booleans()):
            how["shards"] = tuple(c * draw(st.integers(1, 3)) for c in chunks)
    start = draw(st.integers(0, shape[0] - 1))
    return how, start, draw(st.integers(start + 1, shape[0]))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(arrays(), st.sampled_from([None, 3]))
def test_what_is_read_equals_the_array(folder, case, threads):
    how, start, stop = case
    array = stored(folder / "a.zarr", **how)
    with zarr.config.set({"threading.max_workers": threads}), zarr_refused():
        got = read_in_place(array, start, stop)
    np.testing.assert_array_equal(got, values_of(array.shape, array.dtype)[start:stop])


@pytest.mark.parametrize("shards", [None, (8, 6)])
@pytest.mark.parametrize("codecs", V3)
def test_zarr_is_not_asked_to_decode(tmp_path, codecs, shards):
    stored(tmp_path / "a.zarr", compressors=V3[codecs], shards=shards)
    array = StoredArray(tmp_path / "a.zarr", "")
    with zarr_refused():
        np.testing.assert_array_equal(array.read(3, 22), values_of((23, 6))[3:22])


@pytest.mark.parametrize("how", LEFT_TO_ZARR)
def test_what_is_not_known_here_is_left_to_zarr(tmp_path, how):
    assert chunk_files_of(stored(tmp_path / "a.zarr", **LEFT_TO_ZARR[how])) is None
    np.testing.assert_array_equal(StoredArray(tmp_path / "a.zarr", "").read(3, 22), values_of((23, 6))[3:22])


def test_a_way_of_decoding_that_the_user_chose_is_taken(tmp_path):
    array = stored(tmp_path / "a.zarr")
    with zarr.config.set({"codec_pipeline.path": "another.Pipeline"}):
        assert chunk_files_of(array) is None


def test_an_array_that_is_not_on_a_file_system_is_left_to_zarr():
    assert chunk_files_of(zarr.create_array({}, shape=(4, 4), chunks=(2, 2), dtype="f4")) is None


# ---- what is not there


@pytest.mark.parametrize("shards", [None, (8, 6)])
def test_an_absent_object_is_refused_or_read_as_zarr_does(tmp_path, shards):
    array = stored(tmp_path / "a.zarr", shards=shards)
    (tmp_path / "a.zarr/c/1/0").unlink()
    with pytest.raises(InputError, match=r"chunk c/1/0 \(elements 3:22 .* missing or empty"):
        StoredArray(tmp_path / "a.zarr", "").read(3, 22)
    got = StoredArray(tmp_path / "a.zarr", "", "zeros").read(3, 22)
    np.testing.assert_array_equal(got, array[3:22])
    assert (got == 0).all(axis=1).any()


def test_a_chunk_left_out_of_a_shard_is_read_as_zarr_does(tmp_path):
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(23, 6), chunks=(4, 3), shards=(8, 6), dtype="f4", fill_value=5
    )
    array[9:15] = 1
    array[17, 4] = 1
    array[0, 0] = 1
    with zarr_refused():
        got = StoredArray(tmp_path / "a.zarr", "").read(0, 23)
    np.testing.assert_array_equal(got, array[:])


def test_an_array_that_became_another_is_refused(tmp_path, monkeypatch):
    stored(tmp_path / "a.zarr")
    known = StoredArray(tmp_path / "a.zarr", "")
    shutil.rmtree(tmp_path / "a.zarr")
    stored(tmp_path / "a.zarr", shape=(12, 6))
    known._opened = None  # as in another process
    monkeypatch.setattr("dnmf.sources.stored.OPENED", OpenedArrays())
    with pytest.raises(InputError, match=r"its shape was \(23, 6\) and is \(12, 6\) now"):
        known.read(10, 20)


# ---- damage

DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "a byte short": lambda content: content[:-1],
    "one byte": lambda content: content[:1],
    "of zeros": lambda content: bytes(len(content)),
}


@pytest.mark.broad(20)
@pytest.mark.parametrize("harm", DAMAGE)
@pytest.mark.parametrize("shards", [None, (8, 6)])
@pytest.mark.parametrize("codecs", V3)
def test_a_damaged_object_is_an_error_that_names_it(tmp_path, codecs, shards, harm):
    if codecs == "plain" and harm == "of zeros" and not shards:
        pytest.skip("these are values like any others")
    stored(tmp_path / "a.zarr", compressors=V3[codecs], shards=shards)
    file = tmp_path / "a.zarr/c/1/0"
    file.write_bytes(DAMAGE[harm](file.read_bytes()))
    with pytest.raises(InputError, match=r"a\.zarr: elements 3:22 .* cannot be read \(ValueError: c/1/0: "):
        StoredArray(tmp_path / "a.zarr", "").read(3, 22)


@pytest.mark.parametrize("rows", [3, 5])
@pytest.mark.parametrize("codecs", V3)
def test_a_chunk_of_another_length_is_an_error(tmp_path, codecs, rows):
    """It decodes well, but not to what belongs there."""
    for name, chunk in (("a.zarr", 4), ("b.zarr", rows)):
        stored(tmp_path / name, chunks=(chunk, 6), compressors=V3[codecs])
    shutil.copy(tmp_path / "b.zarr/c/1/0", tmp_path / "a.zarr/c/1/0")
    with pytest.raises(InputError, match=f"c/1/0: {rows * 24} bytes where 96 belong"):
        StoredArray(tmp_path / "a.zarr", "").read(0, 8)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0"])
@pytest.mark.parametrize("rows", [(4, 5), (7, 8), (5, 7)])
def test_a_part_of_a_chunk_of_another_length_is_an_error(tmp_path, rows, change):
    stored(tmp_path / "a.zarr", compressors=None)
    assert np.array_equal(StoredArray(tmp_path / "a.zarr", "").read(*rows), values_of((23, 6))[slice(*rows)])
    file = tmp_path / "a.zarr/c/1/0"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(InputError, match=r"c/1/0: 9[57] bytes where 96 belong"):
        StoredArray(tmp_path / "a.zarr", "").read(*rows)


@pytest.mark.broad(2)
@pytest.mark.parametrize("codecs", ["checked", "lz4, checked", "zstd, checked", "zstd, its own checksum"])
def test_every_flipped_bit_under_a_checksum_is_found(tmp_path, codecs):
    stored(tmp_path / "a.zarr", compressors=V3[codecs])
    array, file = StoredArray(tmp_path / "a.zarr", ""), tmp_path / "a.zarr/c/1/0"
    content, expected = file.read_bytes(), values_of((23, 6))[4:8]
    for bit in range(0, 8 * len(content), 7):
        harmed = bytearray(content)
        harmed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(harmed)
        try:
            assert np.array_equal(array.read(4, 8), expected)  # a bit of the header that means nothing
        except InputError:
            continue


def test_a_shard_whose_index_leads_outside_it_is_an_error(tmp_path):
    how = {"index_codecs": [zarr.codecs.BytesCodec()], "codecs": [zarr.codecs.BytesCodec()], "chunk_shape": (4, 6)}
    stored(tmp_path / "a.zarr", chunks=(8, 6), serializer=zarr.codecs.ShardingCodec(**how), compressors=None)
    file = tmp_path / "a.zarr/c/0/0"
    content = bytearray(file.read_bytes())
    content[-8:] = (10**15).to_bytes(8, "little")
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"c/0/0: 224 bytes, but a chunk should end at"):
        StoredArray(tmp_path / "a.zarr", "").read(0, 8)


# ---- lengths


def raw_frame(content, header):
    """A Zstandard frame that holds `content` as it is (RFC 8878)."""
    block = ((len(content) << 3) | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd" + header + block + content


WINDOW_ONLY = b"\x00\x58"  # no content size


@pytest.mark.parametrize("frames", [1, 2])
def test_zstd_without_its_length_or_in_several_frames_is_read_as_zarr_does(tmp_path, frames):
    array = stored(tmp_path / "a.zarr", chunks=(23, 6), compressors=[ZstdCodec()])
    content = (values_of((23, 6)) + 1).tobytes()
    cut = len(content) // frames
    parts = [raw_frame(content[i * cut : (i + 1) * cut], WINDOW_ONLY) for i in range(frames)]
    (tmp_path / "a.zarr/c/0/0").write_bytes(b"".join(parts))
    np.testing.assert_array_equal(StoredArray(tmp_path / "a.zarr", "").read(0, 23), array[:])


@pytest.mark.parametrize("compressor", ["zstd", "blosc"])
@pytest.mark.parametrize("length", [1, 200, 255, 256, 257, 65_791, 65_792, 70_000, 2**20])
def test_the_length_in_the_header_is_that_of_the_content(compressor, length):
    encoding = encoding_of_compressor({"id": compressor})
    content = np.arange(length, dtype="u4").view("u1")[:length].copy()
    stored_bytes = np.frombuffer(encoding.compressor.encode(content), "u1")
    assert encoding.decoded_bytes(stored_bytes) == length
    target = np.zeros_like(content)
    encoding.decode(stored_bytes, target)
    np.testing.assert_array_equal(target, content)


def test_codecs_without_a_byte_order_are_for_single_bytes():
    assert encoding_of_codecs([{"name": "bytes"}], 1).is_plain
    assert encoding_of_codecs([{"name": "bytes", "configuration": {"endian": "big"}}], 4) is None
    assert encoding_of_codecs([{"name": "vlen-utf8"}], 1) is None


# ---- one after the other


@pytest.mark.parametrize("compressors", ["plain", "lz4, checked"])
def test_neighbouring_spans_decode_every_chunk_once(tmp_path, compressors):
    stored(tmp_path / "a.zarr", shape=(200,), chunks=(30,), compressors=V3[compressors])
    array = StoredArray(tmp_path / "a.zarr", "")
    reader, opened = ForwardReader(array), []
    files = type(array._open()[1])
    real = files._read_object

    def counted(self, file, corner, panel):
        opened.append(corner[0])
        real(self, file, corner, panel)

    cuts = [7, 8, 29, 31, 100, 120, 150, 151, 200]
    with mock.patch.object(files, "_read_object", counted):
        parts = [reader.read(low, high) for low, high in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), values_of((200,))[7:])
    assert opened == list(range(0, 200, 30))
