"""Data with other columns besides, or in another order: those of the fit are found by name."""

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf.sources import open_source
from dnmf.sources.columns import way_to_match, with_columns
from dnmf.sources.names import names_of

ROWS = 90
NAMES = [f"gene {at}" for at in range(8)]
A = np.random.default_rng(0).poisson(1.0, (ROWS, 8)).astype("f4")
PLACES = [5, 0, 7, 11, 2, 9, 1, 3]  # of the columns of the fit among those of the other data
OTHERS = np.random.default_rng(1).poisson(1.0, (ROWS, 12)).astype("f4")
OTHERS[:, PLACES] = A
OTHER_NAMES = np.array([f"other {at}" for at in range(12)])
OTHER_NAMES[PLACES] = NAMES


def in_zarr(convert, layer=None):
    def make(tmp_path):
        anndata = pytest.importorskip("anndata")
        data = anndata.AnnData(convert(OTHERS))
        data.var_names = OTHER_NAMES
        data.write_zarr(tmp_path / "data.zarr")
        return open_source(tmp_path / "data.zarr")

    return make


def in_dask(convert, columns=12):
    def make(_):
        import dask.array

        blocks = dask.array.from_array(OTHERS, chunks=(25, columns)).map_blocks(convert)
        return open_source(blocks, column_names=OTHER_NAMES)

    return make


def named(convert):
    return lambda _: open_source(convert(OTHERS), column_names=OTHER_NAMES)


DATA = {
    "numpy": named(np.asarray),
    "CSR": named(scipy.sparse.csr_array),
    "CSC": named(scipy.sparse.csc_matrix),
    "dense in a store": in_zarr(np.asarray),
    "CSR in a store": in_zarr(scipy.sparse.csr_matrix),
    "CSC in a store": in_zarr(scipy.sparse.csc_matrix),
    "dask": in_dask(np.asarray, columns=5),
    "dask of CSR": in_dask(scipy.sparse.csr_array),
}


@pytest.fixture(scope="module")
def model():
    return dnmf.fit(A, 3, column_names=NAMES, dtype="float64", max_passes=4)


@pytest.mark.broad(2)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", DATA)
def test_rows_are_solved_with_the_columns_of_the_fit(model, tmp_path, kind):
    data = DATA[kind](tmp_path)
    found = model.transform(data, columns="match").compute()
    np.testing.assert_allclose(found, model.transform(A).compute(), rtol=1e-6, atol=1e-12)
    with pytest.raises(dnmf.InputError, match="has 12 columns"):
        model.transform(data)


def test_another_order_of_the_same_columns_is_brought_into_that_of_the_fit(model):
    pd = pytest.importorskip("pandas")
    turned = pd.DataFrame(A, columns=NAMES).iloc[:, ::-1]
    found = model.transform(turned, columns="match").compute()
    np.testing.assert_allclose(found, model.transform(A).compute(), rtol=1e-9, atol=1e-12)


def test_what_is_written_is_what_is_returned(model, tmp_path):
    data = DATA["CSR"](tmp_path)
    written = model.transform(data, columns="match", out=tmp_path / "W.zarr").compute()
    np.testing.assert_array_equal(written, model.transform(data, columns="match").compute())


REFUSED = {
    "a column is missing": ({"gene 3": "x"}, r"1 of the 8 columns of the fit are not among its 12: 'gene 3'$"),
    "all are missing": ({name: f"x{name}" for name in NAMES}, r"8 of the 8 columns .*'gene 0', .*'gene 4' …$"),
    "a name twice": ({"other 4": "gene 3"}, "names that are there twice: 'gene 3'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_columns_that_cannot_be_found_are_named(model, case):
    changes, message = REFUSED[case]
    names = [changes.get(name, name) for name in OTHER_NAMES.tolist()]
    with pytest.raises(dnmf.InputError, match=message):
        model.transform(open_source(OTHERS, column_names=names), columns="match")


def test_a_name_that_is_twice_among_other_columns_does_no_harm():
    names = names_of(["a", "x", "x", "b"])
    source = with_columns(open_source(np.eye(4), column_names=names), names_of(["b", "a"]))
    np.testing.assert_array_equal(source.read(0, 4), np.eye(4)[:, [3, 0]])


def test_columns_that_are_only_numbered_are_not_matched_by_their_places():
    numbered = open_source(OTHERS, column_names=range(12))
    with pytest.raises(dnmf.InputError, match="its 12 columns and the 8 of the fit are only numbered"):
        with_columns(numbered, names_of(range(8)))
    assert with_columns(numbered, names_of(range(12))) is numbered
    np.testing.assert_array_equal(with_columns(numbered, names_of([5, 2])).read(0, 3), OTHERS[:3, [5, 2]])


def test_names_are_needed_on_both_sides(model):
    with pytest.raises(dnmf.InputError, match="its columns have no names to match"):
        model.transform(OTHERS, columns="match")
    unnamed = dnmf.fit(A, 2, max_passes=2)
    with pytest.raises(dnmf.InputError, match="the fit: its columns have no names to match"):
        unnamed.transform(open_source(OTHERS, column_names=OTHER_NAMES), columns="match")
    with pytest.raises(dnmf.InputError, match="columns='names': use 'same', or 'match'"):
        model.transform(A, columns="names")


def _written(names, folder):
    (folder / "names.txt").write_text("\n".join(names) + "\n")
    return folder / "names.txt"


GIVEN = {
    "a list": lambda names, _: list(names),
    "an array": lambda names, _: np.array(names),
    "what is iterated over": lambda names, _: iter(names),
    "keys": lambda names, _: dict.fromkeys(names).keys(),
    "a file": _written,
}


@pytest.mark.parametrize("how", GIVEN)
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_array])
@pytest.mark.broad(1)
def test_names_can_be_given_with_any_matrix(convert, how, tmp_path):
    rows = [f"row {at}" for at in range(ROWS)]
    about = {"row_names": rows, "max_passes": 2}
    model = dnmf.fit(convert(A), 2, column_names=GIVEN[how](NAMES, tmp_path), store=tmp_path / "run.dnmf", **about)
    assert (model.row_names.tolist(), model.column_names.tolist()) == (rows, NAMES)
    path = dnmf.path(convert(A), 2, dnmf.Penalty(l1=1.0), [0.0], column_names=GIVEN[how](NAMES, tmp_path), **about)
    assert path.model(0.0).column_names.tolist() == NAMES


NOT_NAMES = {
    "too few": NAMES[:-1], "too many": [*NAMES, "more"], "no file": "not there.txt", "all missing": [None] * 8,
    "a list in a list": [NAMES], "a set": set(NAMES), "a dict": dict.fromkeys(NAMES), "a number": 8,
    "a matrix": np.ones((8, 1)), "bytes": b"abcdefgh", "more bytes": bytearray(8), "a view": memoryview(bytes(8)),
}  # fmt: skip


@pytest.mark.parametrize("names", NOT_NAMES.values(), ids=NOT_NAMES)
def test_names_that_do_not_fit_are_refused(names):
    with pytest.raises(dnmf.InputError):
        open_source(A, column_names=names)


def test_a_name_in_place_of_a_list_of_names_is_the_path_of_a_file():
    with pytest.raises(dnmf.InputError, match="gene 0: there is nothing at this path"):
        open_source(A, column_names="gene 0")


def stopped_after_a_pass(event):
    if type(event).__name__ in ("PassDone", "PathPassDone"):
        raise KeyboardInterrupt


def test_given_names_outlive_a_fit_that_was_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        dnmf.fit(A, 2, column_names=NAMES, store=tmp_path / "run.dnmf", callbacks=[stopped_after_a_pass])
    assert dnmf.resume(tmp_path / "run.dnmf", source=A).column_names.tolist() == NAMES


@pytest.mark.slow
def test_given_names_outlive_a_path_that_was_stopped(tmp_path):
    about = {"column_names": NAMES, "store": tmp_path / "path.dnmf", "callbacks": [stopped_after_a_pass]}
    with pytest.raises(KeyboardInterrupt):
        dnmf.path(A, 2, dnmf.Penalty(l1=1.0), [0.0, 0.1], **about)
    path = dnmf.resume_path(tmp_path / "path.dnmf", source=A)
    assert [path.model(strength).column_names.tolist() for strength in (0.0, 0.1)] == [NAMES, NAMES]


def test_names_that_are_there_twice_are_not_said_to_be_found_by_name():
    assert "twice" in way_to_match(["a", "b", "a-1"], ["a", "b", "a"])
    assert "twice" in way_to_match(["b", "a", "a"], ["a", "b"])


def test_the_error_of_other_data_finds_its_columns_by_name():
    pd = pytest.importorskip("pandas")
    model = dnmf.fit(pd.DataFrame(A, columns=NAMES), 2)
    found = dnmf.measures.relative_error(model, pd.DataFrame(OTHERS, columns=OTHER_NAMES), columns="match")
    assert found == pytest.approx(dnmf.measures.relative_error(model, pd.DataFrame(A, columns=NAMES)), rel=1e-5)
