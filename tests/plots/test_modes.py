"""The vectors of a CP along all axes side by side."""

import numpy as np
import pytest
from cubes import planted

import dnmf
from dnmf.errors import InputError
from dnmf.plots import components, modes

matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


@pytest.fixture(scope="module")
def model():
    return dnmf.cp(planted((6, 30, 5), 3, noise=0.05)[0], 3)


def test_there_is_a_row_for_each_component_and_a_column_for_each_axis(model):
    axes = modes(model)
    assert len(axes) == 3 * 3
    assert [ax.get_title() for ax in axes[:3]] == ["axis_0 (6)", "axis_1 (30)", "axis_2 (5)"]
    assert axes[0].get_ylabel().splitlines() == ["0", f"{100 * model.d[0] / model.d.sum():.1f} %"]


def test_a_profile_is_the_vector_of_its_component(model):
    axes = modes(model)
    for place, name in enumerate(model.lengths):
        (stairs,) = axes[3 + place].patches
        np.testing.assert_allclose(stairs.get_data().values, model.factor(name)[:, 1])


def test_names_without_an_order_are_bars_and_numbers_are_ticks(model):
    named = model.with_labels({"axis_0": list("fedcba"), "axis_2": [400, 410, 420, 430, 440]})
    axes = modes(named)
    assert [text.get_text() for text in axes[-3].get_xticklabels()] == list("fedcba")
    np.testing.assert_allclose([bar.get_height() for bar in axes[0].patches], model.factor(0)[:, 0])
    assert [text.get_text() for text in axes[-1].get_xticklabels()] == ["400", "410", "420", "430", "440"]


def test_dates_that_rise_are_profiles_with_few_short_labels(model):
    named = model.with_labels({"axis_1": np.arange("2020-01", "2022-07", dtype="M8[M]").astype("M8[ns]")})
    axes = modes(named)
    assert len(axes[1].patches) == 1
    assert [text.get_text() for text in axes[-2].get_xticklabels()] == ["2020", "2021", "2022"]
    assert list(axes[-2].get_xticks()) == [0.5, 12.5, 24.5]


def test_bars_of_columns_are_called_by_the_labels_of_their_axes(model):
    named = model.with_labels({"axis_0": list("fedcba"), "axis_2": ["Jan", "Feb", "Mar", "Apr", "May"]})
    for axes in (components(named, "bars")[0], components(named, "heatmap")[0]):
        texts = [text.get_text() for text in (*axes.get_yticklabels(), *axes.get_xticklabels())]
        best = int(named.H[0].argmax())
        assert f"{'fedcba'[best // 5]} · {['Jan', 'Feb', 'Mar', 'Apr', 'May'][best % 5]}" in texts


def test_two_axes_that_are_long_together_are_an_image():
    model = dnmf.cp(planted((6, 7, 5, 4), 2)[0], 2, row_axes=(0, 1))
    image, *_ = modes(model)
    assert image.images[0].get_array().shape == (6, 7)


def test_they_are_drawn_into_given_axes(model):
    given = matplotlib.figure.Figure().subplots(3, 3)
    assert modes(model, axes=given) == list(given.ravel())


def test_other_models_are_refused_with_what_draws_them():
    with pytest.raises(InputError, match=r"plots\.components"):
        modes(dnmf.fit(np.random.default_rng(0).random((6, 5)), 2))


def test_components_of_two_short_axes_are_images_too(model):
    assert components(model)[0].images[0].get_array().shape == (6, 5)


def test_of_a_long_axis_a_sample_is_read(monkeypatch):
    from dnmf.plots import sides

    cube = planted((600, 6, 5), 2, noise=0.01)[0]
    model = dnmf.cp(cube, 2)
    monkeypatch.setattr(sides, "MOST_ENTRIES", 1_000)
    monkeypatch.setattr(sides, "SAMPLE_ROWS", 100)
    drawn = modes(model)
    assert drawn[0].get_title() == "axis_0 (a sample of 100 of 600)"
    assert all(int(tick.get_text()) < 600 for tick in drawn[3].get_xticklabels())
