"""What is asked for and would do nothing is refused, with what to leave out: no option is ignored."""

import numpy as np
import pytest
from command_line import assert_one_clear_line, call

import dnmf
from dnmf.options import INITS, PRUNES

A = np.random.default_rng(0).random((60, 12))
W, H = np.random.default_rng(1).random((60, 3)), np.random.default_rng(2).random((3, 12))
OF_A_PATH = {"penalty": dnmf.Penalty(l1=1.0), "strengths": [0, 0.1], "measures": "cheap"}


def fit(**options):
    return dnmf.fit(A, 3, **{"max_passes": 2, **options})


def path(**options):
    return dnmf.path(A, 3, **{**OF_A_PATH, "max_passes": 2, **options})


def transform(**options):
    return fit().transform(A, **options)


@pytest.mark.parametrize("init", [init for init in INITS if init != "auto"])
@pytest.mark.parametrize(
    ("door", "given", "which"),
    [(fit, {"H": H}, "H"), (fit, {"W": W}, "W"), (fit, {"W": W, "H": H}, "H"), (path, {"H": H}, "H")],
    ids=["H", "W", "both", "path"],
)
def test_another_start_beside_the_one_that_is_given(door, given, which, init):
    with pytest.raises(dnmf.InputError, match=f"init='{init}': it starts from the {which} that is given; leave one of"):
        door(**given, init=init)


@pytest.mark.parametrize("door", [fit, path])
def test_a_given_start_where_none_is_given(door):
    with pytest.raises(dnmf.InputError, match="init='given': give the .*H to start from"):
        door(init="given")


SAME_AGAIN = {
    "restarts beside H": (fit, {"H": H, "restarts": 2}, "restarts=2: .*is the same every time"),
    "restarts beside W": (fit, {"W": W, "restarts": 2}, "restarts=2: .*is the same every time"),
    "restarts of a given H": (
        fit, {"restarts": 2, "constraints": dnmf.Constraints(fixed_H=H)}, "restarts=2: all components are given",
    ),
    "restarts of a given W": (
        fit, {"restarts": 2, "constraints": dnmf.Constraints(fixed_W=W)}, "restarts=2: all components are given",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("door", "options", "reason"), SAME_AGAIN.values(), ids=SAME_AGAIN)
def test_fits_that_would_be_the_same(door, options, reason):
    with pytest.raises(dnmf.InputError, match=reason):
        door(**options)


OBJECTIVE = dnmf.Penalty(l1=0.1, scale="objective")
NOTHING_DROPS = {
    "no penalty": {},
    "a rule": {"penalty": dnmf.Penalty(l1=0.1)},
    "another loss": {"penalty": OBJECTIVE, "loss": "kullback-leibler"},
    "missing entries": {"penalty": OBJECTIVE, "mask": A > 0.1},
    "weights": {"penalty": OBJECTIVE, "weights": A},
    "implicit feedback": {"penalty": OBJECTIVE, "implicit": 1.0},
}


@pytest.mark.parametrize("options", NOTHING_DROPS.values(), ids=NOTHING_DROPS)
def test_trials_of_dropped_components_where_none_is_dropped(options):
    with pytest.raises(dnmf.InputError, match="prune='refit': .*; say scale='objective', or leave prune out"):
        fit(prune="refit", **options)
    assert fit(prune="off", **options).history


def test_trials_along_a_path_of_a_rule():
    with pytest.raises(dnmf.InputError, match="prune='refit'"):
        path(prune="refit")


@pytest.mark.parametrize("strength", [0.0, 0.1])
@pytest.mark.parametrize("prune", PRUNES)
def test_a_penalty_in_the_objective_has_them_at_any_strength(strength, prune):
    assert fit(penalty=dnmf.Penalty(l1=strength, scale="objective"), prune=prune).history


@pytest.mark.parametrize(("door", "place"), [(fit, "store"), (path, "store"), (transform, "out")])
@pytest.mark.parametrize("overwrite", [True, "yes"])
def test_to_overwrite_where_nothing_is_written(door, place, overwrite):
    reason = f"overwrite=True: without {place}= nothing is written" if overwrite is True else "overwrite='yes': True or"
    with pytest.raises(dnmf.InputError, match=reason):
        door(overwrite=overwrite)


@pytest.mark.parametrize("given", [{"H": H}, {"W": W, "H": H}, {}], ids=["H", "both", "none"])
def test_scikit_learns_start_of_ones_own_stays_as_it_is(given):
    X, init = A.astype(np.float64), "custom" if given else "nndsvda"
    assert dnmf.NMF(3, init=init, max_iter=3, tol=0).fit_transform(X, **given).shape == (60, 3)


COMMANDS = {
    "init": (("--restarts", 3, "--init", "nndsvd"), "--restarts 3: --init nndsvd is the same every time"),
    "rule": (("--restarts", 3, "--l1", 0.1), "say --penalty-scale objective, or leave --restarts out"),
    "one pass": (("--restarts", 3, "--max-passes", 1), "--restarts 3: --max-passes 1 leaves no pass to compare"),
    "refit": (("--prune", "refit"), "--prune refit: components are tried out"),
    "sweeps": (("--sweeps", 3), "--sweeps 3: --solver cd is exact, whatever that takes; leave --sweeps out"),
}


@pytest.mark.parametrize(("options", "words"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_says_it_in_its_options(tmp_path, options, words):
    np.save(tmp_path / "a.npy", A)
    dnmf.convert(tmp_path / "a.npy", tmp_path / "a.zarr")
    result = call("fit", tmp_path / "a.zarr", "--rank", 3, "--store", tmp_path / "r.dnmf", *options)
    assert_one_clear_line(result, words)
    assert not (tmp_path / "r.dnmf").exists()
