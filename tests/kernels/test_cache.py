"""Compiled kernels are kept where only their user can write, and work where there is no such place."""

import logging
import os
import subprocess
from pathlib import Path

import pytest
from numba.core.caching import NullCache

from dnmf.kernels import cache, nnls
from dnmf.kernels.jit import compiled
from dnmf.passes.warm import Kernels, load_compiled_kernels

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="users are told apart by their numbers")


def plus_one(x):
    return x + 1


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """No place that numba knows can be written; temporary files go to `tmp_path`."""
    known = cache.FunctionCache.__init__

    def refuse(self, function):
        if not cache.numba.config.CACHE_DIR:
            raise RuntimeError("cannot cache function: no locator available")
        known(self, function)

    monkeypatch.setattr(cache.numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache.FunctionCache, "__init__", refuse)
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cache, "_said", set())
    tmp_path.chmod(0o700)
    return tmp_path


def of_this_user(above):
    return above / f"dnmf-kernels-{os.getuid()}"


def test_without_a_home_kernels_are_kept_in_a_temporary_directory_of_this_user(homeless, caplog):
    assert compiled(plus_one)(1) == 2
    folder = of_this_user(homeless)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi"))
    assert cache.numba.config.CACHE_DIR == ""
    assert not caplog.records


def test_the_directory_is_used_again(homeless):
    compiled(plus_one)(1)
    again = compiled(plus_one)
    again(1)
    assert sum(again.stats.cache_hits.values()) == 1


def plant(folder):
    folder.mkdir()
    folder.chmod(0o777)


def plant_link(folder):
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def open_for_all(folder):
    folder.parent.chmod(0o777)


@pytest.mark.parametrize("harm", [plant, plant_link, open_for_all, Path.touch])
def test_a_directory_that_others_could_have_filled_is_not_read(homeless, harm, caplog):
    harm(of_this_user(homeless))
    for _ in range(2):
        assert compiled(plus_one)(1) == 2
    assert not list(homeless.rglob("*.nbi"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "NUMBA_CACHE_DIR" in record.getMessage()


@pytest.mark.parametrize("half", ["_save_overload", "_load_overload"])
def test_a_cache_that_fails_is_done_without(homeless, monkeypatch, half):
    def fail(self, *arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.FunctionCache, half, fail)
    assert compiled(plus_one)(1) == 2


def test_where_nothing_is_kept_no_other_process_compiles_first(monkeypatch):
    monkeypatch.setattr(nnls._solve_rows, "_cache", NullCache())
    monkeypatch.setattr(subprocess, "run", None)
    load_compiled_kernels(Kernels(2, "float32"))
