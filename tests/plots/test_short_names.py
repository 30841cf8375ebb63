"""Names that are cut fit, and those that differ still do."""

import re
from dataclasses import replace

import numpy as np
import pytest
from example_pages import parse
from example_pictures import example_model
from hypothesis import given
from hypothesis import strategies as st

from dnmf.plots import biplot, components, report
from dnmf.plots.frames import take_frames
from dnmf.plots.short_names import shortened, told_apart

LONG = {
    "ends that differ": [f"https://example.org/a/directory/that/all/share/file{at}" for at in range(12)],
    "middles that differ": [f"a sample of the northern lake, {at}, taken in the morning hours" for at in range(12)],
    "beginnings that differ": [f"{at} is the number of this long name that says nothing more" for at in range(12)],
    "wide letters": [f"遺伝子遺伝子遺伝子遺伝子遺伝子{at}遺伝子遺伝子遺伝子遺伝子遺伝子遺伝子" for at in range(12)],
    "several differences": [f"{'a' * 40}{at // 4}{'b' * 40}{at % 4}{'c' * 40}" for at in range(12)],
    "each one the beginning of the next": ["x" * (40 + at) for at in range(12)],
}


@pytest.mark.parametrize("most", [12, 16, 28, 60])
@pytest.mark.parametrize("kind", LONG)
def test_names_that_differ_are_told_apart(kind, most):
    texts = told_apart(LONG[kind], most)
    assert len(set(texts.values())) == 12
    assert all(len(text) <= most for text in texts.values())


@given(st.lists(st.text("ab -W遺", max_size=60), max_size=12), st.sampled_from([12, 16, 28]))
def test_cut_names_fit_and_differ_where_the_names_do(names, most):
    texts = told_apart(names, most)
    assert len(set(texts.values())) == len({" ".join(name.split()) for name in names})
    assert all(shortened(text, most + 1) == text for text in texts.values())


def test_short_names_and_those_that_begin_in_their_own_way_are_cut_as_alone():
    names = ["os.py", "a name of more than twenty letters", "another name of more than twenty letters"]
    assert told_apart(names, 20) == {name: shortened(name, 20) for name in names}


def test_the_same_name_twice_is_the_same_text():
    assert told_apart(["x" * 50, "x" * 50, "y"]) == {"x" * 50: shortened("x" * 50), "y": "y"}


@pytest.mark.parametrize("kind", ["bars", "heatmap", "biplot", "slider", "report"])
@pytest.mark.broad(2)
def test_every_picture_tells_names_apart(kind, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")
    long = "from a place that many others share"
    model = replace(example_model(), column_names=np.array([f"sample {long} {at} {long} {long}" for at in range(12)]))
    shown = _labels(kind, model, tmp_path)
    assert len(shown) > 3
    assert all(label.partition(" (")[0] != shortened(str(model.column_names[0])) for label in shown)
    assert len({*shown}) == len({number for label in shown for number in re.findall(r"\d+", label)})


def _labels(kind, model, folder):
    if kind == "biplot":
        return [text.get_text() for text in biplot(model).texts]
    if kind == "slider":
        return take_frames({0: model, 1: model}, "H").panels[0].labels
    if kind == "report":
        return re.findall(r"(sample[^%]*?) \(\d", parse(report(model, folder / "run.html").read_text()).text)
    ticks = [label for ax in components(model, kind) for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    return [label.get_text() for label in ticks if label.get_text().startswith("sample")]
