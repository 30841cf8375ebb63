"""Nonnegative CP of arrays of three and more axes: what is found, and what is refused."""

import dask.array
import numpy as np
import pytest
import zarr
from cubes import array_of, congruence, planted

import dnmf
from dnmf.errors import BudgetError, CheckpointError, InputError

SHAPE, RANK = (6, 40, 5), 3
DIMS = ("time", "place", "band")


@pytest.fixture(scope="module")
def cube():
    return planted(SHAPE, RANK, noise=0.05)[0]


@pytest.fixture(scope="module")
def found(cube):
    return dnmf.cp(cube, RANK, seed=1)


def stored(cube, path, **how):
    names = {} if how.get("zarr_format") == 2 else {"dimension_names": DIMS}
    array = zarr.create_array(path, shape=cube.shape, dtype=cube.dtype, **names, **how)
    array[:] = cube
    return path


@pytest.mark.parametrize("shape", [(20, 8, 7), (8, 20, 7), (5, 6, 30), (4, 5, 25, 3), (3, 2, 30, 3, 2)], ids=str)
def test_planted_factors_of_three_and_more_axes_are_found(shape):
    array, factors = planted(shape, 2, seed=3)
    model = dnmf.cp(array, 2, tol=1e-8, restarts=3, dtype="float64")
    assert model.relative_error < 1e-3
    assert congruence(list(model.factors.values()), factors) > 0.9999
    assert [len(X) for X in model.factors.values()] == list(shape)


def test_weights_and_factors_are_the_model_and_columns_of_factors_sum_to_one(cube, found):
    again = array_of(list(found.factors.values()), found.weights)
    assert np.linalg.norm(again - cube) / np.linalg.norm(cube) == pytest.approx(found.relative_error, rel=1e-3)
    for X in found.factors.values():
        np.testing.assert_allclose(X.sum(axis=0), 1, rtol=1e-5)
    assert (np.diff(found.weights) <= 0).all()


def test_the_longest_axis_is_the_long_one_unless_another_is_named(cube, tmp_path):
    path = stored(cube, tmp_path / "c.zarr", chunks=(6, 7, 5))
    longest, first = dnmf.cp(path, RANK), dnmf.cp(path, RANK, row_axes="time")
    assert (longest.long_axis, first.long_axis) == ("place", "time")
    assert first.W.shape == (6, RANK)
    assert list(first.lengths.items()) == list(zip(DIMS, SHAPE, strict=True))


def test_several_axes_have_one_factor_together():
    array, factors = planted((4, 6, 5, 3), 2, seed=1)
    model = dnmf.cp(array, 2, row_axes=(0, 1), tol=1e-8, restarts=3)
    together = (factors[0][:, None, :] * factors[1][None, :, :]).reshape(24, 2)
    assert list(model.lengths) == ["axis_0, axis_1", "axis_2", "axis_3"]
    assert congruence(list(model.factors.values()), [together, *factors[2:]]) > 0.999


def test_names_of_axes_and_their_labels_are_known():
    xarray = pytest.importorskip("xarray")
    array, _ = planted((4, 12, 3), 2)
    labels = {"time": list("abcd"), "band": ["red", "green", "blue"]}
    model = dnmf.cp(xarray.DataArray(array, dims=DIMS, coords=labels), 2)
    assert set(model.top(2, "band").names()[0]) <= {"red", "green", "blue"}
    assert model.top(1, 0).what == "time"
    assert model.to_xarray()["factor_time"].coords["time"].values.tolist() == list("abcd")
    assert "strongest along band" in model._repr_html_()
    np.testing.assert_array_equal(model.factor("place"), model.factor(1))
    with pytest.raises(InputError, match="a factor for each of 'time', 'place', 'band'"):
        model.factor("depth")


def test_labels_that_are_numbers_and_dates_are_such_coordinates():
    pytest.importorskip("xarray")
    months = np.arange("2020-01", "2020-07", dtype="M8[M]").astype("M8[ns]")
    model = dnmf.cp(planted((6, 12, 3), 2)[0], 2)
    found = model.with_labels({0: months, 1: np.linspace(-40, 15, 12), 2: range(1, 4)}).to_xarray()
    assert found.axis_0.dtype == "M8[ns]"
    assert found.axis_2.dtype == np.int64
    chosen = found.sel(axis_0="2020-03", axis_1=-40.0, axis_2=3)
    np.testing.assert_array_equal(np.asarray(chosen.factor_axis_0)[0], model.factor(0)[2])
    np.testing.assert_array_equal(chosen.factor_axis_1, model.factor(1)[0])


def test_two_long_axes_are_two_dimensions_with_their_coordinates():
    xarray = pytest.importorskip("xarray")
    labels = {"y": np.linspace(0, 1, 6), "band": ["red", "green", "blue"]}
    data = xarray.DataArray(planted((4, 3, 6, 5), 2)[0], dims=("time", "band", "y", "x"), coords=labels)
    model = dnmf.cp(data, 2, row_axes=("y", "x"))
    found = model.to_xarray()
    assert found.factor_y_x.dims == ("y", "x", "component")
    assert found.factor_y_x.chunks is not None
    np.testing.assert_array_equal(found.y, labels["y"])
    np.testing.assert_array_equal(np.asarray(found.factor_y_x).reshape(30, 2), model.read_W())
    with pytest.raises(InputError, match="for each of 'time', 'band', 'y, x'"):
        model.factor("y")


def test_of_rows_that_were_chosen_two_long_axes_are_one_dimension():
    pytest.importorskip("xarray")
    chosen = dnmf.open_source(planted((6, 5, 4, 3), 2)[0], row_axes=(0, 1), rows=range(0, 30, 2))
    found = dnmf.cp(chosen, 2).to_xarray()
    assert dict(found.sizes)["axis_0, axis_1"] == 15


def test_columns_and_rows_of_several_axes_are_called_by_their_labels():
    xarray = pytest.importorskip("xarray")
    labels = {"item": [f"no. {at}" for at in range(12)], "month": ["Jan", "Feb", "Mar"]}
    data = xarray.DataArray(planted((20, 12, 3), 2)[0], dims=("who", "item", "month"), coords=labels)
    for model in (dnmf.cp(data, 2, row_axes="who"), dnmf.fit(data, 2, row_axes="who")):
        best = int(model.H[0].argmax())
        assert model.top(1).names()[0] == [f"no. {best // 3} · {labels['month'][best % 3]}"]
        assert model.top(1).of(0)[0].number == best
        assert model.top(1, names=[f"c{at}" for at in range(36)]).names()[0] == [f"c{best}"]
    model = dnmf.cp(data.expand_dims(place=2).transpose("item", "who", "month", "place"), 2, row_axes=("item", "who"))
    best = int(model.read_W()[:, 0].argmax())
    called = f"no. {best // 20} · who {best % 20}"
    assert model.top(1, "W").names()[0] == model.top(1, "item, who").names()[0] == [called]


def test_dates_in_tables_are_short():
    days = np.arange("2020-01-01", "2020-01-13", dtype="M8[D]").astype("M8[ns]")
    model = dnmf.cp(planted((4, 12, 3), 2)[0], 2).with_labels({"axis_1": days})
    assert model.top(1, "axis_1").names()[0][0] in days.astype("M8[D]").astype(str)


def test_it_begins_with_given_factors(cube, found):
    short = {name: found.factor(name) for name in ("axis_0", "axis_2")}
    for given in (short, list(short.values()), list(found.factors.values())):
        model = dnmf.cp(cube, RANK, factors=given, max_passes=2)
        assert model.relative_error == pytest.approx(found.relative_error, rel=1e-4)
        assert model.options.init == "given"


def test_restarts_share_their_reads_and_the_best_is_kept(cube):
    alone = [dnmf.cp(cube, RANK, seed=seed, init="random") for seed in range(3)]
    best = dnmf.cp(cube, RANK, init="random", restarts=3)
    assert best.history[-1].objective == min(model.history[-1].objective for model in alone)
    assert best.reads <= max(model.reads for model in alone)


def test_a_run_in_a_store_is_gone_on_with_and_loaded(cube, tmp_path):
    path, options = stored(cube, tmp_path / "c.zarr", chunks=(2, 10, 5)), {"init": "random", "tol": 0.0}
    whole = dnmf.cp(path, RANK, **options, max_passes=6)
    dnmf.cp(path, RANK, **options, max_passes=3, store=tmp_path / "run.dnmf")
    went_on = dnmf.resume(tmp_path / "run.dnmf", max_passes=6)
    again = dnmf.cp(path, RANK, **options, max_passes=6, store=tmp_path / "run.dnmf", resume="auto")
    loaded = dnmf.load(tmp_path / "run.dnmf")
    for model in (went_on, again, loaded):
        assert isinstance(model, dnmf.CPModel)
        np.testing.assert_array_equal(model.H, whole.H)
        np.testing.assert_array_equal(model.read_W(), whole.read_W())
    with pytest.raises(CheckpointError, match="structure: cp → matrix"):
        dnmf.fit(path, RANK, row_axes="place", **options, store=tmp_path / "run.dnmf", resume="auto")


def test_it_is_saved_and_transforms_new_slabs(cube, found, tmp_path):
    saved = found.save(tmp_path / "saved.dnmf")
    assert isinstance(saved, dnmf.CPModel)
    for name, X in found.factors.items():
        np.testing.assert_array_equal(saved.factor(name), X)
    rows = np.asarray(saved.transform(cube[:, 10:15]))
    np.testing.assert_allclose(rows, found.read_W(10, 15), rtol=1e-4, atol=1e-7)


def test_it_becomes_a_tensor_of_tensorly(found):
    pytest.importorskip("tensorly", reason="tensorly is not installed")
    expected = array_of(list(found.factors.values()), found.weights)
    made = found.to_tensorly().to_tensor()
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5 * expected.max())


BAD = {
    "a matrix": (lambda: np.ones((4, 3)), {}, "is a matrix; dnmf.fit"),
    "one axis beside the rows": (lambda: np.ones((4, 3, 2)), {"row_axes": (0, 1)}, "CP needs two axes beside"),
    "no such axis": (lambda: np.ones((4, 3, 2)), {"row_axes": "depth"}, "no axis 'depth' among 0: 4, 1: 3, 2: 2"),
    "text": (lambda: np.full((4, 3, 2), "a"), {}, "dtype"),
    "a factor of text": (
        lambda: np.ones((4, 3, 2)), {"factors": [np.full((3, 1), "a"), np.ones((2, 1))]}, "that of axis_1 has dtype",
    ),
    "a factor that is ragged": (
        lambda: np.ones((4, 3, 2)), {"factors": [[[1], [2, 3], [1]], np.ones((2, 1))]}, "that of axis_1",
    ),
    "a negative factor": (
        lambda: np.ones((4, 3, 2)), {"factors": [np.ones((3, 1)), -np.ones((2, 1))]}, "that of axis_2 holds",
    ),
    "a factor of an axis that is not there": (
        lambda: np.ones((4, 3, 2)),
        {"factors": {"axis_1": np.ones((3, 1)), "axis_2": np.ones((2, 1)), "q": 1}}, "there is no axis 'q'",
    ),
    "one factor too few": (lambda: np.ones((4, 3, 2)), {"factors": [np.ones((3, 1))]}, "1 are given, for 2"),
    "factors of another shape": (
        lambda: np.ones((4, 3, 2)), {"factors": [np.ones((3, 1)), np.ones((3, 1))]}, r"shape \(3, 1\), expected \(2, 1",
    ),
    "no factor of an axis": (lambda: np.ones((4, 3, 2)), {"factors": {"axis_1": np.ones((3, 1))}}, "none of axis_2"),
    "a start beside factors": (
        lambda: np.ones((4, 3, 2)), {"factors": [np.ones((3, 1)), np.ones((2, 1))], "init": "random"}, "leave one",
    ),
    "too many components": (lambda: np.ones((4, 3, 2)), {"rank": 7}, "rank=7 is more than any array of 4 × 3 × 2 .* 6"),
    "too many for a surrogate": (lambda: np.ones((4, 3, 2)), {"rank": 5, "init": "surrogate"}, "use 'sample'"),
    "nothing in it": (lambda: np.ones((4, 0, 2)), {}, "the array is empty .shape 4 × 0 × 2"),
    "holes": (lambda: np.ma.masked_equal(np.arange(24).reshape(4, 3, 2), 7), {}, "mask"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_words(case):
    array, asked, words = BAD[case]
    with pytest.raises(InputError, match=words):
        dnmf.cp(array(), **{"rank": 1, **asked})


CALLED_TWICE = {
    "component": (dnmf.cp, ("time", "component", "x", "y"), "time"),
    "weights": (dnmf.cp, ("time", "weights", "x", "y"), "time"),
    "factor_x": (dnmf.cp, ("time", "factor_x", "x", "y"), "time"),
    "factor_time_x": (dnmf.cp, ("time", "x", "y", "time_x"), ("time", "x")),
    "d": (dnmf.fit, ("time", "d", "x", "y"), "time"),
    "W": (dnmf.fit, ("W", "time", "x", "y"), "W"),
}


@pytest.mark.parametrize("name", CALLED_TWICE)
def test_axes_that_are_called_as_parts_of_a_dataset_are_refused_there(name):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    door, dims, rows = CALLED_TWICE[name]
    model = door(xarray.DataArray(np.ones((4, 3, 2, 2)), dims=dims), 1, row_axes=rows)
    with pytest.raises(InputError, match=f"'{name}' would be an axis and a part of the model"):
        model.to_xarray()


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1.0, 1e13, 1e30])
def test_the_size_of_given_factors_does_not_matter(size):
    array, factors = planted((30, 6, 5, 4), 2, noise=0.01)
    given = {f"axis_{at}": size * factors[at] for at in (1, 2, 3)}
    assert dnmf.cp(array, 2, factors=given).relative_error < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("observed", [1.0, 0.8])
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_no_component_dies_on_the_way_from_any_start(loss, observed):
    array = planted((60, 30, 20), 8, noise=0.05, seed=1)[0]
    said = {} if observed == 1 else {"mask": np.random.default_rng(0).random(array.shape) < observed}
    assert [dnmf.cp(array, 8, loss=loss, seed=seed, max_passes=3, **said).alive for seed in range(6)] == [8] * 6


def test_chosen_columns_are_refused(cube):
    with pytest.raises(InputError, match="CP takes all columns"):
        dnmf.cp(dnmf.open_source(cube, row_axes=1, columns=np.arange(8)), RANK)


def test_an_axis_that_is_too_long_to_be_short_is_refused_with_numbers():
    flat = dask.array.zeros((8, 3000, 3000), chunks=(8, 30, 3000))
    with pytest.raises(BudgetError, match="statistics"):
        dnmf.cp(flat, 5, row_axes=0, memory_limit="1GB")


def test_zeros_have_no_components():
    model = dnmf.cp(np.zeros((4, 3, 2)), 2)
    assert model.weights.tolist() == [0, 0]
    assert not any(X.any() for X in model.factors.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"solver": "hals"}, {"solver": "bpp"}, {"restarts": 2}, {"missing": "nan"}, {"loss": "kullback-leibler"},
        {"dtype": "float32"},
    ],
    ids=str,
)  # fmt: skip
def test_more_components_than_the_axes_are_long_are_found(asked):
    """Nine in 6 × 7 × 8, which is unique: 2 · 9 + 2 is no more than the sum of the ranks of the factors, 6 + 7 + 8."""
    array, factors = planted((6, 7, 8), 9, seed=6)
    model = dnmf.cp(array, 9, **{"tol": 1e-8, "max_passes": 400, "dtype": "float64", **asked})
    assert model.alive == 9
    assert model.relative_error < 2e-3
    if not asked:
        assert congruence(list(model.factors.values()), factors) > 0.99


def test_entries_are_predicted_by_an_index_for_each_axis(cube, found):
    whole = array_of(list(found.factors.values()), found.weights)
    np.testing.assert_allclose(found.predict(*np.indices(cube.shape)), whole, rtol=1e-5)
    np.testing.assert_allclose(found.predict(5, [[0], [39]], [1, 2]), whole[5, [[0], [39]], [1, 2]], rtol=1e-5)
    assert found.predict(39, 7) == pytest.approx(whole[1, 39, 2], rel=1e-5)  # row 39, column 1 · 5 + 2


def test_entries_are_predicted_by_the_axes_of_a_factor_they_share_and_by_labels():
    array = array_of([np.random.default_rng(0).random((n, 2)) for n in (4, 5, 6, 3)])
    model = dnmf.cp(array, 2, row_axes=(3, 1), tol=1e-8, dtype="float64").with_labels({"axis_2": list("abcdef")})
    assert model.predict(3, 4, "f", 2) == pytest.approx(model.predict(2 * 5 + 4, 3 * 6 + 5))
    np.testing.assert_array_equal(model.predict(3, 4, ["f", "a"], 2), model.predict(3, 4, [5, 0], 2))


def test_axes_that_are_the_long_one_together_take_labels_each(tmp_path):
    array = array_of([np.random.default_rng(0).random((n, 2)) for n in (4, 5, 6, 3)])
    model = dnmf.cp(array, 2, row_axes=(0, 1), tol=1e-8, dtype="float64")
    named = model.with_labels({"axis_0": list("abcd"), "axis_1": list("vwxyz")})
    for each in (named, named.save(tmp_path / "named.zarr")):
        row = int(each.read_W()[:, 0].argmax())
        assert each.top(1, "W").names()[0] == [f"{'abcd'[row // 5]} · {'vwxyz'[row % 5]}"]
        assert each.predict("c", "x", 5, 2) == pytest.approx(model.predict(2, 2, 5, 2))
        np.testing.assert_array_equal(each.to_xarray().axis_0, list("abcd"))
    together = model.with_labels({"axis_0, axis_1": range(100, 120)})
    assert together.top(1, "W").names()[0] == [str(100 + row)]
    with pytest.raises(InputError, match="2 names were given for 4 labels of axis_0"):
        model.with_labels({"axis_0": list("ab")})


def test_labels_that_are_numbers_and_dates_say_which_entries():
    days = np.arange("2020-01-01", "2020-01-06", dtype="M8[D]")
    labels = {"axis_1": np.array([300.0, 325.5, 350.0, 375.0]), "axis_2": days}
    model = dnmf.cp(planted((12, 4, 5), 2)[0], 2).with_labels(labels)
    expected = model.predict(3, 1, 2)
    for number in (325.5, "325.5", np.float32(325.5), "3.255e2"):
        for day in ("2020-01-03", days[2], days[2].astype("M8[ns]"), "2020-01-03T00:00:00", str(days[2])):
            assert model.predict(3, number, day) == expected
    np.testing.assert_array_equal(model.predict(3, [325.5, 300.0], days[[2, 0]]), model.predict(3, [1, 0], [2, 0]))
    for at in ((3, 325.0, 2), (3, 1, "2020-01-09"), (3, 1, "first"), (3, 1, 1.0), (0.5, 1, 2)):
        with pytest.raises(InputError, match="is no name of the model's|has no names of axis_0; give whole numbers"):
            model.predict(*at)


NO_NAMES = {
    "a span where dates are": ({"axis_1": np.arange("2020-01", "2020-05", dtype="M8[M]")}, np.timedelta64(3, "D")),
    "a date where spans are": ({"axis_1": np.arange(4).astype("m8[s]")}, np.datetime64("2020-01-01")),
    "a number where dates are": ({"axis_1": np.arange("2020-01", "2020-05", dtype="M8[M]")}, 1577836800.0),
    "a float where names are whole": ({"axis_1": [3, 1, 2, 7]}, 3.0),
    "a number without its zeros": ({"axis_1": ["007", "008", "009", "010"]}, "7"),
    "one with zeros that names have not": ({"axis_1": ["7", "8", "9", "10"]}, "007"),
    "no number": ({"axis_1": [300.0, 325.5, 350.0, 375.0]}, np.nan),
    "nothing": ({"axis_1": list("abcd")}, None),
    "no date": ({"axis_1": np.arange("2020-01", "2020-05", dtype="M8[M]")}, np.datetime64("NaT")),
}


@pytest.mark.parametrize("case", NO_NAMES)
def test_what_is_no_label_is_not_taken_for_one(case):
    labels, wrong = NO_NAMES[case]
    model = dnmf.cp(np.ones((5, 4, 3)), 1).with_labels(labels)
    with pytest.raises(InputError, match="is no name of the model's axis_1"):
        model.predict(0, wrong, 0)


def test_a_label_that_is_there_twice_as_a_number_is_refused():
    model = dnmf.cp(np.ones((5, 4, 3)), 1).with_labels({"axis_1": ["300", "300.0", "350", "375"]})
    assert model.predict(0, ["300", "300.0"], 0).shape == (2,)  # as text they are two
    with pytest.raises(InputError, match=r"'3e2' is there more than once"):
        model.predict(0, ["350", "3e2"], 0)


def test_of_chosen_rows_of_several_axes_entries_are_found_by_these():
    array = array_of([np.random.default_rng(0).random((n, 2)) for n in (4, 5, 6, 3)])
    chosen = dnmf.cp(dnmf.open_source(array, row_axes=(0, 1), rows=[8, 0, 7]), 2)
    for place, at in enumerate([(1, 3), (0, 0), (1, 2)]):
        assert chosen.predict(*at, 5, 2) == chosen.predict(place, 5 * 3 + 2)
    with pytest.raises(InputError, match="axis_0 0, axis_1 1 is not among the rows that were chosen"):
        chosen.predict(0, 1, 5, 2)


def test_entries_held_out_of_an_array_are_given_as_it_is():
    array, _ = planted((20, 6, 5), 2, noise=0.1)
    model = dnmf.cp(array, 2)
    held = np.zeros(array.shape)
    i, j, k = [1, 4, 7], [2, 0, 5], [3, 3, 1]
    held[i, j, k] = 1
    expected = dnmf.measures.recall(model, held.reshape(20, -1), n=5)
    assert expected.entries == 3
    for given in (held, (i, j, k), (i, j, k, [1.0, 1, 1]), (i, np.array(j) * 5 + k)):
        assert dnmf.measures.recall(model, given, n=5) == expected
    values = array[i, j, k]
    of_entries = dnmf.measures.held_out(model, (i, j, k, values))
    assert of_entries == dnmf.measures.held_out(model, (i, np.array(j) * 5 + k, values))
    hidden = np.where(held > 0, array, np.nan)
    assert dnmf.measures.held_out(model, hidden).rmse == pytest.approx(of_entries.rmse)
    assert dnmf.measures.held_out(model, hidden) == dnmf.measures.held_out(model, hidden.reshape(20, -1))


@pytest.mark.parametrize("labels", [["a"], None, 3])
def test_labels_of_no_axis_are_refused(found, labels):
    with pytest.raises(InputError, match="labels: give those of axes by the names of these"):
        found.with_labels(labels)


def test_all_factors_are_a_start_where_axes_are_the_long_one_together():
    array = array_of([np.random.default_rng(0).random((n, 2)) for n in (4, 5, 6, 3)])
    model = dnmf.cp(array, 2, row_axes=(0, 1), tol=1e-8)
    by_name, in_order = (
        dnmf.cp(array, 2, row_axes=(0, 1), factors=each) for each in (model.factors, list(model.factors.values()))
    )
    np.testing.assert_array_equal(by_name.H, in_order.H)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ((1,), "1 .*axis_0, axis_1, axis_2"),
        ((1, 2, 3, 4), "4"),
        ((1, 40, 2), "axis_1: 40 is not"),
        (([0, 1], [0, 1, 2], 0), r"axis_0 of shape \(2,\) and axis_1 of shape \(3,\)"),
    ],
)
def test_entries_that_are_not_there_are_refused(found, at, words):
    with pytest.raises(InputError, match=words):
        found.predict(*at)
