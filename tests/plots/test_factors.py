"""What the pictures of components show, and how much of W they read."""

from dataclasses import replace

import numpy as np
import pytest
from breadth import quickly
from example_pictures import RowsThatCount, example_model

from dnmf.errors import InputError
from dnmf.plots import components
from dnmf.plots.figures import picture
from dnmf.sources.names import names_of

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


def test_there_are_axes_for_each_component_the_strongest_first():
    model = example_model()
    axes = components(model)
    shares = 100 * model.d / model.d.sum()
    assert [ax.get_title(loc="left") for ax in axes] == [f"{i} · {shares[i]:.1f} %" for i in np.argsort(-model.d)]


def test_a_profile_is_the_row_of_H_and_names_its_peaks():
    model = example_model()
    axes = components(model, "profiles")[0]
    (stairs,) = axes.patches
    assert np.allclose(stairs.get_data().values, model.H[0])
    strongest = np.argsort(-model.H[0])[:2]
    assert {text.get_text() for text in axes.texts} == {f"column {at}" for at in strongest}


@pytest.mark.slow
def test_bars_are_the_largest_columns_by_name_the_largest_on_top():
    model = example_model(columns=30)
    for axes, row in zip(components(model, "bars"), model.H, strict=True):
        largest = np.argsort(-row)[:10]
        assert [label.get_text() for label in axes.get_yticklabels()] == [f"column {at}" for at in largest]
        assert np.allclose([bar.get_width() for bar in axes.patches], 100 * row[largest])
        assert axes.yaxis_inverted()


def test_there_are_as_many_bars_as_asked_for_and_none_of_zeros():
    model = example_model()
    model.H[0, 1:] = 0
    assert [len(axes.patches) for axes in components(model, "bars", top=2)] == [1, 2, 2]


def test_bars_of_negative_entries_go_the_other_way_in_another_colour():
    model = example_model()
    model.H[0, 3] = -0.9
    first, second, *_ = components(model, "bars")[0].patches
    assert first.get_width() == -90
    assert first.get_facecolor() != second.get_facecolor()


def test_long_names_that_begin_alike_are_told_by_their_ends():
    model = replace(
        example_model(), column_names=np.array([f"a/directory/that/all/share/file{at}" for at in range(12)])
    )
    labels = [label.get_text() for label in components(model, top=3)[0].get_yticklabels()]
    assert [label.partition("file")[2] for label in labels] == [str(at) for at in np.argsort(-model.H[0])[:3]]


@pytest.mark.broad(2)
@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (None, "profiles"),
        (range(12), "profiles"),
        (range(400, 448, 4), "profiles"),
        ([1.5 - at / 7 for at in range(12)], "profiles"),
        (np.arange("2024-03", "2025-03", dtype="datetime64[M]"), "profiles"),
        ([(y, x) for y in range(3) for x in range(4)], "profiles"),
        ([5, 3, 9, 1, 12, 7, 0, 2, 4, 6, 8, 10], "bars"),
        ([f"gene {at}" for at in range(12)], "bars"),
        ([*range(1, 12), "rest"], "bars"),
        (["nan", "now", "today", "inf", "e", "1e5", "()", "(", "7", "[x]", "8", ""], "bars"),
    ],
    ids=str,
)
def test_words_are_drawn_as_bars_and_what_has_an_order_as_profiles(names, kind):
    axes = components(replace(example_model(), column_names=names_of(names)))[0]
    assert ("share of the component in %" in axes.figure.get_supxlabel()) == (kind == "bars")


def test_without_names_no_peak_is_named_unless_asked_for():
    assert not components(example_model(names=False))[0].texts
    assert len(components(example_model(names=False), top=1)[0].texts) == 1


def test_a_long_profile_keeps_its_peaks():
    model = example_model(columns=20_000, names=False)
    model.H[1, 12_345] = 0.5
    values = components(model)[1].patches[0].get_data().values
    assert len(values) == 500
    assert components(model)[1].patches[0].get_linewidth() > 0  # an area thinner than a pixel is not drawn
    assert values.max() == 0.5


def test_zero_components_are_left_out_and_counted():
    axes = components(example_model(rank=5, dead=[1, 3]))
    assert len(axes) == 3
    assert "2 of 5 are zero" in axes[0].figure.get_suptitle()


def test_a_model_of_zeros_is_refused():
    with pytest.raises(InputError, match="penalty too strong"):
        components(example_model(rank=2, dead=[0, 1]))


def test_images_are_the_rows_of_H_in_the_given_shape():
    model = example_model()
    axes = components(model, "images", shape=(3, 4))
    assert np.allclose(axes[1].images[0].get_array(), model.H[1].reshape(3, 4))


@pytest.mark.parametrize(("shape", "words"), [(None, r"shape=\(height, width\)"), ((5, 5), "25 pixels")])
def test_images_of_another_shape_are_refused(shape, words):
    with pytest.raises(InputError, match=words):
        components(example_model(), "images", shape=shape)


def test_the_heatmap_has_the_largest_columns_of_each_component_under_their_names():
    model = example_model()
    (axes,) = components(model, "heatmap", top=2)
    expected = {f"column {at}" for row in model.H for at in np.argsort(-row)[:2]}
    assert {label.get_text() for label in axes.get_xticklabels()} == expected
    shown = [int(label.get_text().split()[1]) for label in axes.get_xticklabels()]
    assert np.allclose(axes.images[0].get_array(), model.H[:, shown])


def test_components_of_other_heights_have_their_own_scale_in_the_heatmap_and_it_says_so():
    model = example_model()
    model.H[1] *= 5
    (axes,) = components(model, "heatmap", top=2)
    assert np.allclose(axes.images[0].get_array().max(axis=1), 1)
    assert "each row has its own scale" in axes.figure.axes[-1].get_ylabel()
    even = components(example_model(), "heatmap")[0].figure
    assert even.axes[-1].get_ylabel() == "share of the component"


WIDTHS = ["W" * 400, "gene name " * 40, "遺伝子" * 130, "i", "Å" * 20]


@pytest.mark.parametrize("letters", quickly(WIDTHS[:1], of=WIDTHS), ids=ascii)
def test_names_of_any_width_stay_inside_the_heatmap_and_draw_without_warnings(letters, recwarn):
    model = replace(example_model(), column_names=names_of([f"{at} {letters}" for at in range(12)]))
    figure = components(model, "heatmap")[0].figure
    picture(figure, "png")
    assert not recwarn.list
    box, rounding = figure.get_tightbbox().extents, 0.05  # inches: texts are laid out at another resolution
    assert (box[:2] > -rounding).all()
    assert (box[2:] < figure.get_size_inches() + rounding).all()


def test_names_can_be_given_and_have_to_be_all():
    (axes,) = components(example_model(), "heatmap", names=[f"bird $ {at}" for at in range(12)])
    axes.figure.draw_without_rendering()
    assert axes.get_xticklabels()[0].get_text().startswith("bird $")
    with pytest.raises(InputError, match="3 names were given for 12 columns"):
        components(example_model(), names=["a", "b", "c"])


def test_names_can_be_those_of_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(f"file {at}" for at in range(40)))
    axes = components(example_model(), "bars", side="W", names=tmp_path / "names.txt")[0]
    assert all(label.get_text().startswith("file ") for label in axes.get_yticklabels())


def test_W_is_drawn_too():
    model = example_model()
    assert np.allclose(components(model, "profiles", side="W")[0].patches[0].get_data().values, model.stored_W[:, 0])


def test_a_long_W_is_sampled_and_the_picture_says_so():
    W = RowsThatCount(10_000_000, 3)
    axes = components(_with_W(W), side="W")
    assert W.read == 20_000
    assert "a sample of 20,000 of 10,000,000" in axes[0].figure.get_supxlabel()


def test_images_of_a_long_W_are_refused():
    with pytest.raises(InputError, match="only a sample is read"):
        components(_with_W(RowsThatCount(10_000_000, 3)), "images", side="W", shape=(10_000, 1000))


def _with_W(W):
    return replace(example_model(), stored_W=W)


def test_given_axes_are_used_and_have_to_be_enough():
    from matplotlib.figure import Figure

    grid = Figure().subplots(2, 2)
    assert components(example_model(), axes=grid)[2] is grid[1, 0]
    with pytest.raises(InputError, match="1 were given for 3"):
        components(example_model(), axes=grid[0, 0])


@pytest.mark.slow
def test_of_very_many_components_the_strongest_are_drawn():
    axes = components(example_model(rank=40, columns=50, names=False))
    assert len(axes) == 36
    assert "36 strongest of 40" in axes[0].figure.get_suptitle()


@pytest.mark.parametrize("given", [{"kind": "pie"}, {"side": "A"}, {"top": -1}])
def test_unknown_options_are_refused(given):
    with pytest.raises(InputError):
        components(example_model(), **given)
