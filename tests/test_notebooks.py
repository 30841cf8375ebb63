"""The notebooks of the worked cases are their pages, executed: text, cells, a bar and a summary of the model."""

import sys
from pathlib import Path

import pytest

for needed in ("nbclient", "ipykernel"):
    pytest.importorskip(needed, reason="notebooks need the extra 'docs'")
nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra 'docs'")

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.append(str(DOCS))  # no part of the package

from notebooks import EXAMPLES, PAGES, execute, notebook_of  # noqa: E402


def shown(notebook, kind):
    """Return all outputs of one MIME type."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.data[kind] for output in outputs if kind in output.get("data", ())]


def stored(name):
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_has_the_text_and_the_code_of_its_page(name):
    fresh, kept = notebook_of(DOCS / f"{name}.md"), stored(name)
    said = [(cell.cell_type, cell.source) for cell in kept.cells]
    assert said == [(cell.cell_type, cell.source) for cell in fresh.cells], "run python docs/notebooks.py"


def test_there_is_a_notebook_for_each_worked_case_and_no_other():
    assert sorted(path.stem for path in EXAMPLES.glob("*.ipynb")) == sorted(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_no_notebook_names_a_folder_of_the_machine_it_was_made_on(name):
    notebook = stored(name)
    for cell in notebook.cells:  # but for pictures, in whose letters anything may stand
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)
    assert "/tmp" not in nbformat.writes(notebook)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_runs_and_shows_passes_a_summary_and_pictures(name):
    notebook = notebook_of(DOCS / f"{name}.md")
    execute(notebook)  # raises where a cell does
    pages = shown(notebook, "text/html")
    assert any("pass" in page for page in pages)
    assert any("<table" in page for page in pages)
    assert shown(notebook, "image/png")
