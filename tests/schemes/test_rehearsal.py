"""What has been run once before memory is measured is all that a fit runs."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dnmf
from dnmf.losses import table
from dnmf.losses.kullback_leibler import KullbackLeibler
from dnmf.options import FitOptions
from dnmf.schemes.rehearsal import Kernels

LOADED = """
import os
import sys
import anndata
import numpy as np
import scipy.sparse
from numba.core.registry import CPUDispatcher
import dnmf
from dnmf.options import FitOptions
from dnmf.schemes.rehearsal import Kernels


class Poissonish(dnmf.Loss):
    name, linear, zero_is_free, positive = "poissonish", 1.0, True, True

    def value(self, a, y):
        return np.where(a > 0, a * np.log(np.where(a > 0, a, 1) / y) - a, 0).astype(np.float64)

    def weights(self, a, y):
        return a / y, a / y**2


def compiled():
    found = {id(each): each for name, module in list(sys.modules.items()) if name.startswith("dnmf.")
             for each in vars(module).values() if isinstance(each, CPUDispatcher)}
    return {f"{each.py_func.__module__}.{each.py_func.__name__}": len(each.overloads) for each in found.values()}


dnmf.losses.register(Poissonish())
values, dtype, folder, *cases = sys.argv[1:]


def source_of(said, loss):
    rng = np.random.default_rng(0)
    A, seen = rng.poisson(1.0, (40, 12)).astype(values), np.eye(40, 12) == 0
    if "sparse" in said:
        A = scipy.sparse.csr_array(A)
    elif loss == "itakura-saito":
        A += 1
    if "wide" in said:
        A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    if "holes" in said:
        A = np.where(seen, A, np.nan)
    if "stored" in said:
        store = f"{folder}/{'-'.join(said)}.zarr"
        anndata.AnnData(A).write_zarr(store)
        A = store
    beside = {"holes": {"missing": "nan"}, "unstored": {"missing": "unstored"}, "mask": {"mask": seen},
              "weights": {"weights": seen.astype("f4")}, "row_weights": {"row_weights": rng.random(40)}}
    return dnmf.open_source(A, **{name: value for each in said for name, value in beside.get(each, {}).items()})


def newly_compiled(said):
    losses = [each for each in said if each in ("kullback-leibler", "itakura-saito", "poissonish")]
    loss = losses[0] if losses else "frobenius"
    source = source_of(said, loss)
    ways = {"mu": {"solver": "mu"}, "bpp": {"solver": "bpp"}, "hals": {"solver": "hals", "exact_rows": False},
            "admm": {"solver": "admm", "exact_rows": False}, "pg": {"solver": "pg"}}
    asked = {**ways, "implicit": {"implicit": 1.0}, "W": {"W": np.ones((40, 3))},
             "fixed_H": {"constraints": dnmf.Constraints(fixed_H=np.ones((1, 12)))}}
    more = {name: value for each in said for name, value in asked.get(each, {}).items()}
    options = FitOptions(3, loss=loss, dtype=dtype, implicit=more.get("implicit", 0.0),
                         init="given" if "W" in more else "auto", solver=more.get("solver", "cd"),
                         exact_rows=more.get("exact_rows", True))
    Kernels.of(source, options).alike().load()
    before = compiled()
    dnmf.fit(source, 3, loss=loss, dtype=dtype, **more, max_passes=4, tol=0.0)
    return {name: count for name, count in compiled().items() if count != before.get(name, 0)}


for said in cases:
    child = os.fork()  # before anything was loaded
    if not child:
        try:
            print(f"{said}: {newly_compiled(said.split())}", flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""
SAID = [
    "plain", "kullback-leibler", "itakura-saito", "poissonish", "holes", "mask", "weights", "row_weights", "implicit",
    "kullback-leibler holes", "kullback-leibler weights", "itakura-saito mask",
    "mu", "bpp", "hals", "admm", "pg", "sparse mu", "kullback-leibler mu", "holes mu",
    "W", "fixed_H", "kullback-leibler W", "kullback-leibler holes W",
    "sparse", "sparse wide", "sparse kullback-leibler", "sparse poissonish", "sparse unstored", "sparse implicit",
    "sparse stored", "sparse wide stored unstored",
    "sparse mask", "sparse wide mask", "sparse unstored row_weights", "sparse kullback-leibler unstored",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("values", "dtype", "cases"),
    [("float32", "float32", SAID), ("uint16", "float32", SAID[::2]), ("float64", "float64", SAID[1::2])],
    ids=["float32-float32", "uint16-float32", "float64-float64"],
)
def test_a_plan_measures_memory_with_every_kernel_of_the_fit_loaded(values, dtype, cases, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", LOADED, values, dtype, str(tmp_path), *cases]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.stdout.splitlines() == [f"{said}: {{}}" for said in cases], ended.stderr


class OfACaller(KullbackLeibler):
    name = "of a caller"


def test_a_loss_of_a_caller_is_rehearsed_by_one_that_every_process_knows(monkeypatch):
    monkeypatch.setitem(table._LOSSES, "of a caller", OfACaller())
    source = dnmf.open_source(np.ones((4, 3)))
    kernels = Kernels.of(source, FitOptions(3, loss="of a caller"))
    assert kernels.alike().loss in ("kullback-leibler", "itakura-saito")
    assert Kernels.of(source, FitOptions(3, loss="kullback-leibler")).alike().loss == "kullback-leibler"


def test_ranks_of_one_width_are_alike():
    assert Kernels(3, "float32").alike() == Kernels(8, "float32").alike() != Kernels(9, "float32").alike()
