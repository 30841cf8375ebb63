"""Whether kernels are still to be compiled."""

import subprocess
import sys
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


LOADED = """
import sys
import numpy as np
from numba.core.registry import CPUDispatcher
import dnmf
from dnmf.passes.warm import Kernels, load_kernels

def loaded():
    found = {id(each): each for name, module in list(sys.modules.items()) if name.startswith("dnmf.")
             for each in vars(module).values() if isinstance(each, CPUDispatcher)}
    return {f"{each.py_func.__module__}.{each.py_func.__name__}": len(each.overloads) for each in found.values()}

A, seen = np.random.default_rng(0).poisson(1.0, (40, 12)).astype(sys.argv[1]), np.eye(40, 12) == 0
beside = {"holes": {"missing": "nan"}, "mask": {"mask": seen}, "weights": {"weights": seen.astype("f4")}}
said = {name: value for each in sys.argv[2:] for name, value in beside.get(each, {}).items()}
more = {"implicit": 1.0} if "implicit" in sys.argv else {}
loss = next((each for each in sys.argv if each in ("kullback-leibler", "itakura-saito")), "frobenius")
A = np.where(seen, A, np.nan).astype("f4") if "holes" in sys.argv else A + (loss == "itakura-saito")
source = dnmf.open_source(A, **said)
load_kernels(Kernels.of(source, 3, "float32", loss=loss, implicit=bool(more)))
before = loaded()
dnmf.fit(source, 3, loss=loss, **more, max_passes=4, tol=0.0)
print({name: count for name, count in loaded().items() if count != before.get(name, 0)})
"""


@pytest.mark.slow
@pytest.mark.parametrize("values", ["float32", "uint16"])
@pytest.mark.parametrize(
    "said",
    [
        "frobenius", "kullback-leibler", "itakura-saito", "holes", "mask", "weights", "implicit",
        "kullback-leibler holes", "kullback-leibler weights", "itakura-saito mask",
    ],
)  # fmt: skip
def test_a_plan_measures_memory_with_every_kernel_of_the_fit_loaded(said, values):
    command = [sys.executable, "-W", "ignore", "-c", LOADED, values, *said.split()]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "{}"
