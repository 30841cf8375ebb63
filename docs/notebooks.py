"""Executed notebooks of the worked cases: ``python docs/notebooks.py [NAME …]``, from the root of a clone.

A page is the source of its notebook: text stays text, Python and commands become cells, and a picture is the one that
a cell before has written; one that no cell writes is that of the page.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

DOCS = Path(__file__).resolve().parent
EXAMPLES = DOCS / "examples"
PAGES = ("images", "ratings", "single-cells", "tensors", "text")
FENCE = r"^```(?P<language>python|sh)\n(?P<code>.*?)^```$"
PICTURE = r"^!\[[^\]]*\]\(pictures/(?P<picture>[\w.]+)\)$"
PARTS = re.compile(f"{FENCE}|{PICTURE}", re.MULTILINE | re.DOTALL)
WORDS = ("text", "text/plain", "text/html")
NEAR = re.compile(r"\]\((?=[\w.-]+\.md|pictures/)")  # a link to a page of the same folder, or a picture of it


def notebook_of(page: Path) -> nbformat.NotebookNode:
    """Return a page as a notebook, not executed."""
    cells, end, text = [], 0, page.read_text(encoding="utf-8")
    for part in PARTS.finditer(text):
        if part["picture"] and f'"{part["picture"]}"' not in text:
            continue
        cells += [_words(text[end : part.start()]), new_code_cell(_code(part))]
        end = part.end()
    cells = [cell for cell in (*cells, _words(text[end:])) if cell.source]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # else each is drawn at random
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run all cells in a folder of their own, and keep what they show; its name, times and versions are left out."""
    search = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=300,
            resources={"metadata": {"path": folder}},
            record_timing=False,
            coalesce_streams=True,  # what a command prints comes in pieces of any length
        )
        client.execute(env={**os.environ, "PATH": search, "IPYTHONDIR": folder})
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown = [output, *([output.data] if "data" in output else [])]
            for part in shown:
                part.update({kind: said.replace(f"{folder}/", "") for kind, said in part.items() if kind in WORDS})


def _words(text: str) -> nbformat.NotebookNode:
    return new_markdown_cell(NEAR.sub("](../", text.strip()))


def _code(part: re.Match[str]) -> str:
    if part["picture"]:
        return f'from IPython.display import Image\n\nImage("{part["picture"]}")'
    code = part["code"].rstrip()
    return code if part["language"] == "python" else f"%%sh\n{code}"


def main() -> None:
    """Write the notebook of every worked case, or of those that are named."""
    for name in sys.argv[1:] or PAGES:
        notebook = notebook_of(DOCS / f"{name}.md")
        execute(notebook)
        nbformat.write(notebook, EXAMPLES / f"{name}.ipynb")


if __name__ == "__main__":
    main()
