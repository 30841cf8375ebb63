"""Labels do not cover each other, and stay inside."""

import numpy as np
import pytest

from dnmf.plots.figures import new_figure
from dnmf.plots.labels import overlap, place_labels

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


@pytest.mark.broad(1)
@pytest.mark.parametrize("seed", range(3))
def test_no_two_labels_overlap_and_all_lie_inside(seed):
    points = np.random.default_rng(seed).random((25, 2)) ** 3
    axes = new_figure(5, 4).add_subplot()
    axes.scatter(*points.T)
    written = place_labels(axes, points, [f"a long name {i}" for i in range(25)])
    axes.figure.draw_without_rendering()
    from matplotlib.text import Text

    boxes = [np.asarray(Text.get_window_extent(text).extents) for text in written]
    assert len(boxes) >= 8
    assert not [(a, b) for a in range(len(boxes)) for b in range(a) if overlap(boxes[a], boxes[b])]
    frame = axes.get_window_extent()
    assert all(frame.contains(*box[:2]) and frame.contains(*box[2:]) for box in boxes)


def test_a_label_stands_beside_its_point():
    axes = new_figure(5, 4).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    (text,) = place_labels(axes, np.array([[0.5, 0.5]]), ["here"])
    assert text.xy == (0.5, 0.5)
    assert np.hypot(*text.get_position()) < 20  # points


def test_no_texts_are_no_work():
    assert place_labels(new_figure(2, 2).add_subplot(), np.empty((0, 2)), []) == []
