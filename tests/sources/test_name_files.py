"""Files of names: one a line, whatever the line ends with and the file is compressed by."""

import bz2
import gzip
import lzma

import pytest

from dnmf.errors import InputError
from dnmf.sources.name_files import read_names

NAMES = ["été", "", "a\tb", " spaced ", "twice", "twice", "🧬", '"quoted"']
TEXT = "\n".join(NAMES).encode()
FILES = {
    "no last newline": TEXT,
    "last newline": TEXT + b"\n",
    "of Windows": TEXT.replace(b"\n", b"\r\n"),
    "with a byte order mark": b"\xef\xbb\xbf" + TEXT,
    "UTF-16": TEXT.decode().encode("utf-16"),
    "UTF-16 of the other order": b"\xfe\xff" + TEXT.decode().encode("utf-16-be"),
    "UTF-16 of Windows": b"\xff\xfe" + TEXT.decode().replace("\n", "\r\n").encode("utf-16-le"),
    "UTF-32": TEXT.decode().encode("utf-32"),
    "UTF-16 in gzip": gzip.compress(TEXT.decode().encode("utf-16")),
    "gzip": gzip.compress(b"\xef\xbb\xbf" + TEXT),
    "bzip2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
}


@pytest.mark.parametrize("kind", FILES)
def test_each_line_is_a_name(tmp_path, kind):
    (tmp_path / "names").write_bytes(FILES[kind])
    assert read_names(tmp_path / "names", len(NAMES)).tolist() == NAMES
    assert read_names(tmp_path / "names").tolist() == NAMES


def test_empty_lines_at_the_end_are_no_names(tmp_path):
    (tmp_path / "names").write_bytes(b"a\nb\n\n\n")
    assert read_names(tmp_path / "names", 2).tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\nc\n", "3 names for 2 genes; is its first line a heading"),
        (b"a\n", "1 names for 2 genes"),
        (b"", "0 names for 2 genes"),
        (b"x" * 2**21, "cannot be read.*longer than"),
        (b"caf\xe9\nb\n", "not UTF-8.*iconv -f LATIN1"),
        ("a\nb\n".encode("utf-16-le"), "zero bytes.*iconv -f UTF-16"),
        (b"\xff\xfe" + b"a\x00\n\x00b", "not UTF-16"),
        (gzip.compress(b"a\nb\n")[:-9], "cannot be read"),
        (b"\x28\xb5\x2f\xfd\x00", "zstandard|cannot be read"),
    ],
)
def test_a_file_of_other_names_is_refused(tmp_path, content, message):
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_names(tmp_path / "names", 2, "genes")
    assert str(tmp_path / "names") in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: there is nothing"):
        read_names(tmp_path / "none.txt")


@pytest.mark.slow
def test_many_names_are_read(tmp_path):
    (tmp_path / "names").write_text("".join(f"name {i}\n" for i in range(150_000)))
    names = read_names(tmp_path / "names", 150_000)
    assert (names[0], names[-1]) == ("name 0", "name 149999")
