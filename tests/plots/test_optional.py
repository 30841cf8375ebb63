"""Pictures cost nothing until one is drawn, and say what to install when they cannot be."""

import subprocess
import sys

import pytest
from example_pictures import example_model, example_path

import dnmf
from dnmf import plots
from dnmf.errors import InputError


@pytest.mark.slow
def test_importing_plots_imports_no_drawing_package():
    code = "import dnmf, sys; dnmf.plots; print([m for m in ('matplotlib', 'bokeh') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.slow
def test_drawing_makes_no_pyplot_state():
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")
    code = (
        "import sys; from example_pictures import example_model; from dnmf import plots;"
        "plots.convergence(example_model()); plots.components(example_model(), 'heatmap');"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize(
    ("package", "draw"),
    [
        ("matplotlib", lambda out: plots.convergence(example_model())),
        ("matplotlib", lambda out: plots.path_overview(example_path())),
        ("matplotlib", lambda out: plots.report(example_model(), out)),
        ("bokeh", lambda out: plots.slider_page({0: example_model(), 1: example_model()}, out)),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, tmp_path, package, draw):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # an import of it fails now
    with pytest.raises(InputError, match=f"{package}.*pip install {package}"):
        draw(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_plots_are_a_room_of_the_package():
    assert dnmf.plots is plots
    assert sorted(plots.__all__) == [
        "biplot", "clustergram", "components", "convergence", "modes", "path", "path_overview", "ranks", "report",
        "slider_page",
    ]  # fmt: skip
