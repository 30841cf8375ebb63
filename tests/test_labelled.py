"""Models that know whose pixels their rows or columns are: kept with the model, and drawn without being said again."""

import numpy as np
import pytest

import dnmf
from dnmf import plots
from dnmf.errors import InputError
from dnmf.plots import sides
from dnmf.plots.frames import take_frames

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
FRAMES = np.random.default_rng(0).random((20, 4, 6)) ** 3


@pytest.fixture(scope="module")
def model():
    return dnmf.fit(FRAMES.reshape(20, -1), rank=3, seed=0)


def image_shapes(axes):
    return [ax.images[0].get_array().shape for ax in axes]


@pytest.mark.broad(1)
@pytest.mark.parametrize(("side", "known"), [("H", {"columns": (4, 6)}), ("W", {"rows": [5, 4]})])
def test_components_of_pixels_are_images(model, side, known, tmp_path):
    (expected,) = map(tuple, known.values())
    seen = model.with_pixels(**known)
    for each in (seen, seen.save(tmp_path / "seen.dnmf"), dnmf.load(tmp_path / "seen.dnmf"), seen.reordered([2, 0, 1])):
        assert image_shapes(plots.components(each, side=side)) == [expected] * 3
    other = "W" if side == "H" else "H"
    assert not plots.components(seen, side=other)[0].images  # profiles
    assert not plots.components(model, side=side)[0].images


def test_a_shape_that_is_given_comes_before_the_one_that_is_known(model):
    assert image_shapes(plots.components(model.with_pixels(columns=(4, 6)), shape=(3, 8))) == [(3, 8)] * 3
    assert image_shapes(plots.components(model, shape=(3, 8))) == [(3, 8)] * 3


def test_other_kinds_are_there_for_pixels_too(model):
    seen = model.with_pixels(columns=(4, 6))
    assert not plots.components(seen, "profiles")[0].images
    assert len(plots.components(seen, "heatmap")) == 1


@pytest.mark.slow
def test_pixels_are_drawn_in_a_report_and_on_a_slider(model, tmp_path):
    seen = model.with_pixels(columns=(4, 6))
    assert "as images" in plots.report(seen, tmp_path / "r.html").read_text(encoding="utf-8")
    (panel,) = take_frames({0.0: seen, 0.1: dnmf.fit(FRAMES.reshape(20, -1), rank=3, seed=1)}, "H").panels
    assert panel.shape == (4, 6)


def test_of_a_long_W_a_sample_is_drawn_which_is_no_image(model, monkeypatch):
    for name, value in {"MOST_ENTRIES": 40, "SAMPLE_RUNS": 2, "SAMPLE_ROWS": 10}.items():
        monkeypatch.setattr(sides, name, value)
    seen = model.with_pixels(rows=(5, 4))
    assert not plots.components(seen, side="W")[0].images
    with pytest.raises(InputError, match="only a sample is read"):
        plots.components(seen, "images", side="W")


def test_the_pixels_of_data_that_is_read_by_columns_stay_those_of_its_columns(tmp_path):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    A = scipy_sparse.csc_array(FRAMES.reshape(20, -1))
    seen = dnmf.fit(A, rank=2, seed=0).with_pixels(rows=(10, 2), columns=(4, 6)).save(tmp_path / "seen.dnmf")
    assert (seen.row_pixels, seen.column_pixels) == ((10, 2), (4, 6))


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"columns": (4, 7)}, r"columns=\(4, 7\): 28 pixels, but there are 24 columns"),
        ({"rows": (4, 6)}, r"rows=\(4, 6\): 24 pixels, but there are 20 rows"),
        ({"columns": 24}, r"columns=24: give \(height, width\)"),
        ({"columns": (2, 3, 4)}, r"give \(height, width\)"),
        ({"columns": (4.0, 6)}, "a whole number"),
        ({"rows": (-4, -5)}, "a whole number"),
    ],
)
def test_what_makes_no_image_is_refused(model, known, words):
    with pytest.raises(InputError, match=words):
        model.with_pixels(**known)


def test_a_model_that_was_saved_before_knows_of_no_pixels(model):
    record = model.record()
    del record["pixels"]
    found = dnmf.Model.described(model.stored_W, record, model.arrays())
    assert (found.row_pixels, found.column_pixels) == (None, None)
