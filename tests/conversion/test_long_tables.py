"""A table with a line for each entry gives the matrix that its lines say, with its names; bad lines are named."""

import bz2
import csv
import gzip

import anndata
import numpy as np
import pytest
from command_line import call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dnmf
from dnmf.conversion import long_text
from dnmf.errors import InputError

RATINGS = [("ann", "Alien", 5), ("bob", "Brazil", 3.5), ("ann", "Brazil", 0), ("cy, jr", "Alien", 1)]


def written(path, lines, header=("user", "item", "rating"), **more):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, **more).writerows([header, *lines] if header else lines)
    return path


def entries_of(path):
    """What a store holds, by names: stored zeros too."""
    data = anndata.read_zarr(path)
    rows = np.repeat(data.obs_names.to_numpy(), np.diff(data.X.indptr))
    return {(row, data.var_names[j]): x for row, j, x in zip(rows, data.X.indices, data.X.data.tolist(), strict=True)}


def expected(lines):
    return {(str(row), str(column)): value for row, column, value in lines}


def test_a_line_is_an_entry_and_names_come_in_the_order_of_appearance(tmp_path):
    report = dnmf.convert(written(tmp_path / "r.csv", RATINGS), tmp_path / "r.zarr")
    assert (report.shape, report.nonzeros, report.dtype, report.kind) == ((3, 2), 4, "float32", "csr")
    assert (report.row_names, report.column_names) == (True, True)
    assert entries_of(tmp_path / "r.zarr") == expected(RATINGS)
    data = anndata.read_zarr(tmp_path / "r.zarr")
    assert list(data.obs_names) == ["ann", "bob", "cy, jr"]
    assert (data.obs_names.name, data.var_names.name) == ("user", "item")
    assert report.notes == (
        f"{tmp_path / 'r.csv'}: read as a long table, rows from user, columns from item, values from rating; --long "
        "says it otherwise",
    )
    source = dnmf.open_source(tmp_path / "r.zarr", missing="unstored")
    assert source.row_names().tolist() == ["ann", "bob", "cy, jr"]


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entries=st.dictionaries(st.tuples(names, names), st.floats(0, 1e6, width=32), min_size=1, max_size=60),
    separator=st.sampled_from(",\t;| "), transpose=st.booleans(), at_once=st.integers(1, 20),
)  # fmt: skip
@pytest.mark.slow
def test_any_table_equals_its_lines(tmp_path_factory, monkeypatch, entries, separator, transpose, at_once):
    folder = tmp_path_factory.mktemp("long")
    monkeypatch.setattr(long_text, "LINES_AT_ONCE", at_once)
    lines = [(row, column, value) for (row, column), value in entries.items()]
    path = written(folder / "t", lines, delimiter=separator, quoting=csv.QUOTE_ALL)
    report = dnmf.convert(path, folder / "t.zarr", transpose=transpose, memory_bytes=2**20)
    found = entries_of(folder / "t.zarr")
    assert {(pair[::-1] if transpose else pair): x for pair, x in found.items()} == entries
    assert report.dtype == ("float32" if any(value != int(value) for _, _, value in lines) else report.dtype)


def test_whole_values_become_the_narrowest_integers(tmp_path):
    lines = [("a", "x", "4.0"), ("b", "x", "300")]
    assert dnmf.convert(written(tmp_path / "r.csv", lines), tmp_path / "r.zarr").dtype == "uint16"
    assert dnmf.convert(written(tmp_path / "s.csv", lines), tmp_path / "s.zarr", dtype="float64").dtype == "float64"


@pytest.mark.slow
def test_without_values_each_line_is_a_one(tmp_path):
    path = written(tmp_path / "r.tsv", [pair[:2] for pair in RATINGS], ("userId", "movieId"), delimiter="\t")
    dnmf.convert(path, tmp_path / "r.zarr")
    assert entries_of(tmp_path / "r.zarr") == dict.fromkeys(expected(RATINGS), 1)


FIELDS = [(8, "Alien", "ann", 5), (9, "Brazil", "bob", 3.5)]


@pytest.mark.broad(3)
@pytest.mark.parametrize(
    ("header", "long"),
    [
        (("time", "what", "who", "stars"), "who,what,stars"),
        (("time", "what", "who", "stars"), ("who", "what", "stars")),
        (("time", "what", "who", "stars"), (2, 1, 3)),
        (None, "2,1,3"),
        (("time", "film", "member", "rating"), None),
    ],
)
def test_columns_are_found_by_name_number_or_what_they_are_called(tmp_path, header, long):
    dnmf.convert(written(tmp_path / "r.csv", FIELDS, header), tmp_path / "r.zarr", long=long)
    assert entries_of(tmp_path / "r.zarr") == {("ann", "Alien"): 5, ("bob", "Brazil"): 3.5}


def test_numbers_alone_need_no_header(tmp_path):
    dnmf.convert(written(tmp_path / "r.tsv", [(7, 3), (9, 3)], None, delimiter="\t"), tmp_path / "r.zarr", long="0,1")
    assert entries_of(tmp_path / "r.zarr") == {("7", "3"): 1, ("9", "3"): 1}


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress])
def test_compressed_files_are_read_by_their_content(tmp_path, packed):
    plain = written(tmp_path / "r.csv", RATINGS).read_bytes()
    (tmp_path / "packed.csv").write_bytes(packed(b"\xef\xbb\xbf" + plain))
    dnmf.convert(tmp_path / "packed.csv", tmp_path / "r.zarr")
    assert entries_of(tmp_path / "r.zarr") == expected(RATINGS)


@pytest.mark.slow
def test_several_lines_for_an_entry_are_refused_or_added_up(tmp_path):
    path = written(tmp_path / "r.csv", [*RATINGS, ("bob", "Brazil", 2), ("bob", "Brazil", 2)])
    for transpose in (False, True):
        with pytest.raises(InputError, match="line 6: user 'bob' and item 'Brazil' were there before .*line 3.*sum"):
            dnmf.convert(path, tmp_path / "r.zarr", transpose=transpose)
    assert not (tmp_path / "r.zarr").exists()
    dnmf.convert(path, tmp_path / "r.zarr", duplicates="sum")
    assert entries_of(tmp_path / "r.zarr") == {**expected(RATINGS), ("bob", "Brazil"): 7.5}


BAD = {
    "ann,Alien": "line 5: 'ann, Alien' has 2 fields, the first line has 3",
    "ann,Alien,5,1": "has 4 fields, the first line has 3",
    "ann,Cube,good": "line 5: the value 'good' is not a number",
    "ann,Cube,": "line 5: the value '' is not a number",
    "ann,Cube,-1": "line 5: the value -1 is negative",
    "ann,Cube,nan": "line 5: the value nan is not finite",
    'ann,"Cube,1': r"line \d: cannot be read \(unexpected end of data\)",
    'ann,"Cu"be,1': "line 5: cannot be read",
    ",Cube,1": "line 5: user is empty",
    "ann,,1": "line 5: item is empty",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "r.csv"
    path.write_text('user,item,rating\nann,"Al\nien",5\n\n' + line + "\nbob,Alien,1\n")
    with pytest.raises(InputError, match=BAD[line]):
        dnmf.convert(path, tmp_path / "r.zarr")
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.csv"]


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("user,item,rating\n", {}, "has no entries"),
        ("user,item,rating\na,b,1\n", {"long": "user,film"}, "no column film; its first line is: user, item, rating"),
        ("user,item,rating\na,b,1\n", {"long": "0,1,3"}, "no column 0, 1, 3"),
        ("user,item,rating\na,b,1\n", {"long": "user"}, "give two or three columns"),
        ("user,item,rating\na,b,1\n", {"long": "user,user"}, "give two or three columns"),
        ("user,item,rating\na,b,1\n", {"duplicates": "last"}, "duplicates='last'"),
        ("name,a,b\nx,1,2\ny,3,4\n", {}, "a table of text; give it as a frame.*--long user,item,rating"),
        ("user,item,time\nx,1,2\ny,3,4\n", {}, "a table of text"),
        ("user,item,rating\n\xe4,b,1\n", {}, "is not UTF-8"),
    ],
)
def test_what_is_no_long_table_is_refused(tmp_path, text, more, message):
    (tmp_path / "r.csv").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        dnmf.convert(tmp_path / "r.csv", tmp_path / "r.zarr", **more)


def test_other_files_are_no_long_tables(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    for more in ({"long": "0,1"}, {"duplicates": "sum"}):
        with pytest.raises(InputError, match=r"are for long tables, this is an \.npy file"):
            dnmf.convert(tmp_path / "a.npy", tmp_path / "a.zarr", **more)
    with pytest.raises(InputError, match="have matrices inside them"):
        dnmf.convert(f"{written(tmp_path / 'r.csv', RATINGS)}::X", tmp_path / "a.zarr")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_lines(tmp_path):
    import tracemalloc

    path = tmp_path / "r.csv"
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("user,item,rating\n")
        file.writelines(f"{i % 700},{i // 700},{x}\n" for i, x in enumerate(rng.integers(1, 6, 120_000)))
    tracemalloc.start()
    dnmf.convert(path, tmp_path / "r.zarr", memory_bytes=2**20, chunk_bytes=2**16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20
    assert anndata.read_zarr(tmp_path / "r.zarr").X.nnz == 120_000


def test_the_command_takes_the_same_options(tmp_path):
    path = written(tmp_path / "r.csv", [*FIELDS, FIELDS[0]], ("time", "what", "who", "stars"))
    refused = call("convert", path, tmp_path / "r.zarr", "--long", "who,what,stars")
    assert refused.exit_code == 1
    assert "--duplicates sum" in refused.stderr
    done = call("convert", path, tmp_path / "r.zarr", "--long", "who,what,stars", "--duplicates", "sum")
    assert done.exit_code == 0
    assert entries_of(tmp_path / "r.zarr") == {("ann", "Alien"): 10, ("bob", "Brazil"): 3.5}


def test_a_column_that_is_left_out_is_offered_where_it_may_tell_entries_apart(tmp_path):
    path = written(tmp_path / "r.csv", [("ann", "x", 1, 2), ("ann", "x", 2, 3)], ("user", "item", "month", "count"))
    offered = "month is left out, --long user,item,month,count --row-axes longest makes an array"
    with pytest.raises(InputError, match=offered):
        dnmf.convert(path, tmp_path / "r.zarr")
    dnmf.convert(path, tmp_path / "r.zarr", long="user,item,month,count", row_axes="longest")
    whole = written(tmp_path / "w.csv", [("ann", "x", 1), ("ann", "x", 2)], ("user", "item", "count"))
    with pytest.raises(InputError, match="adds such values up$"):
        dnmf.convert(whole, tmp_path / "w.zarr")


def parquet(path, **columns):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_files_are_read_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("dnmf.conversion.long_parquet.ROWS_AT_ONCE", 3)
    users, items = np.arange(50) // 5, [f"film {j}" for j in np.arange(50) % 5]
    path = parquet(tmp_path / "r.parquet", item=items, rating=np.arange(50) / 2, user_id=users, time=users)
    report = dnmf.convert(path, tmp_path / "r.zarr")
    assert (report.shape, report.dtype) == ((10, 5), "float32")
    lines = zip(users, items, np.arange(50) / 2, strict=True)
    assert entries_of(tmp_path / "r.zarr") == expected(lines)
    dnmf.convert(path, tmp_path / "ones.zarr", long="user_id,item")
    assert set(entries_of(tmp_path / "ones.zarr").values()) == {1}


def test_bad_rows_of_parquet_files_are_named(tmp_path):
    bad = {"user": ["a", "b", None], "item": ["x", "y", "z"], "rating": [1.0, 2.0, 3.0]}
    with pytest.raises(InputError, match=r"r\.parquet: row 2: user is empty"):
        dnmf.convert(parquet(tmp_path / "r.parquet", **bad), tmp_path / "r.zarr")
    bad |= {"user": ["a", "a", "c"], "rating": [1.0, None, 2.0]}
    with pytest.raises(InputError, match="row 1: the value None is not a number"):
        dnmf.convert(parquet(tmp_path / "r.parquet", **bad), tmp_path / "r.zarr")
    wide = parquet(tmp_path / "wide.parquet", a=[1.0], b=[2.0], c=[3.0])
    with pytest.raises(InputError, match=r"read_parquet.*--long user,item,rating"):
        dnmf.convert(wide, tmp_path / "r.zarr")
    with pytest.raises(InputError, match="no column user"):
        dnmf.convert(wide, tmp_path / "r.zarr", long="user,a")


def test_without_pyarrow_a_parquet_file_is_refused_with_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "r.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'dnmf\[parquet\]'"):
        dnmf.convert(tmp_path / "r.parquet", tmp_path / "r.zarr", long="user,item")
    with pytest.raises(InputError, match="read_parquet"):
        dnmf.convert(tmp_path / "r.parquet", tmp_path / "r.zarr")
