"""Whatever is handed to a picture is drawn or refused in words."""

import numpy as np
import pandas as pd
import pytest

import dnmf
from dnmf import plots

A = np.random.default_rng(0).random((6, 4))
pytest.importorskip("matplotlib")
pytest.importorskip("bokeh")


class Everything:
    """Has any attribute, as a mock has."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self


ODD = {
    "None": None, "a number": 3, "half": 2.5, "NaN": float("nan"), "minus": -1, "huge": 10**400, "text": "x",
    "empty": [], "texts": ["a", "b"], "dict": {"a": 1}, "generator": (n for n in [1]), "array": A, "0-d": np.array(2),
    "Series": pd.Series(A[:, 0]), "view": memoryview(A), "class": np.ndarray, "function": len,
    "everything": Everything(), "objects": np.array([[1, "a"], [None, 2]], object), "mixed": [1, "a", None, [2]],
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return dnmf.fit(A, 2, max_passes=1)


@pytest.fixture(scope="module")
def along():
    penalty = dnmf.Penalty(l1=1.0)
    return dnmf.path(A, 1, penalty=penalty, strengths=[0.1, 0.2], max_passes=1, measures="cheap")


def option(draw, name, **others):
    return lambda thing, model, along, out: draw(model, **{**others, name: thing})


def page(name):
    def call(thing, model, along, out):
        plots.slider_page(**{"models": along, "out": out, "overwrite": True, name: thing})

    return call


def report(name):
    def call(thing, model, along, out):
        plots.report(**{"model": model, "out": out, "overwrite": True, name: thing})

    return call


DRAWN = {
    "components": lambda thing, model, along, out: plots.components(thing),
    **{f"components {name}": option(plots.components, name, kind="heatmap")
       for name in ("kind", "side", "names", "top", "axes")},
    "components shape": option(plots.components, "shape", kind="images"),
    "biplot": lambda thing, model, along, out: plots.biplot(thing),
    **{f"biplot {name}": option(plots.biplot, name)
       for name in ("reference", "labels", "side", "component", "top", "ax")},
    "convergence": lambda thing, model, along, out: plots.convergence(thing),
    **{f"convergence {name}": option(plots.convergence, name) for name in ("against", "value", "ax")},
    "path": lambda thing, model, along, out: plots.path(thing),
    "path row": lambda thing, model, along, out: plots.path([thing]),
    **{f"path {name}": lambda thing, model, along, out, name=name: plots.path(along, **{name: thing})
       for name in ("measure", "ax", "confidence", "scale")},
    "path_overview": lambda thing, model, along, out: plots.path_overview(thing),
    **{f"slider_page {name}": page(name)
       for name in ("models", "side", "title", "names", "start", "shape", "overwrite")},
    "slider_page pairs": lambda thing, model, along, out: plots.slider_page([(thing, model), (1.0, thing)], out),
    **{f"report {name}": report(name)
       for name in ("model", "out", "path", "models", "title", "shape", "top", "overwrite")},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("picture", DRAWN)
def test_what_is_handed_to_a_picture_is_drawn_or_refused_in_words(picture, model, along, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = []
    for name, thing in ODD.items():
        try:
            DRAWN[picture](thing, model, along, tmp_path / "page.html")
        except dnmf.DnmfError:
            pass
        except Exception as error:  # noqa: BLE001  all of them are listed
            wrong.append(f"{name}: {type(error).__name__}: {error}"[:200])
    assert not wrong, "\n".join(wrong)
