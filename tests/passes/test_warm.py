"""Whether kernels are still to be compiled."""

from types import SimpleNamespace

import numpy as np
import pytest

import dnmf
from dnmf.kernels import nnls
from dnmf.passes.warm import were_compiled


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
