"""What the README and the pages under docs/ say can be done: their snippets run, their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import page_blocks
import pytest
import scipy.io
import scipy.sparse
import yaml
import zarr
from page_blocks import blocks, commands_in
from test_import_rule import LAYERS

from dnmf.cli import commands
from dnmf.cluster import SAFE_DEFAULTS
from dnmf.schemes.update import WANTS
from dnmf.schemes.updates import UPDATES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
PAGES += [page for folder in ("docs", "deploy", "benchmarks") for page in sorted((ROOT / folder).rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def dnmf_lines(page: Path) -> list[list[str]]:
    """Return the words of every ``dnmf …`` command in the sh blocks of a page."""
    return commands_in("\n".join(blocks(page, "sh")))


def named(pages: list[Path]) -> list:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """The files the pages speak of, small."""
    import anndata

    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.5, size=(400, 6)) @ rng.gamma(0.5, size=(6, 60)))
    kept = scipy.sparse.csr_matrix(counts.astype(np.float32))
    data = anndata.AnnData(kept, layers={"counts": kept.astype(np.int32)})
    data.var["in_panel"] = np.arange(60) % 2 == 0
    data.write_zarr(folder / "counts.zarr")
    data.write_h5ad(folder / "counts.h5ad")
    data[:100].copy().write_zarr(folder / "new.zarr")
    scipy.io.mmwrite(folder / "matrix.mtx", scipy.sparse.coo_matrix(counts.T))
    zarr.create_array(folder / "dense.zarr", data=counts.astype(np.float32), chunks=(64, 60))
    return folder


@pytest.fixture
def folder(small_data, tmp_path, monkeypatch):
    """A working directory of its own with these files."""
    import shutil

    shutil.copytree(small_data, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def written():
    """What each page has written into its folder so far."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("page", named([page for page in PAGES if blocks(page, "python") or blocks(page, "sh")]))
def test_the_blocks_of_a_page_run_one_after_the_other_in_one_folder(page, folder, written):
    before = set(os.listdir())
    done = subprocess.run([sys.executable, page_blocks.__file__, page], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written[page.name] = set(os.listdir()) - before


def test_no_two_pages_write_the_same_files(written):
    """So that all can be tried in one folder; holds of the pages that ran before."""
    pages = {}
    for page, names in written.items():
        for name in names:
            pages.setdefault(name, []).append(page)
    assert {name: several for name, several in pages.items() if len(several) > 1} == {}


@pytest.mark.parametrize("page", named([page for page in PAGES if dnmf_lines(page)]))
def test_the_commands_of_a_page_exist_with_these_options(page):
    for _, name, *arguments in dnmf_lines(page):
        command = commands.get_command(click.Context(commands), name)
        assert command is not None, f"there is no command {name!r}"
        command.make_context(name, arguments)  # a usage error says what is wrong


@pytest.mark.parametrize("page", named(PAGES))
def test_relative_links_lead_to_files(page):
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))]
    missing = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert missing == []


def test_the_readme_is_short_and_links_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert [page.name for page in ROOT.glob("docs/*.md") if f"docs/{page.name}" not in text] == []


def test_the_readme_has_a_python_example_of_ten_lines_and_six_commands():
    readme = ROOT / "README.md"
    example, *_ = blocks(readme, "python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    assert len(dnmf_lines(readme)) <= 7  # the six, and the demo


def rooms_of(page: Path) -> list[str]:
    """Return the rooms that the page on contributing lists, in its order."""
    table = page.read_text(encoding="utf-8").partition("## Rooms")[2].partition("\n## ")[0]
    return re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))


def test_the_page_on_contributing_lists_all_rooms_from_the_ground_up():
    rooms = rooms_of(ROOT / "docs" / "contributing.md")
    heights = [next(height for height, layer in enumerate(LAYERS) if room in layer) for room in rooms]
    assert sorted(rooms) == sorted(set().union(*LAYERS))
    assert heights == sorted(heights)


def test_the_files_that_the_page_on_contributing_names_are_there():
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", page))
    assert len(named) > 12
    missing = [
        name for name in named if not any((ROOT / folder / name).exists() for folder in ("", "dnmf", "dnmf/schemes"))
    ]
    assert missing == []


TAKEN = {
    "L1": "l1",
    "upper bounds": "bounds",
    "a graph over the columns": "smooth",
    "a `W` that may be negative": "signed gram",
    "an `H` that may be negative": "free",
    "missing entries, weights, implicit feedback": "own gram",
    "Kullback–Leibler": "divergence",
    "Itakura–Saito, losses of your own": "own loss",
}


def test_the_page_on_algorithms_says_which_solver_takes_what():
    assert set(TAKEN.values()) == set(WANTS)
    said = {told: [want in update.takes for update in UPDATES.values()] for told, want in TAKEN.items()}
    said["`sweeps=` above 1"] = [update.repeats for update in UPDATES.values()]
    said["`exact_rows=False`"] = [not update.exact for update in UPDATES.values()]
    page = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
    lines = [f"| | {' | '.join(f'`{name}`' for name in UPDATES)} |"]
    lines += ["|".join([f"| {told} ", *(" yes " if each else " " for each in row), ""]) for told, row in said.items()]
    assert [line for line in lines if line not in page.splitlines()] == []


def test_the_solvers_that_the_page_on_algorithms_says_never_rise_are_those_that_descend():
    page = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
    rows = re.findall(r'^\| `"(\w+)"` \|.*\| (yes)? ?\| (yes|\*\*no\*\*).*\|$', page, re.MULTILINE)
    assert [(name, bool(exact), falls == "yes") for name, exact, falls in rows] == [
        (update.name, update.exact, update.descends) for update in UPDATES.values()
    ]


def test_dask_yaml_says_what_the_command_line_sets():
    def flat(values: dict, at: str = "") -> dict:
        found = {}
        for name, value in values.items():
            path = f"{at}.{name}" if at else name
            found.update(flat(value, path) if isinstance(value, dict) else {path: value})
        return found

    assert flat(yaml.safe_load((ROOT / "deploy" / "dask.yaml").read_text(encoding="utf-8"))) == SAFE_DEFAULTS
