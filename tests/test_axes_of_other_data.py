"""Other data beside a fit, a mask beside its data: axes in another order are refused, labels compared or found."""

import numpy as np
import pytest
import zarr
from cubes import planted

import dnmf
from dnmf.errors import InputError

xarray = pytest.importorskip("xarray", reason="xarray is not installed")

SHAPE, RANK, DIMS = (40, 10, 10), 3, ("time", "y", "x")  # as long along both, so that no length tells them apart
LABELS = {"y": [f"y{at}" for at in range(10)], "x": [f"x{at}" for at in range(10)]}


@pytest.fixture(scope="module")
def cube():
    return planted(SHAPE, RANK, noise=0.05)[0]


@pytest.fixture(scope="module")
def labelled(cube):
    return xarray.DataArray(cube, dims=DIMS, coords=LABELS)


@pytest.fixture(scope="module", params=["cp", "fit"])
def model(request, labelled):
    return dnmf.cp(labelled, RANK) if request.param == "cp" else dnmf.fit(labelled, RANK, row_axes="time")


def stored(array, path, dims):
    zarr.create_array(path, data=np.ascontiguousarray(array), chunks=(10, 5, 10), dimension_names=dims)
    return path


@pytest.mark.parametrize("holder", ["in memory", "on disk"])
def test_axes_in_another_order_are_refused_by_their_names(holder, model, labelled, tmp_path):
    turned = labelled.transpose("time", "x", "y")
    other = turned if holder == "in memory" else stored(turned.values, tmp_path / "t.zarr", turned.dims)
    for use in (model.transform, lambda data: dnmf.measures.explained(model, data)):
        with pytest.raises(InputError, match="its axes come as x, y, those of the fit as y, x; transpose it"):
            use(other)


def test_wherever_the_long_axis_stands_its_name_finds_it(model, labelled):
    turned = labelled.transpose("y", "x", "time")
    np.testing.assert_array_equal(np.asarray(model.transform(turned)), np.asarray(model.transform(labelled)))


def test_labels_in_another_order_are_refused_or_found(model, labelled):
    other = labelled.isel(y=slice(None, None, -1))
    with pytest.raises(InputError, match=r"along axis 'y' 0 is named 'y9', in the fit 'y0'.*columns='match'"):
        model.transform(other)
    with pytest.raises(InputError, match="along axis 'y'"):
        dnmf.measures.explained(model, other)
    found = np.asarray(model.transform(other, columns="match"))
    np.testing.assert_allclose(found, np.asarray(model.transform(labelled)), rtol=1e-6)


def test_among_more_labels_those_of_the_fit_are_found(model, labelled):
    more = xarray.concat([labelled, labelled.isel(x=[0]).assign_coords(x=["new"])], "x").isel(x=[10, *range(9, -1, -1)])
    np.testing.assert_allclose(
        np.asarray(model.transform(more, columns="match")), np.asarray(model.transform(labelled)), rtol=1e-6
    )
    with pytest.raises(InputError, match="1 of the 10 entries along axis 'x' of the fit are not among its 9: 'x3'"):
        model.transform(labelled.drop_sel(x="x3"), columns="match")


def test_labels_that_only_count_do_not_say_which_are_meant(cube):
    numbered = xarray.DataArray(cube, dims=DIMS, coords={"y": range(10)})
    model = dnmf.cp(numbered.isel(y=slice(8)), RANK)
    with pytest.raises(InputError, match="its 10 entries along axis 'y' and the 8 of the fit are only numbered"):
        model.transform(numbered, columns="match")


def test_of_some_columns_of_an_array_no_label_is_looked_for(labelled):
    some = [31, 3, 17, 62, 99]
    model = dnmf.fit(dnmf.open_source(labelled, row_axes="time", columns=some), 2)
    whole = np.asarray(model.transform(dnmf.open_source(labelled, row_axes="time", columns=some)))
    np.testing.assert_allclose(whole, model.read_W(), rtol=1e-4, atol=1e-7)
    for data in (labelled, dnmf.open_source(labelled, row_axes="time", columns=some[::-1])):
        with pytest.raises(InputError, match="columns have no names to match"):
            model.transform(data, columns="match")
    with pytest.raises(InputError, match="has 100 columns, the model was fitted on 5"):
        model.transform(labelled)
    turned = dnmf.open_source(labelled.isel(y=slice(None, None, -1)), row_axes="time", columns=some)
    with pytest.raises(InputError, match="0 is named 'y9', in the fit 'y0'; bring them into the same order"):
        model.transform(turned)
    of_whole = dnmf.fit(labelled, 2, row_axes="time")
    with pytest.raises(InputError, match="columns have no names to match"):
        of_whole.transform(turned, columns="match")


def test_the_terms_of_topics_are_counted_in_an_array_with_the_axes_of_the_fit(labelled):
    model = dnmf.cp(labelled, RANK)
    expected = dnmf.measures.coherence(model, labelled.values.reshape(SHAPE[0], -1))
    np.testing.assert_array_equal(dnmf.measures.coherence(model, labelled), expected)
    with pytest.raises(InputError, match="along axis 'y' 0 is named 'y9'"):
        dnmf.measures.coherence(model, labelled[:, ::-1])


def test_data_without_names_goes_with_any(model, cube, labelled):
    np.testing.assert_array_equal(np.asarray(model.transform(cube)), np.asarray(model.transform(labelled)))
    np.testing.assert_array_equal(
        np.asarray(model.transform(cube, columns="match")), np.asarray(model.transform(labelled))
    )


def test_a_table_whose_names_come_in_another_order_is_matched(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"u{i},s{j},m{k},{rng.integers(1, 9)}" for i in range(12) for j in range(6) for k in range(4)]
    for name, order in (("a", lines), ("b", [lines[at] for at in rng.permutation(len(lines))])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,song,month,plays", *order]))
        dnmf.convert(tmp_path / f"{name}.csv", tmp_path / f"{name}.zarr", long="user,song,month,plays", row_axes="user")
    model = dnmf.cp(tmp_path / "a.zarr", 2)
    with pytest.raises(InputError, match="columns='match'"):
        model.transform(tmp_path / "b.zarr")
    rows = dnmf.open_source(tmp_path / "b.zarr").row_names()
    found = np.asarray(model.transform(tmp_path / "b.zarr", columns="match"))
    expected = dict(zip(model.row_names.tolist(), model.read_W(), strict=True))
    np.testing.assert_allclose(found, [expected[name] for name in rows.tolist()], rtol=1e-3, atol=1e-5)


BESIDE = {
    "swapped": lambda mask: mask.transpose(0, 2, 1)[:, :, :9],
    "swapped, of equal lengths, by name": lambda mask: xarray.DataArray(mask, dims=("time", "x", "y")),
    "long one last": lambda mask: mask.transpose(1, 2, 0),
    "of another length": lambda mask: mask[:, :9],
}


@pytest.mark.parametrize("case", BESIDE)
@pytest.mark.parametrize("what", ["mask", "weights"])
def test_a_mask_and_weights_with_other_axes_are_refused(what, case, labelled):
    mask = np.random.default_rng(0).random(SHAPE) > 0.3
    for door in (dnmf.cp, dnmf.fit):
        with pytest.raises(InputError, match=f"{what}.*(shape|come as time, x, y)"):
            door(labelled, RANK, row_axes="time", **{what: BESIDE[case](mask).astype(float)})


def test_a_mask_without_names_goes_with_axes_that_have_some(labelled, cube, tmp_path):
    mask = np.random.default_rng(0).random(SHAPE) > 0.3
    expected = dnmf.cp(labelled, RANK, row_axes="time", mask=mask)
    data = stored(cube, tmp_path / "c.zarr", DIMS)
    zarr.create_array(tmp_path / "m.zarr", data=mask, chunks=(10, 10, 5))
    found = dnmf.cp(data, RANK, row_axes="time", mask=tmp_path / "m.zarr")
    np.testing.assert_array_equal(found.H, expected.H)
    short = dnmf.cp(labelled, RANK, row_axes="y", mask=mask)  # which is the longest of neither
    assert short.long_axis == "y"


@pytest.mark.parametrize("axis", DIMS)
@pytest.mark.parametrize("what", ["mask", "weights"])
def test_a_mask_and_weights_whose_labels_come_in_another_order_are_refused(what, axis, cube):
    labels = {**LABELS, "time": [f"t{at}" for at in range(SHAPE[0])]}
    data = xarray.DataArray(cube, dims=DIMS, coords=labels)
    beside = xarray.DataArray(np.random.default_rng(0).random(SHAPE), dims=DIMS, coords=labels)
    for door in (dnmf.cp, dnmf.fit):
        door(data, RANK, row_axes="time", **{what: beside})
        with pytest.raises(InputError, match=f"{what} .*0 is named '{axis[0]}{SHAPE[DIMS.index(axis)] - 1}'"):
            door(data, RANK, row_axes="time", **{what: beside.isel({axis: slice(None, None, -1)})})


def test_weights_of_a_table_whose_names_come_in_another_order_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for name, songs in (("data", range(4)), ("same", range(4)), ("other", [3, 2, 1, 0])):
        lines = [f"u{i},s{j},m{k},{rng.integers(1, 9)}" for i in range(12) for j in songs for k in range(3)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,song,month,n", *lines]))
        dnmf.convert(tmp_path / f"{name}.csv", tmp_path / f"{name}.zarr", long="user,song,month,n", row_axes="user")
    dnmf.cp(tmp_path / "data.zarr", 2, weights=tmp_path / "same.zarr")
    with pytest.raises(InputError, match="entry along axis 'song' 0 is named 's3', in the data 's0'"):
        dnmf.cp(tmp_path / "data.zarr", 2, weights=tmp_path / "other.zarr")


def test_what_is_measured_of_all_slabs_is_refused_of_others(labelled):
    data = labelled.assign_coords(time=[f"t{at}" for at in range(SHAPE[0])])
    model = dnmf.cp(data, RANK)
    measures = {
        "explained": dnmf.measures.explained,
        "core_consistency": dnmf.measures.core_consistency,
        "held_out": dnmf.measures.held_out,
        "recall": lambda model, held: dnmf.measures.recall(model, held, n=5),
        "spectra": dnmf.measures.spectra,
    }
    turned = {"time": "'t39', in the fit 't0'", "y": "'y9', in the fit 'y0'"}
    for name, measure in measures.items():
        measure(model, data)
        for axis, words in turned.items():
            if (name, axis) != ("spectra", "y"):  # whose columns are others in any case
                with pytest.raises(InputError, match=words):
                    measure(model, data.isel({axis: slice(None, None, -1)}))


def test_rows_that_are_made_of_two_axes_are_compared_by_both(labelled):
    four = xarray.DataArray(
        np.random.default_rng(0).random((4, 5, 6, 3)), dims=list("abcd"), coords={"a": list("wxyz")}
    )
    model = dnmf.cp(four, 2, row_axes=("a", "b"))
    dnmf.measures.explained(model, four)
    with pytest.raises(InputError, match="entry along axis 'a' 0 is named 'z'"):
        dnmf.measures.explained(model, four.isel(a=slice(None, None, -1)))
    with pytest.raises(InputError, match="axis 'b' makes the rows of the fit"):
        model.transform(dnmf.open_source(four.transpose("a", "d", "c", "b"), row_axes=("a", "d")))


@pytest.mark.parametrize("door", [dnmf.cp, dnmf.fit])
def test_a_run_goes_on_with_the_labels_it_began_with_and_not_with_others(door, labelled, tmp_path):
    asked = {"row_axes": "time", "store": tmp_path / "run.dnmf", "tol": 0}
    door(labelled, RANK, max_passes=3, **asked)
    other = labelled.assign_coords(y=[f"z{at}" for at in range(10)])
    with pytest.raises(dnmf.CheckpointError, match="other labels along y"):
        door(other, RANK, max_passes=4, resume="auto", **asked)
    door(labelled, RANK, max_passes=4, resume="auto", **asked)
    found = dnmf.resume(tmp_path / "run.dnmf", source=other, max_passes=5)
    assert found.unfolding.coords[1].tolist() == LABELS["y"]


@pytest.mark.parametrize("door", [dnmf.cp, dnmf.fit])
def test_weights_over_the_axes_of_columns_are_compared_by_name_and_label(door, labelled):
    weights = xarray.DataArray(np.random.default_rng(0).random(SHAPE[1:]), dims=DIMS[1:], coords=LABELS)
    found = door(labelled, RANK, row_axes="time", column_weights=weights)
    for same in (weights.values, weights.values.ravel(), weights.drop_vars(["y", "x"])):
        np.testing.assert_array_equal(door(labelled, RANK, row_axes="time", column_weights=same).H, found.H)
    for other, words in ((weights.T, "axes come as x, y"), (weights[::-1], "0 is named 'y9', in the data 'y0'")):
        with pytest.raises(InputError, match=f"column_weights .*{words}"):
            door(labelled, RANK, row_axes="time", column_weights=other)


def test_a_consensus_takes_the_axes_of_its_ranks(labelled):
    found = dnmf.ranks(labelled, [2], row_axes="time", seeds=3, folds=0)
    found.consensus(2, labelled)
    turned = labelled.transpose("time", "x", "y")
    for other, words in ((turned, "axes come as x, y"), (labelled[:, ::-1], "0 is named 'y9', in the fit 'y0'")):
        with pytest.raises(InputError, match=words):
            found.consensus(2, other)
