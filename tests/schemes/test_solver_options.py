"""What solvers are asked for with: what has no meaning, the command line, and options of a store."""

import json

import numpy as np
import pytest

import dnmf
from dnmf.cli.amounts import INITS, SOLVERS
from dnmf.errors import InputError
from dnmf.options import INITS as ALL_INITS
from dnmf.options import FitOptions
from dnmf.penalty import Penalty
from dnmf.schemes.updates import UPDATES

pytestmark = pytest.mark.numeric


REFUSED = [
    ({"solver": "newton"}, "use one of cd, bpp"),
    ({"solver": "cd", "sweeps": 2}, "is exact.*leave sweeps out or use 'hals'"),
    ({"solver": "bpp", "sweeps": 2}, "is exact"),
    ({"solver": "als", "sweeps": 2}, "is one solve"),
    ({"solver": "cd", "exact_rows": False}, "is exact.*leave exact_rows out or use 'hals'"),
    ({"solver": "hals", "sweeps": 0}, "sweeps=0"),
    ({"solver": "hals", "sweeps": 1.5}, "sweeps=1.5"),
    ({"solver": "hals", "exact_rows": "no"}, "exact_rows='no'"),
    ({"solver": "mu", "sweeps": 2, "loss": "kullback-leibler"}, "a read of its own"),
    ({"solver": "mu", "loss": "itakura-saito"}, "does not take a loss with a curvature of its own"),
    ({"solver": "pg", "loss": "kullback-leibler"}, "use solver='cd' or 'hals'"),
    ({"solver": "hals", "exact_rows": False, "loss": "kullback-leibler"}, "leave exact_rows out"),
    ({"solver": "hals", "exact_rows": False, "missing": "nan"}, "leave exact_rows out"),
    ({"solver": "bpp", "missing": "nan"}, "a Gram matrix for each column"),
    ({"solver": "ipg", "constraints": dnmf.Constraints(upper=1.0), "penalty": Penalty(scale="objective")}, "upper"),
    ({"solver": "hals", "constraints": dnmf.Constraints(free="H")}, "may be negative"),
    ({"solver": "mu", "constraints": dnmf.Constraints(free="W")}, "negative entries"),
]


@pytest.mark.parametrize(("asked", "told"), REFUSED, ids=[str(asked) for asked, _ in REFUSED])
def test_what_has_no_meaning_is_refused_with_what_has(asked, told):
    with pytest.raises(InputError, match=told):
        dnmf.fit(np.ones((6, 5)), 2, **asked)


def test_the_command_line_knows_every_solver_and_every_start():
    assert tuple(UPDATES) == SOLVERS
    assert (*INITS, "given") == ALL_INITS


def test_options_of_a_store_from_before_there_were_solvers_are_those_of_the_exact_one():
    options = FitOptions(3)
    before = {name: value for name, value in options.to_json().items() if name not in ("sweeps", "exact_rows")}
    assert FitOptions.from_json(json.loads(json.dumps(before))) == options


def test_options_say_in_what_they_differ():
    one, other = FitOptions(3, solver="hals"), FitOptions(3, solver="pg", sweeps=2, exact_rows=False)
    assert one.differences(other) == ["solver: hals → pg", "sweeps: 1 → 2", "exact_rows: True → False"]
