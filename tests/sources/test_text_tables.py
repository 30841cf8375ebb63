"""A table of text is refused with the call of pandas that reads it, whatever separates, precedes or encodes it."""

import bz2
import gzip
import re

import numpy as np
import pandas
import pytest
import scipy.io  # noqa: F401  named in what is evaluated
import sklearn.datasets  # noqa: F401

import dnmf
from dnmf.errors import InputError

FRAME = pandas.DataFrame([[1.0, 2.5, 0.0], [4.0, 0.25, 6.0]], ["x", "y"], ["a", "b", "c"])
PLAIN = FRAME.to_csv()


def separated_by(sep, **options):
    return FRAME.to_csv(sep=sep, **options)


TABLES = {
    "comma": (PLAIN, "index_col=0"),
    "semicolon": (separated_by(";"), "sep=';', index_col=0"),
    "semicolon, decimal commas": (separated_by(";", decimal=","), "sep=';', decimal=',', index_col=0"),
    "tab": (separated_by("\t"), r"sep='\t', index_col=0"),
    "tab, decimal commas": (separated_by("\t", decimal=","), r"sep='\t', decimal=',', index_col=0"),
    "bar": (separated_by("|"), "sep='|', index_col=0"),
    "space": (separated_by(" ", index_label="name"), r"sep=r'\s+', index_col=0"),
    "aligned": (FRAME.to_string(), r"sep=r'\s+', index_col=0"),
    "as R writes it": ('"a" "b" "c"\n"x" 1 2.5 0\n"y" 4 0.25 6\n', r"sep=r'\s+', index_col=0"),
    "as R writes it, by tabs": ("a\tb\tc\nx\t1\t2.5\t0\ny\t4\t0.25\t6\n", r"sep='\t', index_col=0"),
    "quoted": (separated_by(",", quoting=1), "index_col=0"),
    "comments": ("# made\n# by hand, twice\n" + PLAIN, "comment='#', index_col=0"),
    "comments of another sign": ("% made, by, hand\n" + separated_by("\t"), r"sep='\t', comment='%', index_col=0"),
    "comments in between": (PLAIN.replace("y,", "# half of it\ny,"), "comment='#', index_col=0"),
    "a header that looks like a comment": ("#name" + separated_by("\t"), r"sep='\t', index_col=0"),
    "a header below a comment that looks like one": ("#made\n#name" + PLAIN, "skiprows=1, index_col=0"),
    "line feeds of Windows": (PLAIN.replace("\n", "\r\n"), "index_col=0"),
    "line feeds of old Macs": (PLAIN.replace("\n", "\r"), "index_col=0"),
    "a byte order mark": ("\ufeff" + PLAIN, "index_col=0"),
    "rows with numbers for names": (PLAIN.replace("x", "1").replace("y", "2"), "index_col=0"),
    "rows with numbers, called so": ("cell_id" + PLAIN.replace("x", "11").replace("y", "7"), "index_col=0"),
}
ODD_NAMES = {
    "comments and the same sign in a name": "# made\n" + PLAIN.replace("y", "gene#2"),
    "Latin letters of one byte": PLAIN.replace("x", "Gr\u00fc\u00dfe").encode("latin-1"),
    "Latin letters far behind": (PLAIN + "n,1,2,3\n" * 2000).encode() + "\u00e4,1,2,3\n".encode("latin-1"),
    "a separator within quotes": PLAIN.replace("x", '"one, or two"'),
    "a header beyond the first page": "," + ",".join(f"c{i}" for i in range(5000)) + "\nx" + ",1" * 5000 + "\n",
}


def call_in(path):
    with pytest.raises(InputError, match="a table of text") as refused:
        dnmf.open_source(path)
    return re.search(r"dnmf\.fit\((pandas\.read_csv\(.*?\)), rank\)", str(refused.value))[1]


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def options_in(call):
    return call.removesuffix(")").partition(", ")[2]


@pytest.mark.parametrize("kind", TABLES)
def test_the_call_reads_the_table(tmp_path, kind):
    text, options = TABLES[kind]
    call = call_in(written(tmp_path / "table", text))
    np.testing.assert_array_equal(eval(call).to_numpy(), FRAME.to_numpy())
    assert options_in(call) == options


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_the_call_reads_tables_with_odd_names(tmp_path, kind):
    frame = eval(call_in(written(tmp_path / "table", ODD_NAMES[kind])))
    assert all(dtype.kind in "if" for dtype in frame.dtypes)
    assert frame.shape[1] in (3, 5000)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1 2 3\n4 5 6\n", r"sep=r'\s+', header=None"),
        ("1.5,2\n0,1e-3\n", "header=None"),
        ("# made by savetxt\n1 2 3\n4 5 6\n", r"sep=r'\s+', comment='#', header=None"),
        ("width,height\n1.5,2\n0.5,3\n", ""),
    ],
)
def test_no_row_and_no_column_of_numbers_is_taken_for_names(tmp_path, text, options):
    call = call_in(written(tmp_path / "table", text))
    assert options_in(call) == options
    assert eval(call).shape == (2, len(re.split(r"[\s,]+", text.strip().splitlines()[-1])))


def test_where_a_first_column_of_numbers_may_be_names_it_is_said(tmp_path):
    path = written(tmp_path / "table", "width,height\n1.5,2\n0.5,3\n")
    with pytest.raises(InputError, match=r"rank\) \(with index_col=0 too, if its first column holds names\), or"):
        dnmf.open_source(path)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.zarr", "a.h5ad", "a.npy", "a.npz", "a.h5", "a.csv.gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("call", [dnmf.open_source, lambda path: dnmf.convert(path, path.parent / "out.zarr")])
def test_a_table_is_one_whatever_its_name(tmp_path, name, pack, call):
    path = written(tmp_path / name, pack(PLAIN.encode()))
    with pytest.raises(InputError, match=r"a table of text; .*pandas\.read_csv\("):
        call(path)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.zarr", "a.h5ad", "a.npy", "a.npz"])
@pytest.mark.parametrize("text", ["Dear reader,\nthis is a letter, no table.\n\nYours\n", "word", "one\ntwo\nthree\n"])
def test_text_without_columns_is_called_no_table(tmp_path, name, text):
    with pytest.raises(InputError, match="text, but no table; dnmf reads Zarr stores"):
        dnmf.open_source(written(tmp_path / name, text))


OTHERS = {
    "HTML": ("<div><table><tr><td>1</td></tr></table></div>", "XML or HTML; .*as an array"),
    "XML": ('\ufeff<?xml version="1.0"?>\n<a b="1"/>', "XML or HTML"),
    "JSON": ('{"a": [1, 2], "b": [3, 4]}\n', "JSON; .*as an array"),
    "JSON of lists": ("[[1, 2],\n [3, 4]]\n", "JSON"),
    "svmlight": ("1 1:0.5 7:2\n-1 2:1 3:4 # last\n", r"svmlight.*load_svmlight_file\('\S+'\)\[0\]"),
    "svmlight with queries": ("# made\n3 qid:1 1:1 2:1\n", "svmlight"),
    "ARFF": ("@relation a\n@attribute x numeric\n@data\n1\n2\n", r"loadarff\('\S+'\)"),
    "GCT": ("#1.2\n1\t2\t\nName\tDescription\ta\tb\nx\tfirst\t1\t2\n", r"skiprows=2.*drop\(columns='Description'\)"),
    "FITS": ("SIMPLE  =                    T".ljust(80), r"astropy\.io\.fits\.getdata"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z x "),
    "RAR": (b"Rar!\x1a\x07\x01\x00", "unrar x "),
}


@pytest.mark.parametrize("name", ["a", "a.npz", "a.zarr"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_table_is_not_called_one(tmp_path, kind, name):
    content, way = OTHERS[kind]
    with pytest.raises(InputError, match=way) as refused:
        dnmf.open_source(written(tmp_path / name, content))
    assert "a table of text" not in str(refused.value)


@pytest.mark.parametrize("kind", ["GCT", "ARFF", "svmlight"])
def test_the_way_of_other_texts_works(tmp_path, kind):
    with pytest.raises(InputError) as refused:
        dnmf.open_source(written(tmp_path / "a", OTHERS[kind][0]))
    matrix = eval(re.search(r"dnmf\.fit\((.*?), rank\)", str(refused.value))[1])
    assert matrix.shape == {"GCT": (1, 2), "ARFF": (2, 1), "svmlight": (2, 7)}[kind]
