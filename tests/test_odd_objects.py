"""Whatever is thrown at a door works, or is refused in words: no error of Python reaches a person."""

import array
import collections
import contextlib
import datetime
import io

import anndata
import dask
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.sparse.linalg
import zarr
from anndata.experimental import AnnCollection

import dnmf
from dnmf import measures
from dnmf.plots.sides import take_side

A = np.random.default_rng(0).random((6, 4))


class Tensor:
    """On another device."""

    shape, dtype, ndim = (6, 4), np.dtype("f8"), 2

    def __array__(self, *arguments, **options):
        raise RuntimeError("can't convert cuda:0 device type tensor to numpy")


class Everything:
    """Has any attribute, as a mock has."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class MuData:
    """Has names, and modalities in place of a matrix."""

    obs_names, var_names, mod = pd.Index(["a"]), pd.Index(["b"]), {}


def collection():
    var = pd.DataFrame(index=list("abcd"))
    parts = [anndata.AnnData(A.astype("f4"), pd.DataFrame(index=[f"{n}{i}" for i in range(6)]), var) for n in "xy"]
    return AnnCollection(parts)


def closed_dataset(folder):
    with h5py.File(folder / "closed.h5", "w") as file:
        file["x"] = A
        return file["x"]


def circular():
    values = []
    values.append(values)
    return values


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    return {
        "None": None, "a number": 3, "half": 2.5, "NaN": float("nan"), "huge": 10**400, "complex": 1j * A,
        "text": "zoo.x",
        "bytes": b"abc", "nowhere": folder / "nothing", "empty": [], "ragged": [[1, 2], [3]], "texts": ["a", "b"],
        "dict": {"a": 1}, "set": {1}, "generator": (x for x in [1]), "circular": circular(), "slice": slice(1, 2),
        "Series": pd.Series(A[:, 0]), "Index": pd.Index([1, 2]), "frame of text": pd.DataFrame({"a": ["x", "y"]}),
        "empty frame": pd.DataFrame(), "groups": pd.DataFrame({"a": [1, 1]}).groupby("a"),
        "Delayed": dask.delayed(lambda: A)(), "AnnCollection": collection(), "MuData": MuData(), "tensor": Tensor(),
        "everything": Everything(), "objects": np.array([[1, "a"], [None, 2]], object),
        "named": np.zeros(3, [("a", int)]),
        "now": datetime.datetime(2020, 1, 1), "dates": np.array([["2020", "NaT"]], "M8[D]"), "NaT": pd.NaT,
        "0-d": np.array(3.0), "1-d": np.ones(4), "3-d": np.ones((2, 2, 2)), "view": memoryview(A),
        "matrix": np.asmatrix(A),
        "array.array": array.array("d", [1, 2]), "operator": scipy.sparse.linalg.aslinearoperator(A),
        "class": np.ndarray,
        "a module": np, "function": len, "masked": np.ma.masked_less(A, 0.5), "file": io.BytesIO(b"x"),
        "closed": closed_dataset(folder), "group": zarr.open_group(folder / "g.zarr", mode="w"), "...": ...,
        "deque": collections.deque([[1.0, 2], [3, 4]]), "error": ValueError("x"),
        "1-d sparse": scipy.sparse.coo_array([1.0]), "lists": [[1], [2], [3], [4]], "mixed": [1, "a", None, [2]],
        "Series of lists": pd.Series([[1], [2], [3], [4]]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return dnmf.fit(A, 2, max_passes=2)


def fit(**options):
    return dnmf.fit(A, **{"rank": 2, "max_passes": 1, **options})


def option(name):
    return lambda thing, model, folder: fit(**{name: thing})


def constraint(name):
    return lambda thing, model, folder: fit(constraints=dnmf.Constraints(**{name: thing}))


def penalty(name):
    return lambda thing, model, folder: dnmf.Penalty(**{name: thing})


def of_path(name):
    asked = {"rank": 1, "penalty": dnmf.Penalty(l1=1.0), "strengths": [0.1], "max_passes": 1, "measures": "cheap"}
    return lambda thing, model, folder: dnmf.path(A, **{**asked, name: thing})


def measure(find, **options):
    return lambda thing, model, folder: find(model, thing, **options)


def measure_of(find, *of):
    return lambda thing, model, folder: find(thing, *of)


def convert(name):
    def call(thing, model, folder):
        np.save(folder / "a.npy", A)
        dnmf.convert(folder / "a.npy", folder / "out.zarr", **{"overwrite": True, name: thing})

    return call


PAIRS = (measures.match, measures.robustness, measures.align, measures.similarity)
OPTIONS = ("rank", "W", "H", "init", "solver", "loss", "penalty", "constraints", "dtype", "seed", "tol", "max_passes",
           "extrapolate", "prune", "client", "memory_limit", "keep", "row_names", "column_names")  # fmt: skip
DOORS = {
    "fit": lambda thing, model, folder: dnmf.fit(thing, 1, max_passes=1),
    "convert": lambda thing, model, folder: dnmf.convert(thing, folder / "out.zarr", overwrite=True),
    "load": lambda thing, model, folder: dnmf.load(thing),
    "resume": lambda thing, model, folder: dnmf.resume(thing),
    "load_path": lambda thing, model, folder: dnmf.load_path(thing),
    "solve": lambda thing, model, folder: model.solve(thing),
    "fixed_W": lambda thing, model, folder: model.solve(A, fixed_W=thing),
    "reordered": lambda thing, model, folder: model.reordered(thing),
    "top": lambda thing, model, folder: model.top(thing),
    "top side": lambda thing, model, folder: model.top(2, thing),
    "top names": lambda thing, model, folder: model.top(2, names=thing),
    "row names": lambda thing, model, folder: model.with_names(row_names=thing),
    "names of a picture": lambda thing, model, folder: take_side(model, "H", thing),
    "columns": lambda thing, model, folder: model.transform(A, columns=thing),
    "energy": lambda thing, model, folder: measures.energy(thing),
    "implicit_penalty": lambda thing, model, folder: measures.implicit_penalty(thing),
    "at": lambda thing, model, folder: dnmf.Penalty(l1=1.0).at(thing),
    **{f"fit {name}": option(name) for name in OPTIONS},
    **{f"path {name}": of_path(name) for name in ("penalty", "strengths", "seeds", "warm", "measures", "side", "H")},
    **{f"penalty {name}": penalty(name) for name in ("l1", "l2", "scale", "diagonal", "angular", "smooth", "target")},
    **{f"constraints {name}": constraint(name)
       for name in ("upper", "free", "fixed_H", "fixed_W", "target_H", "graph")},
    **{find.__name__: measure(find) for find in PAIRS},
    **{f"{find.__name__} of": measure_of(find, A) for find in (*PAIRS, measures.alike, measures.relative_error)},
    **{f"{find.__name__} of itself": lambda thing, model, folder, find=find: find(thing, thing) for find in PAIRS},
    **{f"{find.__name__} side": lambda thing, model, folder, find=find: find(model, model, thing) for find in PAIRS},
    **{find.__name__: measure_of(find)
       for find in (measures.cosines, measures.mean_cosine, measures.sparsity, measures.first_singular_vector)},
    "alike": measure(measures.alike),
    "relative_error": measure(measures.relative_error),
    "cosines side": measure(measures.cosines),
    "diagonal": lambda thing, model, folder: measures.mean_cosine(model, diagonal=thing),
    "kmeans_centres": measure_of(measures.kmeans_centres, 2),
    "kmeans_centres k": lambda thing, model, folder: measures.kmeans_centres(A, thing),
    "read_W": lambda thing, model, folder: model.read_W(thing),
    **{f"convert {name}": convert(name)
       for name in ("dtype", "transpose", "row_names", "column_names", "feature_type", "chunk_bytes", "memory_bytes",
                    "zarr_format", "overwrite", "missing_chunks")},
}  # fmt: skip


def test_a_path_has_no_model_of_what_is_no_strength_or_seed(zoo):
    found = of_path("warm")("unpenalized", None, None)
    for thing in zoo.values():
        for ask in (found.model, found.of_seed, lambda seed: found.model(0.1, seed)):
            with contextlib.suppress(dnmf.InputError):
                ask(thing)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.broad(7)
def test_what_is_thrown_at_a_door_works_or_is_refused_in_words(door, zoo, model, tmp_path):
    wrong = []
    for name, thing in zoo.items():
        try:
            DOORS[door](thing, model, tmp_path)
        except dnmf.DnmfError:
            pass
        except Exception as error:  # noqa: BLE001  all of them are listed
            wrong.append(f"{name}: {type(error).__name__}: {error}"[:200])
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_estimator_refuses_as_scikit_learn_does(zoo, model):
    nmf = dnmf.NMF(2, max_iter=2).fit(A)
    custom = dnmf.NMF(2, init="custom", max_iter=2)
    for thing in zoo.values():
        for call in (dnmf.NMF(1, max_iter=2).fit, nmf.transform, nmf.inverse_transform,
                     lambda W: custom.fit(A, W=W), lambda H: custom.fit(A, H=H)):  # fmt: skip
            with contextlib.suppress(dnmf.DnmfError, ValueError):
                call(thing)


@pytest.mark.parametrize("kind", [TypeError, RuntimeError])
def test_what_a_tensor_says_of_its_device_is_handed_on(kind):
    class Elsewhere(Tensor):
        def __array__(self, *arguments, **options):
            raise kind("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(dnmf.InputError, match="Elsewhere.*cuda:0"):
        dnmf.NMF(1).fit(Elsewhere())


def test_one_callback_may_be_given_alone():
    heard = []
    fit(callbacks=heard.append)
    assert heard
    for wrong in (3, [3], "print", None, np.array(3), memoryview(A)):
        with pytest.raises(dnmf.InputError, match="callbacks"):
            fit(callbacks=wrong)
