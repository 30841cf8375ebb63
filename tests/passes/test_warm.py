"""Whether kernels are still to be compiled."""

from types import SimpleNamespace

import numpy as np
import pytest

import dnmf
from dnmf.fitting.events import Compiling, Planned
from dnmf.kernels import nnls
from dnmf.passes import warm
from dnmf.passes.warm import were_compiled, will_compile
from dnmf.progress.lines import event_lines


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(nnls, "_solve_rows", SimpleNamespace(_cache=SimpleNamespace(cache_path=str(tmp_path))))
    return tmp_path


def test_a_cache_is_warm_once_numba_has_kept_something_in_it(cache):
    assert not were_compiled()
    (cache / "nnls._solve_rows-30.py311.nbi").write_bytes(b"")
    assert were_compiled()


def test_without_a_place_for_kernels_they_are_compiled_each_time(cache):
    nnls._solve_rows._cache.cache_path = None
    assert not were_compiled()


@pytest.mark.parametrize("warm", [True, False])
def test_a_fit_tells_beforehand_that_kernels_are_compiled(monkeypatch, warm):
    monkeypatch.setattr("dnmf.workplace.were_compiled", lambda: warm)
    told = []
    dnmf.fit(np.eye(4), 2, max_passes=1, callbacks=told.append)
    assert told[0].compiles != warm


@pytest.mark.parametrize("waiting", [True, False])
def test_a_fit_on_workers_tells_that_they_compile_before_they_do(cluster, monkeypatch, waiting):
    monkeypatch.setattr("dnmf.passes.workers.compiles_first", lambda kernels: waiting)
    told = []
    dnmf.fit(np.eye(4), 2, max_passes=1, client=cluster, callbacks=told.append)
    workers = len(cluster.workers)
    assert [event for event in told if isinstance(event, Compiling)] == [Compiling(workers)] * waiting
    assert isinstance(told[int(waiting)], Planned)


def test_it_is_said_in_a_line():
    (line,) = event_lines(Compiling(3))
    assert (
        "3 workers: compiling kernels that no fit there needed before: seconds, the very first time about a minute"
        in line
    )


@pytest.mark.parametrize(
    ("marked", "children", "kept", "compiles"),
    [
        (True, True, True, False), (False, True, True, True), (False, True, False, True), (False, False, False, True),
        (False, False, True, False),
    ],
)  # fmt: skip
def test_kernels_are_compiled_where_no_mark_says_that_they_were(
    tmp_path, monkeypatch, marked, children, kept, compiles
):
    marker = tmp_path / "marker"
    if marked:
        marker.touch()
    monkeypatch.setattr(warm, "_marker", lambda kernels: marker)
    monkeypatch.setattr(warm, "_has_children", lambda: children)
    monkeypatch.setattr(warm, "were_compiled", lambda: kept)
    assert will_compile(None) == compiles


@pytest.mark.parametrize("loaded", [True, False])
def test_without_a_place_for_them_they_are_compiled_once_in_each_process(monkeypatch, loaded):
    monkeypatch.setattr(warm, "_marker", lambda kernels: None)
    monkeypatch.setattr(nnls, "_solve_rows", SimpleNamespace(signatures=[()] * loaded))
    assert will_compile(None) != loaded
