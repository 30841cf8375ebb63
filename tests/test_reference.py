"""The pages build without a warning, every public name is among them, and they need nothing from elsewhere."""

import inspect
import re
import subprocess
import sys
import zlib
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

import dnmf.fitting.events
import dnmf.scanpy
import dnmf.sources
from dnmf import cluster, errors, losses, measures, plots, progress, signals, unfinished

ROOT = Path(__file__).resolve().parents[1]
# Modules that say what is public.
LISTED = (dnmf, cluster, losses, measures, plots, progress, dnmf.scanpy, dnmf.sources)
OTHERS = (errors, dnmf.fitting.events, signals, unfinished)
LINK = re.compile(r'(?:href|src)="([^"]+)"')

pytestmark = pytest.mark.slow


def public_names() -> set[str]:
    """Return every public name, as one writes it."""
    names = {f"{module.__name__}.{name}" for module in LISTED for name in module.__all__}
    for module in OTHERS:
        for name, found in vars(module).items():
            own = inspect.isclass(found) or inspect.isfunction(found)
            if own and found.__module__ == module.__name__ and not name.startswith("_"):
                names.add(f"{module.__name__}.{name}")
    return names - {"dnmf.sources.open_source"}  # which is dnmf.open_source


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the built pages, and what the build said."""
    for needed in ("sphinx", "numpydoc", "myst_parser", "furo"):
        pytest.importorskip(needed, reason="the pages need the extra 'docs'")
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return folder, done


def test_the_pages_build_without_a_warning(built):
    _, done = built
    assert not done.stderr, done.stderr
    assert done.returncode == 0, done.stdout


def test_every_public_name_has_an_entry(built):
    inventory = (built[0] / "objects.inv").read_bytes().split(b"\n", 4)[4]  # four lines say what it is
    entries = {line.split(" ", 1)[0] for line in zlib.decompress(inventory).decode().splitlines()}
    assert sorted(public_names() - entries) == []


def test_the_readme_and_every_page_are_among_them(built):
    folder, _ = built
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    missing = [p.name for p in pages if not (folder / p.relative_to(ROOT).with_suffix(".html")).exists()]
    assert missing == []


def test_every_link_leads_to_a_file_and_nothing_is_loaded_from_elsewhere(built):
    folder, _ = built
    lost = []
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*https?://[^>]*>", text)
        links = (unquote(unescape(target)).partition("#")[0] for target in LINK.findall(text))
        near = {target for target in links if target and not re.match(r"[a-z]+:", target)}
        lost += [(page.name, target) for target in loaded]
        lost += [(page.name, target) for target in near if not (page.parent / target.partition("?")[0]).exists()]
    assert lost == []
