"""Stores that a newer dnmf wrote: what it says beside is left out where it only tells, and refused where it decides."""

from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import assert_one_clear_line, call

import dnmf
from dnmf.checkpoint import Store, generations, read_latest
from dnmf.errors import NewerError
from dnmf.fitting.events import PassDone
from dnmf.inspection import run_status

A = np.random.default_rng(0).random((40, 8), dtype=np.float32)
FIT = {"rank": 2, "init": "random", "tol": 0.0, "max_passes": 3}
PATH = {"rank": 2, "penalty": dnmf.Penalty(l1=1.0), "strengths": [0, 0.1], "measures": "cheap", "max_passes": 2}


class Stopped(Exception):
    pass


def stop_after_two(event):
    if isinstance(event, PassDone) and event.record.number == 2:
        raise Stopped


def written_by_a_newer_one(store, monkeypatch, *where):
    """Commit the last generation again with one field more, at a place in its record."""
    latest = read_latest(store)
    at = latest.record
    for key in where:
        at = at[key]
    at["novelty"] = 1
    with monkeypatch.context() as patch, Store(store) as writer:
        patch.setattr(generations, "metadata", SimpleNamespace(version=lambda _: "99.1"))
        writer.commit(latest.number + 1, latest.record, latest.arrays)


def assert_refused(store, action):
    with pytest.raises(NewerError) as refused:
        action()
    assert str(refused.value).startswith(f"{store}: was written by dnmf 99.1; novelty of ")
    assert f"is not known to dnmf {metadata.version('dnmf')}; install" in str(refused.value)


@pytest.mark.parametrize("where", [(), ("penalty",), ("limits",)], ids=["options", "penalty", "limits"])
def test_a_model_with_an_option_that_is_not_known_is_refused(tmp_path, monkeypatch, where):
    store = tmp_path / "run.dnmf"
    dnmf.fit(A, **FIT, store=store)
    written_by_a_newer_one(store, monkeypatch, "options", *where)
    assert_refused(store, lambda: dnmf.load(store))
    assert_one_clear_line(call("report", store, "--out", tmp_path / "a.html"), "was written by dnmf 99.1; novelty of")
    assert run_status(store)["status"] == "done"


@pytest.mark.parametrize(
    "where", [("options",), ("options", "penalty"), ("state",)], ids=["options", "penalty", "state"]
)
def test_a_run_with_more_than_is_known_is_not_gone_on_with(tmp_path, monkeypatch, where):
    store = tmp_path / "run.dnmf"
    with pytest.raises(Stopped):
        dnmf.fit(A, **FIT, store=store, callbacks=(stop_after_two,))
    written_by_a_newer_one(store, monkeypatch, *where)
    assert_refused(store, lambda: dnmf.resume(store, source=A))
    assert_refused(store, lambda: dnmf.fit(A, **FIT, store=store, resume="auto"))


@pytest.mark.broad(1)
@pytest.mark.parametrize("where", [(), ("fit",), ("fit", "penalty")], ids=["path", "options", "penalty"])
def test_a_path_with_an_option_that_is_not_known_is_refused(tmp_path, monkeypatch, where):
    store = tmp_path / "path.dnmf"
    dnmf.path(A, **PATH, store=store)
    written_by_a_newer_one(store, monkeypatch, "path", *where)
    assert_refused(store, lambda: dnmf.load_path(store))
    assert_refused(store, lambda: dnmf.resume_path(store))


def test_what_a_newer_one_measured_beside_is_left_out(tmp_path, monkeypatch):
    store = tmp_path / "path.dnmf"
    found = dnmf.path(A, **PATH, store=store)
    written_by_a_newer_one(store, monkeypatch, "rows", 0)
    table = dnmf.load_path(store).table()
    np.testing.assert_array_equal(table["objective"], found.table()["objective"])
    assert "novelty" not in table
