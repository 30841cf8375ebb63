"""Data flows one way: every import of dnmf goes down, and dask is met only where it belongs."""

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest

import dnmf

ROOT = Path(dnmf.__file__).parent
LAYERS = [
    {"advice"},
    {"errors", "checksums", "callers", "amounts", "arithmetic", "refusals", "colours", "page_figures"},
    {"arguments", "newer"},
    {"locations", "arrays"},
    {"places"},
    {"written", "missing"},
    {"frames"},
    {"plain"},
    {"kernels"},
    {"losses"},
    {"sources"},
    {"strengths"},
    {"penalty", "constraints"},
    {"options", "implicit"},
    {"memory", "conversion", "tables"},
    {"giving_way", "refinement_memory"},
    {"start_memory", "too_large"},
    {"plan"},
    {"connections"},
    {"passes"},
    {"schemes", "checkpoint"},
    {"fitting"},
    {"streams", "progress"},
    {"starts"},
    {"refinement"},
    {"course", "labelled", "predictions", "recommendations", "resources"},
    {"applied", "array_places", "model", "record", "ongoing", "watched"},
    {"cp_model"},
    {"planned"},
    {"workplace"},
    {"run", "going_on"},
    {"restarts"},
    {"api"},
    {"tensors"},
    {"studies"},
    {"measures"},
    {"paths", "unfinished"},
    {"plots", "study_facts"},
    {"ensembles"},
    {"cnmf"},
    {
        "estimator",
        "estimator_blocks",
        "estimator_components",
        "estimator_function",
        "estimator_input",
        "estimator_parameters",
        "cluster",
        "inspection",
        "matrix_inspection",
    }
    | {"signals", "demo", "scanpy"},
    {"cli"},
]
DASK_IS_MET_IN = {
    "sources/dask_array.py", "connections/certificates.py", "connections/clients.py", "connections/departures.py",
    "connections/knock.py", "connections/topics.py", "passes/workers.py", "passes/graph.py", "passes/column_graph.py",
    "passes/returns.py", "passes/tasks.py", "passes/choose.py",
    "cluster.py", "estimator_blocks.py", "cli/where.py", "watched/feed.py", "watched/plugin.py", "watched/page.py",
}  # fmt: skip


def _layer(room: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if room in layer)


def _modules():
    return sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.name not in ("__init__.py", "__main__.py"))


@cache
def _imports(path: Path) -> list[str]:
    return list(_names_imported(path))


def _names_imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "dnmf":
                yield from (f"dnmf.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "dnmf" or len(parts) == 1 or parts[1].startswith("_"):
            continue
        if parts[1] == _room(path):
            continue
        assert _layer(parts[1]) <= _layer(_room(path)), f"{path.relative_to(ROOT)} imports {name}"


def _named(path: Path) -> str:
    return ".".join(["dnmf", *path.relative_to(ROOT).with_suffix("").parts])


def test_no_files_import_each_other_not_even_by_way_of_others():
    modules = {_named(path): set(_imports(path)) for path in _modules() if path.name != "__init__.py"}
    graph = {name: {other for other in imported if other in modules} for name, imported in modules.items()}
    assert sum(map(len, graph.values())) > 500
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_dask_is_met_only_where_it_belongs(path):
    met = {name.split(".")[0] for name in _imports(path)} & {"dask", "distributed"}
    if met:
        assert str(path.relative_to(ROOT)) in DASK_IS_MET_IN


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").glob("*.py")), ids=lambda p: p.name)
def test_kernels_import_nothing_of_dnmf_but_kernels(path):
    for name in _imports(path):
        assert not name.startswith("dnmf") or name.startswith("dnmf.kernels")


def test_importing_dnmf_imports_nothing_heavy():
    import subprocess
    import sys

    heavy = ("numba", "dask", "sklearn", "zarr", "scipy", "matplotlib", "bokeh")
    code = f"import dnmf, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
