"""Compiled kernels are kept where only their user can write, and work where there is no such place."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from numba.core.caching import NullCache

from dnmf.kernels import cache, nnls
from dnmf.kernels.jit import compiled
from dnmf.passes import warm
from dnmf.passes.warm import load_compiled_kernels
from dnmf.schemes.rehearsal import Kernels

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


@pytest.fixture
def children(monkeypatch, tmp_path):
    """The commands of the processes that would compile; what they would compile is looked for in an empty place."""
    commands = []

    def run(command, **_):
        time.sleep(0.05)
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(nnls._solve_rows, "_cache", SimpleNamespace(cache_path=str(tmp_path / "kernels")))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(Kernels, "load", lambda _: None)
    return commands


def test_of_many_that_need_kernels_at_the_same_time_one_has_them_compiled(children):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load_compiled_kernels, [Kernels(3, "float32")] * 8))
    assert len(children) == 1


def test_they_are_compiled_again_for_another_width_or_dtype_and_not_for_another_rank(children):
    for kernels in (Kernels(3, "float32"), Kernels(8, "float32"), Kernels(9, "float32"), Kernels(3, "float64")):
        load_compiled_kernels(kernels)
    assert len(children) == 3


def test_they_are_compiled_again_for_another_processor(children, monkeypatch):
    load_compiled_kernels(Kernels(3, "float32"))
    other = SimpleNamespace(codegen=lambda: SimpleNamespace(magic_tuple=lambda: ("x86_64", "another", "")))
    monkeypatch.setattr(nnls._solve_rows, "targetctx", other)
    load_compiled_kernels(Kernels(3, "float32"))
    assert len(children) == 2


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(warm, "LOCK_WAIT_S", 0.1)


def test_a_lock_that_somebody_keeps_is_done_without(children, impatient, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "kernels").mkdir()
    with (tmp_path / "kernels" / "dnmf.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        load_compiled_kernels(Kernels(3, "float32"))
    assert len(children) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_the_lock_is_free_again_also_where_the_process_was_forked_meanwhile(children, impatient, monkeypatch):
    run, forked = subprocess.run, []

    def fork_and_run(command, **how):
        forked.append(os.fork())
        if not forked[0]:
            time.sleep(60)
            os._exit(0)
        return run(command, **how)

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(subprocess, "run", fork_and_run)
    load_compiled_kernels(Kernels(3, "float32"))
    try:
        with (warm._marker(Kernels(3, "float32")).parent / "dnmf.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(forked[0], signal.SIGKILL)
        os.waitpid(forked[0], 0)


FAILURES = (subprocess.TimeoutExpired("python", 300), subprocess.CalledProcessError(1, "python"), OSError("no process"))


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_child_that_fails_is_done_without(children, monkeypatch, failure):
    def fail(command, **_):
        children.append(command)
        raise failure

    monkeypatch.setattr(subprocess, "run", fail)
    load_compiled_kernels(Kernels(3, "float32"))
    load_compiled_kernels(Kernels(3, "float32"))
    assert len(children) == 2


def test_a_program_that_is_its_own_python_starts_no_child(children, monkeypatch):
    for change in (
        lambda patch: patch.setattr(sys, "frozen", True, raising=False),
        lambda patch: patch.setattr(sys, "executable", ""),
        lambda patch: patch.setenv(warm.IS_CHILD, "1"),
    ):
        with monkeypatch.context() as patch:
            change(patch)
            load_compiled_kernels(Kernels(3, "float32"))
    assert not children


def test_where_there_are_no_locks_they_are_compiled_all_the_same(children, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refuse)
    load_compiled_kernels(Kernels(3, "float32"))
    load_compiled_kernels(Kernels(3, "float32"))
    assert len(children) == 1


def test_where_nothing_is_kept_no_other_process_compiles_first(monkeypatch):
    monkeypatch.setattr(nnls._solve_rows, "_cache", NullCache())
    monkeypatch.setattr(subprocess, "run", None)
    load_compiled_kernels(Kernels(2, "float32"))
