"""What a biplot shows: matched components, names of extreme points, and the cosine."""

from dataclasses import replace

import numpy as np
import pytest
from example_pictures import RowsThatCount, example_model

import dnmf
from dnmf.errors import InputError
from dnmf.plots import biplot

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


def points(axes):
    return np.asarray(axes.collections[0].get_offsets())


def test_components_are_matched_although_they_are_in_another_order():
    model = example_model()
    other = replace(model, H=model.H[[2, 0, 1]], d=model.d[[2, 0, 1]])
    axes = biplot(model, other, component=2)
    assert np.allclose(points(axes), np.column_stack([model.H[2], model.H[2]]))
    assert axes.get_title() == "cosine 1.000"
    assert axes.get_ylabel().startswith("component 0 of the reference")


@pytest.mark.slow
def test_two_components_of_one_model():
    model = example_model()
    assert np.allclose(points(biplot(model, component=(0, 2))), model.H[[0, 2]].T)
    assert np.allclose(points(biplot(model)), model.H[[0, 1]].T)


def test_the_most_extreme_points_are_named():
    model = example_model()
    model.H[0, 5], model.H[1, 5] = model.H[:2].max(axis=1) * 2
    assert "column 5" in [text.get_text() for text in biplot(model, top=1).texts]
    assert [text.get_text() for text in biplot(model, top=1, labels=list("abcdefghijkl")).texts] == ["f"]
    assert not biplot(model, top=0).texts


@pytest.mark.slow
def test_points_can_be_rows_of_W_and_a_long_one_is_sampled():
    model = example_model()
    assert len(points(biplot(model, side="W"))) == 40
    W = RowsThatCount(10_000_000, 3)
    axes = biplot(replace(model, stored_W=W), side="W", top=0)
    assert W.read == len(points(axes)) == 20_000
    assert "20,000 of 10,000,000 rows" in axes.get_title()


@pytest.mark.parametrize(
    ("reference", "given", "words"),
    [
        (example_model(columns=7), {}, "12 and 7 columns"),
        (example_model(column_names=np.array(list("abcdefghijkl"))), {}, "column 0 is 'column 0'"),
        (example_model(), {"component": 9}, "numbered 0 to 2"),
        (None, {"component": (0, 5)}, "numbered 0 to 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(reference, given, words):
    with pytest.raises(InputError, match=words):
        biplot(example_model(), reference, **given)


def test_a_component_without_a_match_is_refused():
    model = example_model()
    reference = replace(model, H=model.H[1:2], d=model.d[1:2], stored_W=model.stored_W[:, 1:2])
    assert biplot(model, reference, component=1).get_title() == "cosine 1.000"
    with pytest.raises(InputError, match="component 0 has no match"):
        biplot(model, reference, component=0)


def test_negative_entries_are_inside_the_axes(planted):
    model = dnmf.fit(planted - 0.2, 3, constraints=dnmf.Constraints(free="H"), max_passes=5)
    axes = biplot(model)
    points = axes.collections[0].get_offsets()
    assert points.min() < 0
    assert axes.get_xlim()[0] < points[:, 0].min()
    assert axes.get_ylim()[0] < points[:, 1].min()


def test_a_path_is_not_one_model(planted):
    found = dnmf.path(planted, 2, dnmf.Penalty(l1=1.0), [0, 0.3], measures="cheap", max_passes=2)
    with pytest.raises(InputError, match="path.model"):
        biplot(found)
