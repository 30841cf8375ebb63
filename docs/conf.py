"""How Sphinx builds the pages: ``sphinx-build -c docs . build/pages``, from the root of a clone."""

import re
import sys
from pathlib import Path
from typing import Any

from numpydoc.xref import DEFAULT_LINKS
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout, whatever is installed

import dnmf.sources

project = "dnmf"
copyright = "the authors of dnmf, BSD-3-Clause"
extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]
nitpicky = True  # a name in a docstring that leads nowhere is a warning, and no warning is let through

# The root of the clone is the root of the pages, so that a link is the same here and on GitHub.
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "docs/**.md", "deploy/**.md", "benchmarks/**.md"]
CONTENTS = {  # what the sidebar lists; pages that are not named come where there is a star
    "README": {
        "Guide": ["docs/getting-started", "docs/results", "docs/data", "docs/*"],
        "Reference": ["docs/reference/index"],
        "Benchmarks": ["benchmarks/*"],
        "More": ["deploy/README", "docs/decisions/README", "CHANGELOG"],
    },
    "deploy/README": {"Places": ["*/README"]},
    "docs/decisions/README": {"Decisions": ["*"]},
}

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc says what is taken, in words
default_role = "literal"  # `name` in a docstring is code
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # but these
numpydoc_xref_aliases = {word: word for word in DEFAULT_LINKS} | {  # no page of others is looked up
    name: f"{module.__name__}.{name}"
    for module in (dnmf, dnmf.losses, dnmf.measures, dnmf.cluster, dnmf.sources)
    for name in module.__all__
    if name[0].isupper()
}
numpydoc_xref_aliases |= {"FitOptions": "dnmf.options.FitOptions", "PassRecord": "dnmf.fitting.history.PassRecord"}

html_theme = "furo"
html_title = "dnmf"
html_additional_pages = {"index": "index.html"}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False


def add_contents(_: Sphinx, name: str, source: list[str]) -> None:
    """Add what the sidebar lists below a page: GitHub, which shows the same page, would print it."""
    for caption, pages in CONTENTS.get(name, {}).items():
        listed = "\n".join(pages)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{listed}\n```\n"


def link_pages(*told: Any) -> None:
    """Make a link of what a docstring says of the pages here, as in "see docs/data.md"."""
    lines = told[-1]
    lines[:] = [re.sub(r"\bdocs/([\w-]+)\.md\b", r":doc:`\1 </docs/\1>`", line) for line in lines]


def leave_out(*told: Any) -> bool | None:
    """Leave out the fields of named tuples, which the tuple itself describes."""
    found = told[3]
    return True if str(getattr(found, "__doc__", "")).startswith("Alias for field") else None


def setup(app: Sphinx) -> None:
    """Register what is done to pages when they are read."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", link_pages)
    app.connect("autodoc-skip-member", leave_out)
