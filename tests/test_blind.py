"""Who minimizes asks a scheme: penalties and limits are read where they are made, and where they are put into words."""

import ast
from pathlib import Path

import pytest

import dnmf
from dnmf.constraints import Limits
from dnmf.penalty import Penalty

ROOT = Path(dnmf.__file__).parent
SCHEMES, WORDS = ("schemes/",), ("implicit.py", "plots/reports.py")
DOORS = ("options.py", "penalty.py", "constraints.py", "cli/", "paths/grid.py")
MAY_SEE = (*SCHEMES, *DOORS, *WORDS)
ANYBODY = {"to_json", "swapped", "in_units", "shapes", "warn_if_one_sided"}  # what hands them on says nothing of them
FIELDS = {name for kind in (Penalty, Limits) for name in (*vars(kind), *kind.__annotations__) if name[0] != "_"}


def reads_of(path):
    """Line and name of everything that is read of a penalty or of limits."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in FIELDS - ANYBODY:
            owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
            if owner.endswith(("penalty", "limits")):
                yield node.lineno, f"{owner}.{node.attr}"


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if not str(path.relative_to(ROOT)).startswith(MAY_SEE)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_reads_a_penalty_or_a_limit_but_schemes_doors_and_words(path):
    assert list(reads_of(path)) == []


def test_a_read_is_seen(tmp_path):
    (tmp_path / "a.py").write_text("def f(options, limits):\n    return options.penalty.scale, limits.held[0]\n")
    assert [name for _, name in reads_of(tmp_path / "a.py")] == ["penalty.scale", "limits.held"]
