"""Names of rows and columns: what is one, what counts as none, how they are kept, and when they are compared."""

import numpy as np
import pytest

import dnmf
from dnmf.sources import open_source
from dnmf.sources.names import TEXT, Carried, is_count, names_of, names_to_show, refuse_other_names

pd = pytest.importorskip("pandas")
GENES = ["abi", "abl", "abr"]
DAY = "2020-01-0{}T00:00:00.000000000"

TEXTS = {
    "text": (GENES, GENES),
    "numpy text": (np.array(GENES), GENES),
    "text of variable width": (np.array(GENES, TEXT), GENES),
    "text that may be missing": (np.array(["a", None], np.dtypes.StringDType(na_object=None)), ["a", "nan"]),
    "bytes": (np.array([b"a", "é".encode()]), ["a", "é"]),
    "bytes that are no text": ([b"a\xff"], ["a\\xff"]),
    "half a character": (["\ud800"], ["\\ud800"]),
    "whole numbers": ([5, -3], ["5", "-3"]),
    "numbers": ([0.5, 2.0], ["0.5", "2.0"]),
    "single precision": (np.array([0.1], "f4"), ["0.10000000149011612"]),
    "truth": ([True, False], ["True", "False"]),
    "days": (np.array(["2020-01-01", "2020-01-02"], "M8[D]"), [DAY.format(1), DAY.format(2)]),
    "nanoseconds": (np.array(["2020-01-01"], "M8[ns]"), [DAY.format(1)]),
    "a far day": (np.array(["3000-01-01"], "M8[s]"), ["3000-01-01T00:00:00.000000000"]),
    "a missing day": (np.array(["2020-01-01", "NaT"], "M8[s]"), [DAY.format(1), "nan"]),
    "an index of days": (pd.DatetimeIndex(["2020-01-01"]), [DAY.format(1)]),
    "days of a zone": (pd.DatetimeIndex(["2020-01-01"], tz="UTC"), ["2020-01-01 00:00:00+00:00"]),
    "spans of time": (np.array([86400, 90, -1], "m8[s]"), ["PT86400S", "PT90S", "-PT1S"]),
    "spans to the nanosecond": (np.array([1_500_000_000, 1], "m8[ns]"), ["PT1.5S", "PT0.000000001S"]),
    "weeks and minutes": (np.array([1], "m8[W]"), ["PT604800S"]),
    "steps of minutes": (np.array([2], "m8[5m]"), ["PT600S"]),
    "far spans": (np.array([2**62], "m8[s]"), [f"PT{2**62}S"]),
    "months": (np.array([3], "m8[M]"), ["P3M"]),
    "a list of spans": ([np.timedelta64(1, "D"), np.timedelta64(2, "h")], ["PT86400S", "PT7200S"]),
    "a missing span": (pd.TimedeltaIndex(["1D", None]), ["PT86400S", "nan"]),
    "some missing": (["a", None, np.nan, pd.NA, pd.NaT], ["a", "nan", "nan", "nan", "nan"]),
    "levels": (pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), ["('a', 1)", "('b', 2)"]),
    "levels of numpy": ([("a", np.float64(0.5))], None),
    "categories": (pd.CategoricalIndex(["b", "a", None]), ["b", "a", "nan"]),
    "pandas text": (pd.Index(GENES, dtype="string"), GENES),
    "a plain count": (pd.RangeIndex(3), ["0", "1", "2"]),
    "a falling count": (pd.RangeIndex(2, -1, -1), ["2", "1", "0"]),
    "names twice": (["a", "a"], ["a", "a"]),
    "an empty name": (["", "a"], ["", "a"]),
    "a masked one": (np.ma.array(GENES[:2], mask=[False, True]), [GENES[0], "nan"]),
    "one long name": (["a" * 5000, "b"], ["a" * 5000, "b"]),
}
TEXTS["levels of numpy"] = (pd.MultiIndex.from_tuples([("a", np.float64(0.5))]), ["('a', 0.5)"])


@pytest.mark.parametrize("case", TEXTS)
def test_a_label_is_a_name_as_text_of_variable_width(case):
    labels, expected = TEXTS[case]
    names = names_of(labels)
    assert names.dtype == TEXT
    assert names.tolist() == expected


@pytest.mark.parametrize(
    "labels", [None, [None, np.nan], np.array(["NaT"], "M8[s]"), [pd.NA], pd.TimedeltaIndex([None])]
)
def test_what_is_not_there_counts_as_none(labels):
    assert names_of(labels) is None


COUNTS = {
    "a range": (range(3), True),
    "text": (["0", "1", "2"], True),
    "falling": ([2, 1, 0], False),
    "from five on": ([5, 6, 7], False),
    "every second": ([0, 2, 4], False),
    "two exchanged": ([0, 2, 1, 3], False),
    "with zeros before": (["0", "01", "2"], False),
    "of floats": ([0.0, 1.0], False),
    "one": (["0"], True),
}


@pytest.mark.parametrize("case", COUNTS)
def test_a_count_begins_at_zero_and_leaves_nothing_out(case):
    labels, expected = COUNTS[case]
    names = names_of(labels)
    assert is_count(names) == expected
    assert (names_to_show(names) is None) == expected


COUNT, TURNED = range(3), range(2, -1, -1)
COMPARISONS = {
    "the same": (GENES, GENES, None),
    "another order": (GENES[::-1], GENES, "column 0 is named 'abr', in the fit 'abi'"),
    "one other": (["abi", "abx", "abr"], GENES, "column 1 is named 'abx'"),
    "names here alone": (GENES, None, None),
    "names in the fit alone": (None, GENES, None),
    "names against a count": (GENES, COUNT, None),
    "a count against names": (COUNT, GENES, None),
    "two counts": (COUNT, ["0", "1", "2"], None),
    "falling numbers against a count": (TURNED, COUNT, "column 0 is named '2', in the fit '0'"),
    "a count against falling numbers": (COUNT, TURNED, "column 0 is named '0', in the fit '2'"),
    "later numbers against a count": (range(5, 8), COUNT, "column 0 is named '5'"),
    "every second number against a count": (range(0, 6, 2), COUNT, "column 1 is named '2'"),
    "numbers against a count": ([7157, 672, 1956], COUNT, "column 0 is named '7157'"),
    "whole floats against a count": ([2.0, 1.0, 0.0], COUNT, r"column 0 is named '2\.0'"),
    "falling numbers against names": (TURNED, GENES, "column 0 is named '2', in the fit 'abi'"),
    "the same days in other units": (np.array([DAY.format(1)], "M8[s]"), np.array([DAY.format(1)], "M8[ns]"), None),
    "more": ([*GENES, "x"], GENES, "has 4 columns, in the fit there are 3"),
}


@pytest.mark.parametrize("case", COMPARISONS)
def test_names_are_compared_where_both_say_more_than_the_place(case):
    found, of_fit, refused = COMPARISONS[case]
    if refused is None:
        refuse_other_names("x", found, of_fit)
        return
    with pytest.raises(dnmf.InputError, match=refused):
        refuse_other_names("x", found, of_fit)


A = np.random.default_rng(0).poisson(1.0, (12, 6)).astype("f4")


def backed_anndata(tmp_path, **changes):
    anndata = pytest.importorskip("anndata")
    made = anndata.AnnData(
        A, var=pd.DataFrame(index=list("abcdef")), obs=pd.DataFrame(index=[f"r{i}" for i in range(12)])
    )
    made.write_h5ad(tmp_path / "a.h5ad")
    opened = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    for name, value in changes.items():
        setattr(opened, name, value)
    return opened


def test_names_changed_on_a_backed_object_are_those_of_the_fit(tmp_path):
    source = open_source(backed_anndata(tmp_path, var_names=list("uvwxyz")))
    assert source.column_names().tolist() == list("uvwxyz")
    assert source.row_names().tolist() == [f"r{i}" for i in range(12)]
    assert dnmf.fit(source, 2, max_passes=2).column_names.tolist() == list("uvwxyz")


@pytest.mark.slow
def test_a_fit_that_goes_on_has_the_names_it_was_begun_with(tmp_path):
    data = backed_anndata(tmp_path, var_names=list("uvwxyz"))
    first = dnmf.fit(data, 2, max_passes=2, tol=0, store=tmp_path / "run.dnmf")
    model = dnmf.resume(tmp_path / "run.dnmf", max_passes=4)
    assert len(model.history) > len(first.history)
    assert model.column_names.tolist() == first.column_names.tolist() == list("uvwxyz")


def test_columns_of_a_frame_in_another_order_are_refused_also_where_they_are_numbers():
    frame = pd.DataFrame(A)
    model = dnmf.fit(frame, 2, max_passes=2)
    for other in (frame.iloc[:, ::-1], frame[[0, 2, 1, 3, 4, 5]], frame.set_axis(range(3, 9), axis=1)):
        with pytest.raises(dnmf.InputError, match="is named"):
            model.transform(other)
    named = frame.set_axis(list("abcdef"), axis=1)
    assert model.transform(named).shape == model.transform(A).shape == (12, 2)


def test_what_travels_to_the_workers_has_no_names():
    source = open_source(pd.DataFrame(A, index=[f"row {i}" for i in range(12)]))
    assert source.for_rows(0, 5).row_names() is None
    assert source.without_names().column_names() is None
    assert source.row_names()[3] == "row 3"


def test_names_in_a_store_are_read_when_they_are_asked_for(tmp_path):
    frame = pd.DataFrame(A, columns=["one", "é" * 3000, "", "two\n", "x\0", "y"])
    saved = dnmf.fit(frame, 2, max_passes=2).save(tmp_path / "run.dnmf")
    assert saved.column_names.tolist() == list(frame.columns)
    model = dnmf.load(tmp_path / "run.dnmf")
    turned = model.reordered([1, 0])
    assert all(callable(vars(type(each))["row_names"].held(each)) for each in (model, turned))
    (written,) = (tmp_path / "run.dnmf").glob("gen-*/column_names.text")
    content = bytearray(written.read_bytes())
    content[-1] ^= 1
    written.write_bytes(content)
    with pytest.raises(dnmf.CheckpointError, match=r"column_names\.text: the names cannot be read"):
        _ = model.column_names
    assert model.row_names[11] == "11"


def test_names_of_fixed_width_in_an_older_store_are_read(tmp_path):
    from dnmf import checkpoint

    model = dnmf.fit(A, 2, max_passes=2).save(tmp_path / "saved.dnmf")
    with checkpoint.Store(tmp_path / "saved.dnmf") as store:
        store.commit(9, model.record(), {**model.arrays(), "column_names": np.array(list("abcdef"))})
    found = dnmf.load(tmp_path / "saved.dnmf").column_names
    assert found.dtype == TEXT
    assert found.tolist() == list("abcdef")


def test_a_way_to_read_names_is_taken_once():
    asked = []

    class Holder:
        names = Carried()

    def read():
        asked.append(1)
        return np.array(["a"])

    holder = Holder()
    holder.names = read
    assert not asked
    assert holder.names.tolist() == holder.names.tolist() == ["a"]
    assert asked == [1]


@pytest.mark.broad(1)
@pytest.mark.parametrize("name", ["a" * 2000, "é" * 2000])
def test_one_long_name_costs_its_own_length(name, tmp_path):
    names = names_of([name, *(f"row {i}" for i in range(60_000))])
    source = open_source(np.ones((len(names), 3), "f4")).with_names(names)
    assert source.name_bytes() < 3_000_000
    model = dnmf.fit(source, 2, max_passes=2, store=tmp_path / "run.dnmf")
    assert sum(path.stat().st_size for path in (tmp_path / "run.dnmf").glob("gen-*/row_names.text")) < 3_000_000
    assert model.row_names[0] == name
