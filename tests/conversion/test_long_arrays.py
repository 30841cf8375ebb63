"""A table with three and more columns of names gives the sparse array of its lines, with the names along each axis."""

import csv
import gzip
import json

import numpy as np
import pytest
from command_line import call
from cubes import congruence, planted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dnmf
from dnmf.conversion.folded import Folding
from dnmf.errors import InputError
from dnmf.sources import open_source
from dnmf.sources.unfolded import Unfolding

HEADER = ("time", "user", "song", "month", "plays")
LINES = [
    (1, "ann", "Yes", "May", 5), (2, "bob", "No", "May", 2.5), (3, "ann", "No", "June", 0),
    (4, "cy, jr", "Yes", "July", 1), (5, "ann", "Yes", "June", 3),
]  # fmt: skip
ASKED = "user,song,month,plays"


def written(path, lines=LINES, header=HEADER, **more):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, **more).writerows([header, *lines] if header else lines)
    return path


def entries_of(path):
    """What a store holds, by the names along its axes: stored zeros too."""
    source = open_source(path)
    rows, unfolding = source.read(0, source.shape[0]), source.unfolding
    places = np.repeat(np.arange(source.shape[0]), np.diff(rows.indptr)), rows.indices
    by_axis = dict(zip((*unfolding.rows, *unfolding.columns), (
        *np.unravel_index(places[0], unfolding.of_rows), *np.unravel_index(places[1], unfolding.of_columns),
    ), strict=True))  # fmt: skip
    names = [unfolding.coords[axis][by_axis[axis]].tolist() for axis in range(len(unfolding.shape))]
    return dict(zip(zip(*names, strict=True), rows.data.tolist(), strict=True))


def expected(lines):
    return {tuple(map(str, names)): value for _, *names, value in lines}


@pytest.mark.parametrize("row_axes", ["user", "longest", 2, ("song", "user"), "month"], ids=str)
def test_a_line_is_an_entry_and_each_axis_has_the_names_of_its_column_in_the_order_of_appearance(row_axes, tmp_path):
    report = dnmf.convert(written(tmp_path / "a.csv"), tmp_path / "a.zarr", long=ASKED, row_axes=row_axes)
    assert (report.axes, report.nonzeros, report.dtype) == ({"user": 3, "song": 2, "month": 3}, 5, "float32")
    unfolding = open_source(tmp_path / "a.zarr").unfolding
    assert unfolding.dims == ("user", "song", "month")
    assert [each.tolist() for each in unfolding.coords] == [
        ["ann", "bob", "cy, jr"],
        ["Yes", "No"],
        ["May", "June", "July"],
    ]
    assert entries_of(tmp_path / "a.zarr") == expected(LINES)


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=4)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), axes=st.integers(3, 5), separator=st.sampled_from(",\t;|"))
@pytest.mark.slow
def test_any_table_of_any_number_of_axes_equals_its_lines(tmp_path_factory, data, axes, separator):
    folder, keys = tmp_path_factory.mktemp("long"), st.tuples(*[names] * axes)
    entries = data.draw(st.dictionaries(keys, st.floats(0, 1e6, width=32), min_size=1, max_size=40))
    count = data.draw(st.integers(1, axes - 1))
    row_axes = data.draw(st.permutations(range(axes)))[:count]
    lines = [(*key, value) for key, value in entries.items()]
    path = written(folder / "t", lines, None, delimiter=separator, quoting=csv.QUOTE_ALL)
    dnmf.convert(path, folder / "t.zarr", long=range(axes + 1), row_axes=row_axes, memory_bytes=2**20)
    assert entries_of(folder / "t.zarr") == entries


@pytest.mark.slow
def test_cp_of_it_is_that_of_the_array_and_shows_the_names(tmp_path):
    array, factors = planted((20, 8, 6), 2)
    axes = [[f"{letter}{at}" for at in range(length)] for letter, length in zip("ust", array.shape, strict=True)]
    lines = [(*(names[i] for names, i in zip(axes, at, strict=True)), array[at]) for at in np.ndindex(array.shape)]
    written(tmp_path / "a.csv", lines, ("user", "song", "month", "plays"))
    dnmf.convert(tmp_path / "a.csv", tmp_path / "a.zarr", long=ASKED, row_axes="longest", dtype="float64")
    model = dnmf.cp(tmp_path / "a.zarr", 2, dtype="float64", tol=1e-8, store=tmp_path / "a.dnmf")
    assert congruence(list(model.factors.values()), factors) > 0.99
    for each in (model, dnmf.load(tmp_path / "a.dnmf")):
        for axis, names_of_axis in zip(("user", "song", "month"), axes, strict=True):
            assert each.labels_along(axis).tolist() == names_of_axis
            strongest = names_of_axis[int(each.factor(axis)[:, 0].argmax())]
            assert each.top(1, axis).names()[0] == [strongest]


def test_it_is_the_array_that_a_file_of_coordinates_has(tmp_path):
    places = np.argwhere(np.random.default_rng(0).random((6, 5, 4, 3)) < 0.5)
    tns = "".join(" ".join(map(str, [*at + 1, 1 + n % 7])) + "\n" for n, at in enumerate(places))
    (tmp_path / "a.tns").write_text(tns)
    written(tmp_path / "b", [(*at, 1 + n % 7) for n, at in enumerate(places)], None, delimiter=" ")
    dnmf.convert(tmp_path / "a.tns", tmp_path / "a.zarr", row_axes=(3, 0))
    dnmf.convert(tmp_path / "b", tmp_path / "b.zarr", long="0,1,2,3,4", row_axes=(3, 0))
    array = np.zeros((6, 5, 4, 3), int)
    for names_of_entry, value in entries_of(tmp_path / "b.zarr").items():
        array[tuple(map(int, names_of_entry))] = value
    source = open_source(tmp_path / "a.zarr")
    rows, matrix = source.read(0, source.shape[0]), source.unfolding.matrix(array)
    assert source.unfolding.shape == array.shape
    np.testing.assert_array_equal(rows.data, matrix[matrix > 0])


@pytest.mark.parametrize("asked", ["user,song,month,", ("user", "song", "month", None)], ids=str)
def test_without_values_each_line_is_a_one(asked, tmp_path):
    dnmf.convert(written(tmp_path / "a.csv"), tmp_path / "a.zarr", long=asked, row_axes=0)
    assert entries_of(tmp_path / "a.zarr") == dict.fromkeys(expected(LINES), 1)


def test_of_a_matrix_an_empty_last_column_means_the_same(tmp_path):
    path = written(tmp_path / "a.csv", [line[:3] for line in LINES[:3]], HEADER[:3])
    assert dnmf.convert(path, tmp_path / "a.zarr", long="user,song,").nonzeros == 3


def test_several_lines_for_a_place_are_refused_with_both_or_added_up(tmp_path):
    path = written(tmp_path / "a.csv", [*LINES, (6, "bob", "No", "May", 2), (7, "bob", "No", "May", 2)])
    twice = r"line 7: user 'bob', song 'No' and month 'May' were there before \(.*line 3\); --duplicates sum"
    for row_axes in ("user", ("month", "song")):
        with pytest.raises(InputError, match=twice):
            dnmf.convert(path, tmp_path / "a.zarr", long=ASKED, row_axes=row_axes)
    assert not (tmp_path / "a.zarr").exists()
    dnmf.convert(path, tmp_path / "a.zarr", long=ASKED, row_axes="user", duplicates="sum")
    assert entries_of(tmp_path / "a.zarr") == {**expected(LINES), ("bob", "No", "May"): 6.5}


def test_compressed_files_are_read_by_their_content(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(written(tmp_path / "a.csv").read_bytes()))
    dnmf.convert(tmp_path / "a.csv.gz", tmp_path / "a.zarr", long=ASKED, row_axes="user")
    assert entries_of(tmp_path / "a.zarr") == expected(LINES)


def test_parquet_files_have_names_numbers_and_dates_as_labels(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    days = np.array(["2024-05-01", "2024-05-02", "2024-05-01"], "M8[D]")
    table = {"plays": [5, 2, 1], "user": [7, 8, 7], "song": ["Yes", "No", "No"], "day": days}
    parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    dnmf.convert(tmp_path / "a.parquet", tmp_path / "a.zarr", long="user,song,day,plays", row_axes="user")
    assert entries_of(tmp_path / "a.zarr") == {
        ("7", "Yes", "2024-05-01"): 5, ("8", "No", "2024-05-02"): 2, ("7", "No", "2024-05-01"): 1,
    }  # fmt: skip


def test_any_text_is_a_name_numbers_below_zero_too_and_numbers_that_are_written_otherwise_are_others(tmp_path):
    lines = [(0, "-1", "x", "7", 1), (0, "1.5", "2", "07", 2), (0, "-1", "2", "7.0", 3)]
    dnmf.convert(written(tmp_path / "a.csv", lines), tmp_path / "a.zarr", long=ASKED, row_axes="user")
    assert entries_of(tmp_path / "a.zarr") == expected(lines)


BAD = {
    "1,ann,Yes,May": "line 4: .* has 4 fields, the first line has 5",
    "1,ann,Yes,May,good": "line 4: the value 'good' is not a number",
    "1,ann,Yes,May,-1": "line 4: the value -1 is negative",
    "1,ann,Yes,May,nan": "line 4: the value nan is not finite",
    "1,,Yes,May,1": "line 4: user is empty",
    "1,ann,,May,1": "line 4: song is empty",
    "1,ann,Yes,,1": "line 4: month is empty",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_named_and_nothing_is_left(line, tmp_path, nothing_left):
    (tmp_path / "a.csv").write_text("time,user,song,month,plays\n1,a,b,c,1\n1,a,b,d,2\n" + line + "\n")
    with pytest.raises(InputError, match=BAD[line]):
        dnmf.convert(tmp_path / "a.csv", tmp_path / "a.zarr", long=ASKED, row_axes="user")
    nothing_left("a.csv")


REFUSED = {
    "nobody says which axes make the rows": (
        {"row_axes": None},
        "say which of the axes user, song, month make the rows",
    ),
    "no such axis": ({"row_axes": "usr"}, r"row_axes='usr': say which of the axes user, song, month"),
    "no axis is left": ({"row_axes": (0, 1, 2)}, "the others make the columns, one at least"),
    "one column is not there": ({"long": "user,song,week,plays"}, "no column week; its first line is: time, user"),
    "two are not there": ({"long": "who,song,week,plays"}, "no column who, week"),
    "one is named twice": ({"long": "user,song,song,plays"}, "of an array of more axes one for each"),
    "one has no name": ({"long": "user,,month,plays"}, "of an array of more axes one for each"),
    "a matrix has rows": ({"long": "user,song,plays"}, "rows from user, columns from song: leave row_axes"),
    "it is turned": ({"transpose": True}, "leave transpose out"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_what_can(case, tmp_path, nothing_left):
    asked, words = REFUSED[case]
    with pytest.raises(InputError, match=words):
        dnmf.convert(written(tmp_path / "a.csv"), tmp_path / "a.zarr", **{"long": ASKED, "row_axes": "user", **asked})
    nothing_left("a.csv")


def test_axes_that_are_not_there_are_refused_before_the_table_is_read(tmp_path):
    path = written(tmp_path / "a.csv", [*LINES, ("no", "entry")])
    with pytest.raises(InputError, match="row_axes='usr'"):
        dnmf.convert(path, tmp_path / "a.zarr", long=ASKED, row_axes="usr")


@pytest.mark.parametrize("header", [HEADER, ("a", "b", "c", "d", "e")])
def test_an_empty_table_has_no_entries(header, tmp_path):
    written(tmp_path / "a.csv", [], header)
    with pytest.raises(InputError, match="has no entries"):
        dnmf.convert(tmp_path / "a.csv", tmp_path / "a.zarr", long=",".join(header[1:]), row_axes=0)


def test_a_table_whose_columns_are_told_by_its_header_is_a_matrix(tmp_path):
    written(tmp_path / "a.csv", [("a", "x", 1)], ("user", "item", "rating"))
    with pytest.raises(InputError, match="leave row_axes .--row-axes. out.*user,item,month,plays"):
        dnmf.convert(tmp_path / "a.csv", tmp_path / "a.zarr", row_axes="longest")


def test_names_of_an_axis_that_are_too_many_for_the_record_are_left_out_and_it_is_said(tmp_path, monkeypatch):
    for place in ("dnmf.sources.unfolded", "dnmf.conversion.long_arrays"):
        monkeypatch.setattr(f"{place}.MOST_LABELS", 2)
    report = dnmf.convert(written(tmp_path / "a.csv"), tmp_path / "a.zarr", long=ASKED, row_axes="user")
    assert report.notes == (
        f"{tmp_path / 'a.csv'}: the names along axis 'month' are not kept: there are 3, of an axis that does not make "
        "the rows alone at most 2 are",
    )
    source = open_source(tmp_path / "a.zarr")
    assert [each if each is None else len(each) for each in source.unfolding.coords] == [None, 2, None]
    assert source.row_names().tolist() == ["ann", "bob", "cy, jr"]  # those of the rows lie beside them


def test_more_columns_than_any_fit_holds_are_refused_with_numbers():
    with pytest.raises(
        InputError, match=r"a: .*10 × 10,000,000,000, where a matrix has at most 268,435,456 columns; name"
    ):
        Folding("a", Unfolding((10, 10**5, 10**5), (0,)))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_lines(tmp_path):
    import tracemalloc

    path, values = tmp_path / "a.csv", np.random.default_rng(0).integers(1, 6, 120_000)
    with path.open("w") as file:
        file.write("user,song,month,plays\n")
        file.writelines(
            f"u{i % 600},s{i // 600 % 20},{i // 12000}\n".replace("\n", f",{x}\n") for i, x in enumerate(values)
        )
    tracemalloc.start()
    report = dnmf.convert(path, tmp_path / "a.zarr", long=ASKED, row_axes="user", memory_bytes=2**20, chunk_bytes=2**16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.nonzeros == 120_000
    assert peak < 16 * 2**20


def test_the_command_takes_the_same_options_and_says_the_axes(tmp_path):
    path, target = written(tmp_path / "a.csv"), tmp_path / "a.zarr"
    refused = call("convert", path, target, "--long", ASKED)
    assert refused.exit_code == 1
    assert "--row-axes longest" in refused.stderr
    done = call("convert", path, target, "--long", ASKED, "--row-axes", "song,month", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["axes"] == {"user": 3, "song": 2, "month": 3}
    assert (
        "3 user × 2 song × 3 month"
        in call("convert", path, target, "--long", ASKED, "--row-axes", "user", "--overwrite").stdout
    )
    assert entries_of(target) == expected(LINES)
