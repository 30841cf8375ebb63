"""Who minimizes asks a scheme: penalties, limits and losses are read where they are made, and put into words."""

import ast
from functools import cache
from pathlib import Path

import pytest

import dnmf
from dnmf.constraints import Limits
from dnmf.losses import Loss
from dnmf.penalty import Penalty
from dnmf.schemes.facts import Facts

ROOT = Path(dnmf.__file__).parent
SCHEMES, WORDS = ("schemes/",), ("implicit.py", "plots/asked.py", "plots/reports.py")
DOORS = ("options.py", "penalty.py", "constraints.py", "cli/", "paths/grid.py", "ensembles/ranks_options.py")
MAY_SEE = (*SCHEMES, *DOORS, *WORDS)
LOSS_ITSELF = ("losses/", "passes/newton.py", "passes/visitors/curved.py", "passes/visitors/score.py",
               "measures/unseen.py")  # fmt: skip
WORDS_OF_LOSSES = ("model.py", "course.py", "unfinished.py", "inspection.py", "matrix_inspection.py",
                   "estimator_parameters.py", "scanpy/written.py")  # fmt: skip
MAY_SEE_LOSSES = (*MAY_SEE, *LOSS_ITSELF, *WORDS_OF_LOSSES)


def named_by(*kinds):
    return {name for kind in kinds for name in (*vars(kind), *kind.__annotations__) if name[0] != "_"}


ANYBODY = {"to_json", "swapped", "in_units", "shapes", "warn_if_one_sided"}  # what hands them on says nothing of them
OF_LOSSES = {  # of what is called like this, what says which loss it is
    ("penalty", "limits"): named_by(Penalty, Limits) - ANYBODY,
    ("loss",): named_by(Loss),
    ("facts",): named_by(Facts) - {"of"},
    ("options", "fit"): {"implicit", "loss", "loss_parameters"},
}
OF_PENALTIES = {owners: fields for owners, fields in OF_LOSSES.items() if "penalty" in owners}


@cache
def attributes_and_names(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, (ast.Attribute, ast.Name))]


def reads_of(path, fields):
    """Line and name of everything that is read of such things, and of losses by name where these are among them."""
    for node in attributes_and_names(path):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
            if any(owner.endswith(owners) and node.attr in names for owners, names in fields.items()):
                yield node.lineno, f"{owner}.{node.attr}"
        if isinstance(node, ast.Name) and node.id == "loss_named" and fields is OF_LOSSES:
            yield node.lineno, node.id


def modules_but(*allowed):
    return [path for path in sorted(ROOT.rglob("*.py")) if not str(path.relative_to(ROOT)).startswith(allowed)]


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules_but(*MAY_SEE), ids=named)
def test_nobody_reads_a_penalty_or_a_limit_but_schemes_doors_and_words(path):
    assert list(reads_of(path, OF_PENALTIES)) == []


@pytest.mark.parametrize("path", modules_but(*MAY_SEE_LOSSES), ids=named)
def test_nobody_asks_which_loss_it_is_but_schemes_what_minimizes_rows_doors_and_words(path):
    assert list(reads_of(path, OF_LOSSES)) == []


@pytest.mark.parametrize("allowed", MAY_SEE_LOSSES)
def test_who_may_see_is_there(allowed):
    assert (ROOT / allowed).exists()


SEEN = """
def f(options, limits, loss, plan):
    if loss.shared_curvature or loss_named(options.loss).positive or self.loss.zero_is_free:
        return options.penalty.scale, limits.held[0]
    return self.place.facts.diagonal, model.options.implicit, plan.diagonal, scheme.power
"""


def test_a_read_is_seen(tmp_path):
    (tmp_path / "a.py").write_text(SEEN)
    assert {name for _, name in reads_of(tmp_path / "a.py", OF_PENALTIES)} == {"penalty.scale", "limits.held"}
    assert {name for _, name in reads_of(tmp_path / "a.py", OF_LOSSES)} == {
        "penalty.scale", "limits.held", "loss.shared_curvature", "loss_named", "options.loss", "loss.zero_is_free",
        "facts.diagonal", "options.implicit",
    }  # fmt: skip
