"""What the page with a slider holds: matched models, fixed axes, and all it needs."""

from dataclasses import replace

import numpy as np
import pytest
from example_pages import parse
from example_pictures import example_model

from dnmf.errors import InputError
from dnmf.plots import report, slider_page
from dnmf.plots.frames import take_frames
from dnmf.plots.sliders import slider_layout

pytest.importorskip("bokeh", reason="the page with a slider needs the extra 'plot'")


def shuffled(model, order, scale=1.0):
    return replace(model, H=model.H[order], d=scale * model.d[order], stored_W=model.stored_W[:, order])


@pytest.fixture
def along():
    """Three models of which each goes on from the one before in another order; the last has lost a component."""
    model = example_model()
    last = shuffled(model, [1, 2, 0], 0.5)
    last.d[0], last.H[0] = 0, 0
    return {0.1: shuffled(model, [2, 0, 1], 0.8), 0.0: model, 1.0: last}


def test_a_component_keeps_its_row_although_models_order_theirs_differently(along):
    frames = take_frames(along, "H")
    assert frames.strengths == (0.0, 0.1, 1.0)
    d = along[0.0].d
    assert np.allclose(frames.d, [d, 0.8 * d, [0.5 * d[0], 0, 0.5 * d[2]]])
    assert np.allclose(frames.panels[0].values[1], 0.8 * frames.panels[0].values[0])
    assert frames.alive.tolist() == [3, 3, 2]


def test_profiles_are_d_times_H_and_named(along):
    (panel,) = take_frames(along, "H").panels
    model = along[0.0]
    shown = [int(label.split()[1]) for label in panel.labels]
    assert np.allclose(panel.values[0], model.d[:, None] * model.H[:, shown])
    assert panel.tops[0][0].split(", ")[0] == f"column {np.argmax(model.H[0])}"
    assert panel.tops[2][1] == ""


def test_columns_with_an_order_are_all_there_and_of_words_those_that_are_the_largest_of_any_component():
    def shown(names):
        models = {at: replace(example_model(columns=90), column_names=names) for at in range(2)}
        return take_frames(models, "H").panels[0].labels

    wavelengths = [str(400 + 0.5 * at) for at in range(90)]
    assert list(shown(wavelengths)) == wavelengths
    words = np.array([f"word {at}" for at in range(90)])
    strongest = {words[at] for row in example_model(columns=90).H for at in np.argsort(-row)[:5]}
    assert set(shown(words)) == strongest


def test_names_can_be_given_to_models_without():
    models = {at: example_model(names=False, seed=at) for at in range(2)}
    (panel,) = take_frames(models, names=iter([f"term {at}" for at in range(12)])).panels
    assert panel.tops[0][0].startswith(f"term {np.argmax(models[0].H[0])}")


def test_components_that_are_images_move_as_images(along):
    frames = take_frames(along, shape=(3, 4))
    (panel,) = frames.panels
    assert panel.shape == (3, 4)
    assert np.allclose(panel.values[0], along[0.0].d[:, None] * along[0.0].H)
    layout = slider_layout(frames)
    (pictures,) = [source for source in layout.select({"type": _sources()}) if "image" in source.data]
    upright = pictures.data["image"][1][::-1]
    assert np.allclose(upright, (along[0.0].H[1] / along[0.0].H[1].max()).reshape(3, 4))


def _sources():
    from bokeh.models import ColumnDataSource

    return ColumnDataSource


@pytest.mark.slow
def test_large_images_keep_the_largest_of_neighbouring_pixels():
    models = {at: example_model(rank=1, columns=1200 * 1000, names=False) for at in range(2)}
    models[0].H[0, 5] = 1.0
    (panel,) = take_frames(models, "H", shape=(1200, 1000)).panels
    assert panel.shape == (600, 500)
    assert np.isclose(panel.values[0, 0, 2], models[0].d[0])


@pytest.mark.parametrize("shape", [(5, 5), (12, 2)])
def test_images_of_another_shape_are_refused(along, shape):
    with pytest.raises(InputError, match="pixels"):
        take_frames(along, "H", shape=shape)


def test_long_profiles_are_thinned_so_that_the_page_stays_small():
    models = {strength: example_model(columns=30_000, names=False, seed=strength) for strength in range(20)}
    (panel,) = take_frames(models, "H").panels
    assert panel.values.size <= 20 * 3 * 400
    assert np.isclose(panel.values[0].max(), max((m := models[0]).d[:, None].ravel() * m.H.max(axis=1)))
    assert panel.labels[0] == "columns 0 to 74: the largest"


def test_a_model_of_another_rank_gets_rows_of_its_own():
    frames = take_frames({0: example_model(rank=2), 1: example_model(rank=4, seed=1)}, "H")
    assert frames.d.shape == (2, 4)
    assert frames.numbers == ("0", "1", "new", "new")
    assert frames.alive.tolist() == [2, 4]


def test_axes_stay_over_the_slider(along):
    from bokeh.models import FactorRange, Plot

    layout = slider_layout(take_frames(along, "H"), 1.0)
    assert layout.select_one({"name": "strength"}).value == 2
    for plot in layout.select({"type": Plot}):
        assert not isinstance(plot.y_range, FactorRange)
        assert plot.y_range.start is not None


@pytest.mark.slow
def test_the_page_is_whole_and_escaped(tmp_path, along):
    page = slider_page(along, tmp_path / "path.html", title="<b>bold</b>", side="W")
    found = parse(page.read_text())
    assert found.title == "<b>bold</b>"
    assert found.external == []
    assert page.stat().st_size < 3_000_000


@pytest.mark.parametrize(
    ("models", "given", "words"),
    [
        ({0: example_model()}, {}, "two models or more"),
        ([(1, example_model()), (1, example_model())], {}, "two models or more"),
        ([example_model()], {}, "pairs"),
        ({0: example_model(), 1: example_model(columns=9)}, {}, "12, 9"),
        ({0: example_model(), 1: example_model()}, {"start": 0.5}, "0, 1"),
    ],
)
def test_models_that_make_no_path_are_refused(tmp_path, models, given, words):
    with pytest.raises(InputError, match=words):
        slider_page(models, tmp_path / "path.html", **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_names_cannot_leave_the_script_they_are_in(tmp_path):
    evil = "</script><b>bold</b> & \"'"
    models = {at: replace(example_model(seed=at), column_names=np.array([evil] * 12)) for at in range(2)}
    for write in (slider_page, _report):
        page = write(models, tmp_path / f"{write.__name__}.html").read_text()
        parse(page)
        assert "</script><b>" not in page


def _report(models, out):
    return report(models[0], out, models=models)
