"""Limits that end a fit: which one it was, how to go on, and who is told nothing of it."""

import shlex

import pytest
from command_line import call, records

import dnmf

LIMITS = {
    "passes": (("--max-passes", 2), "--max-passes 4"),
    "seconds": (("--max-seconds", 1e-6), "--max-seconds 1e-06"),
    "passes of the best start": (("--max-passes", 3, "--restarts", 2), "--max-passes 6"),
}


@pytest.mark.broad(1)
@pytest.mark.parametrize(("limit", "other"), LIMITS.values(), ids=LIMITS)
def test_a_fit_that_a_limit_has_ended_says_which_one_to_raise(tmp_path, data, limit, other):
    store = tmp_path / "a run.dnmf"
    ended, command = limit[0][2:].replace("-", "_"), f"dnmf resume '{store}' {other}"
    said = call("fit", data, "--rank", 3, "--tol", 0, "--store", store, *limit)
    for result in (said, call("status", store), call("resume", store), call("inspect", store)):
        assert f"{ended}, components may move still" in result.stdout
        assert f"go on     {command}\n" in result.stdout
    assert "nothing to do: this is finished under the limits it has" in call("resume", store).stdout
    assert "nothing to do: under these limits too" in call("resume", store, "--max-passes", "2").stdout
    passes = records(call("status", store, "--json"))[0]["passes"]
    went_on = call(*shlex.split(command)[1:], "--max-passes", 2 * passes + 2)
    assert went_on.exit_code == 0
    assert records(call("status", store, "--json"))[0]["passes"] >= passes


def test_who_was_resumed_with_fewer_passes_than_it_had_is_told_of_more(half_way):
    done = records(call("status", half_way, "--json"))[0]["passes"]
    call("resume", half_way, "--max-passes", 1)
    assert f"go on     dnmf resume {half_way} --max-passes {2 * (done + 1)}\n" in call("status", half_way).stdout


@pytest.mark.parametrize("limits", [{}, {"max_passes": 2}, {"max_passes": 1}])
def test_python_is_told_it_too_where_the_limits_are_no_higher(tmp_path, data, caplog, limits):
    store = tmp_path / "a.dnmf"
    dnmf.fit(data, 3, tol=0, max_passes=2, store=store)
    dnmf.resume(store, **limits)
    assert "nothing to do, this fit has ended by max_passes" in caplog.text
    assert f"dnmf.resume({str(store)!r}, max_passes=4) goes on" in caplog.text


@pytest.mark.slow
def test_who_has_settled_or_was_saved_is_told_nothing_of_limits(tmp_path, data, caplog):
    settled = tmp_path / "settled.dnmf"
    dnmf.fit(data, 3, tol=0.9, store=settled)
    dnmf.resume(settled)
    dnmf.fit(data, 3, tol=0, max_passes=2).save(tmp_path / "saved.dnmf")
    dnmf.resume(tmp_path / "saved.dnmf")
    assert caplog.text == ""
    for store in (settled, tmp_path / "saved.dnmf"):
        assert "go on" not in call("status", store).stdout
        assert records(call("status", store, "--json"))[0]["go_on_with"] is None


@pytest.mark.slow
def test_json_has_all_that_decides_when_a_fit_ends(tmp_path, data):
    limits = {"tol": 1e-3, "max_passes": 7, "max_seconds": 600.0}
    given = ("--tol", 1e-3, "--max-passes", 7)
    fitted = records(call("fit", data, "--rank", 2, "--store", tmp_path / "a.dnmf", "--json", *given,
                          "--max-seconds", 600))[-1]  # fmt: skip
    path = ("path", data, "--rank", 2, "--l1", 1, "--strengths", 0, "--store", tmp_path / "p.dnmf", "--json", *given)
    told = {
        "fit": fitted,
        "status": records(call("status", tmp_path / "a.dnmf", "--json"))[-1],
        "inspect": records(call("inspect", tmp_path / "a.dnmf", "--json"))[-1],
        "path": {**records(call(*path))[-1], "max_seconds": 600.0},
    }
    found = {command: {name: record[name] for name in limits} for command, record in told.items()}
    assert found == dict.fromkeys(told, limits)
