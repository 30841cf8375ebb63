"""On the page with a slider a CP is drawn along all of its axes, each panel of which follows the slider."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from browser import open_page
from cubes import planted

import dnmf
from dnmf.errors import InputError
from dnmf.plots import report, slider_page
from dnmf.plots.frames import take_frames
from dnmf.plots.sliders import slider_layout

pytest.importorskip("bokeh", reason="the page with a slider needs the extra 'plot'")

STRENGTHS = (0.0, 0.5, 2.0)
WORDS = ["red", "green", "blue", "$$x$$", "far red"]


@pytest.fixture(scope="module")
def models():
    """Two components along 30 places without names, 21 wavelengths and five words; each model shrinks the last one."""
    model = dnmf.cp(planted((30, 21, 5), 2, noise=0.05)[0], 2)
    model = model.with_labels({"axis_1": np.arange(400, 505, 5), "axis_2": WORDS})
    return {strength: replace(model, d=model.d * [1.0, 1 / (1 + strength)]) for strength in STRENGTHS}


@pytest.fixture(scope="module")
def of_images():
    model = dnmf.cp(planted((6, 7, 9, 4), 2)[0], 2, row_axes=(0, 1), init="random")
    return {0.0: model, 1.0: replace(model, d=model.d / 2)}


def test_there_is_a_panel_for_each_axis_with_the_vectors_times_the_weights(models):
    frames = take_frames(models)
    assert [panel.title for panel in frames.panels] == ["axis_0", "axis_1", "axis_2"]
    assert [panel.axis_text for panel in frames.panels] == ["axis_0 (30)", "axis_1 (21)", "axis_2 (5)"]
    order = np.argsort(-models[0.0].d)
    for frame, model in enumerate(models.values()):
        for axis, panel in enumerate(frames.panels):
            wanted = (model.factor(axis) * model.d).T[order]
            np.testing.assert_allclose(panel.values[frame], wanted, rtol=1e-6)
    assert frames.alive.tolist() == [2, 2, 2]
    np.testing.assert_allclose(frames.error, [model.relative_error for model in models.values()])


def test_labels_in_an_order_stand_at_some_places_and_words_below_each_bar(models):
    places, wavelengths, words = take_frames(models).panels
    assert places.ticks == {}
    assert list(wavelengths.ticks.values()) == ["400", "450", "500"]
    assert list(words.ticks.values()) == WORDS
    strongest = models[0.0].factor("axis_2")[:, np.argmax(models[0.0].d)].argmax()
    assert words.tops[0][0] == WORDS[strongest]


def test_of_many_words_the_largest_are_drawn_in_their_order():
    model = dnmf.cp(planted((12, 90, 5), 2)[0], 2, init="random")
    model = model.with_labels({"axis_1": [f"word {at}" for at in range(90)]})
    panel = take_frames({0.0: model, 1.0: model}).panels[1]
    largest = np.sort(np.argsort(-(model.factor("axis_1") * model.d).max(axis=1))[:16])
    assert panel.labels == tuple(f"word {at}" for at in largest)
    assert panel.axis_text == "the 16 largest of 90"


def test_components_are_matched_by_their_vectors_along_all_short_axes(models):
    plain = models[0.0]
    turned = replace(plain.reordered([1, 0]), path=None)
    values = [panel.values for panel in take_frames({0.0: plain, 1.0: turned}).panels]
    for each in values:
        np.testing.assert_array_equal(each[0], each[1])


def test_two_axes_that_are_long_together_are_images_in_rows_of_the_profiles_beside_them(of_images):
    frames = take_frames(of_images)
    pixels, profile, _ = frames.panels
    assert (pixels.shape, profile.shape) == ((6, 7), None)
    assert pixels.axis_text == "axis_0, axis_1 (6 × 7)"
    figures = slider_layout(frames).children[3].children
    assert len({figure.frame_height for figure in figures}) == 1
    assert all((figure.y_range.start, figure.y_range.end) == (0, 2) for figure in figures)


def test_a_side_or_what_belongs_to_one_draws_that_one(models):
    assert [panel.title for panel in take_frames(models, "W").panels] == ["row"]
    for one in ({"side": "H"}, {"shape": (21, 5)}, {"names": [f"pair {at}" for at in range(105)]}):
        assert [panel.title for panel in take_frames(models, **one).panels] == ["column"]


def test_cps_and_matrices_make_no_path_together(models):
    matrix = dnmf.fit(planted((30, 21, 5), 2)[0], 2, row_axes=0)
    with pytest.raises(InputError, match="some of the models of this path are CPs"):
        take_frames({0.0: models[0.0], 1.0: matrix})


@pytest.mark.slow
def test_a_path_of_cps_is_drawn_by_the_command_and_in_a_report(tmp_path):
    cube = planted((30, 12, 5), 2, noise=0.05)[0]
    penalty = dnmf.Penalty(l2=1.0, scale="objective")
    path = dnmf.path(cube, 4, penalty, [0.1, 1], structure="cp", store=tmp_path / "path.dnmf", measures="cheap")
    assert len(take_frames(path).panels) == 3
    assert "axis_2 (5)" in report(path, tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_in_a_browser_every_panel_follows_the_slider_and_no_window_is_too_narrow(models, tmp_path):
    page = slider_page(models, tmp_path / "cp.html")
    tops = (
        "Array.from(Bokeh.documents[0]._all_models.values())"
        ".filter(m => m.type == 'ColumnDataSource' && 'top' in m.data && 'unit' in m.data)"
        ".map(m => Array.from(m.data.value).reduce((a, b) => a + b)).join(' ')"
    )

    async def look():
        async with open_page(page.as_uri()) as shown:
            await shown.until("typeof Bokeh != 'undefined' && Bokeh.documents.length > 0")
            await shown.until("document.querySelector('.bk-Column') != null")
            before = await shown.evaluate(tops)
            await shown.evaluate("Bokeh.documents[0].get_model_by_name('strength').value = 2")
            after = await shown.evaluate(tops)
            for width in (1440, 820, 420):
                await shown.resize(width, 900)
                await shown.until(f"innerWidth == {width} && document.documentElement.scrollWidth <= {width}")
            return before, after, shown.complaints

    before, after, complaints = asyncio.run(look())
    sums = [[float(each) for each in said.split()] for said in (before, after)]
    expected = [models[strength].d.sum() for strength in (0.0, 2.0)]
    np.testing.assert_allclose(sums, np.outer(expected, [1, 1, 1]), rtol=1e-4)
    assert complaints == []
