"""``python -m benchmarks.same_bits FILE``: whether a change left the bits of every kind of fit as they were.

Writes a digest for each of a table of options and sources to FILE; where FILE is there, says which digests are others
(and exits with 1). Digests belong to a machine and to the packages of a day: make them from the commit before, then
compare.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

import dnmf
from dnmf.constraints import Constraints

RANK, ROWS, COLUMNS = 4, 600, 80
Call = Callable[[], Any]


def data() -> dict[str, Any]:
    """Matrices: planted with zeros, the same with negative values, and what is given of its factors."""
    rng = np.random.default_rng(7)
    W = rng.random((ROWS, 5)) * (rng.random((ROWS, 5)) < 0.5)
    H = rng.random((5, COLUMNS)) * (rng.random((5, COLUMNS)) < 0.5)
    A = np.maximum(W @ H + 0.05 * (rng.random((ROWS, COLUMNS)) - 0.7), 0)
    return {"A": A, "signed": A - 0.2, "W": W, "H": H, "counts": rng.poisson(3 * A).astype(np.float64)}


def penalties() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By name, the arguments of a penalty and of constraints."""
    given, chain = data(), scipy.sparse.diags_array([np.ones(COLUMNS - 1)] * 2, offsets=[-1, 1])
    target = np.where(np.arange(RANK)[:, None] == 1, np.nan, np.random.default_rng(5).random((RANK, COLUMNS)))
    strengths: dict[str, dict[str, Any]] = {
        "none": {}, "l1": {"l1": 0.1}, "l2": {"l2": 0.2}, "both": {"l1": (0.1, 0.0), "l2": (0.0, 0.3)},
        "angular": {"angular": (0.2, 0.1)},
    }  # fmt: skip
    sides: dict[str, dict[str, Any]] = {
        "": {}, "upper": {"upper": (0.2, 0.3)}, "free W": {"free": "W"}, "free H": {"free": "H"},
        "given W": {"fixed_W": given["W"][:, :2]}, "given H": {"fixed_H": given["H"][:2]},
        "all of H": {"fixed_H": given["H"][:RANK]}, "graph": {"graph": chain}, "target": {"target_H": target},
    }  # fmt: skip
    found = {}
    for scale in ("relative", "objective", "fraction", "absolute"):
        for strength, values in strengths.items():
            for side, limits in sides.items():
                on_H = {"smooth": 0.3} if side == "graph" else {"target": 0.3} if side == "target" else {}
                for diagonal in (True, False) if not side else (True,):
                    name = f"{scale}, {strength}, {side or 'non-negative'}{'' if diagonal else ', no diagonal'}"
                    found[name] = ({**values, **on_H, "scale": scale, "diagonal": diagonal}, limits)
    return found


def fit(A: Any, kind: tuple[dict[str, Any], dict[str, Any]], **options: Any) -> Any:
    """Return the fit under a penalty and constraints by their arguments."""
    penalty, limits = kind
    constraints = Constraints(**limits) if limits else None
    return dnmf.fit(A, RANK, penalty=dnmf.Penalty(**penalty), constraints=constraints, **options)


def fits(folder: Path) -> Iterator[tuple[str, Call]]:
    """Yield every fit by name."""
    given, kinds = data(), penalties()
    for dtype in ("float32", "float64"):
        for name, kind in kinds.items():
            A = given["signed"] if "free" in kind[1] else given["A"]
            yield f"{name}, {dtype}", partial(fit, A, kind, dtype=dtype, tol=0.0, max_passes=12)
        for name, options in _options(given).items():
            yield f"{name}, {dtype}", partial(dnmf.fit, given["A"], RANK, dtype=dtype, **options)
    for name, source in _sources(given, folder).items():
        for option, options in _options(given).items():
            yield f"{name}: {option}", partial(dnmf.fit, source, RANK, **options)
        for side in ("given W", "upper", "non-negative"):
            yield f"{name}: {side}", partial(fit, source, kinds[f"objective, l1, {side}"], max_passes=8)


def _options(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    starts = {f"init {init}": {"init": init} for init in ("auto", "sample", "surrogate", "random", "normal", "nndsvda")}
    return {
        **starts, "no extrapolation": {"extrapolate": False}, "seed 3": {"seed": 3}, "no pruning": {"prune": "off"},
        "from H": {"H": given["H"][:RANK]}, "from W": {"W": given["W"][:, :RANK]}, "tight": {"tol": 1e-8},
        "l1": {"penalty": dnmf.Penalty(l1=0.4)}, "l2": {"penalty": dnmf.Penalty(l2=0.5)},
    }  # fmt: skip


def _sources(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    import anndata
    import dask.array
    import zarr

    A, csr = given["A"].astype(np.float32), scipy.sparse.csr_matrix(given["counts"])
    folder.mkdir(exist_ok=True)
    zarr.create_array(folder / "dense.zarr", shape=A.shape, chunks=(60, COLUMNS), dtype="f4")[:] = A
    zarr.create_array(folder / "grid.zarr", shape=A.shape, chunks=(90, 30), dtype="f4")[:] = A
    anndata.AnnData(csr).write_zarr(folder / "csr.zarr")
    anndata.AnnData(csr.tocsc()).write_h5ad(folder / "csc.h5ad")
    return {
        "dense Zarr": folder / "dense.zarr", "Zarr in a grid": folder / "grid.zarr", "CSR": folder / "csr.zarr",
        "CSC": folder / "csc.h5ad", "dask": dask.array.from_array(A, chunks=(100, 40)), "csr_matrix": csr,
    }  # fmt: skip


def others(folder: Path) -> Iterator[tuple[str, Call]]:
    """Yield what is made of fits: resumed ones, other rows, paths."""
    A, store = data()["A"], folder / "part.dnmf"

    def resumed(options: dict[str, Any]) -> Any:
        dnmf.fit(A, RANK, **{**options, "tol": 0.0, "max_passes": 3}, store=store, overwrite=True)
        return dnmf.resume(store, source=A, max_passes=9)

    def transformed(kind: tuple[dict[str, Any], dict[str, Any]]) -> Any:
        return fit(A, kind, max_passes=6).transform(A[::7]).compute()

    for name, options in _options(data()).items():
        yield f"resumed: {name}", partial(resumed, options)
    for name, kind in penalties().items():
        if "free" not in kind[1] and "fixed_W" not in kind[1] and "l1" in name:
            yield f"other rows: {name}", partial(transformed, kind)
    for scale, warm in product(("relative", "objective", "fraction"), ("unpenalized", "chain")):
        penalty = dnmf.Penalty(l1=1.0, l2=0.2, scale=scale)
        yield (
            f"path: {scale}, {warm}",
            partial(dnmf.path, A, RANK, penalty, [0.0, 0.1, 0.5], seeds=2, warm=warm, max_passes=8),
        )


def by_entry(folder: Path) -> Iterator[tuple[str, Call]]:
    """Yield fits in which entries are looked at one by one: losses, missing entries, weights; resumed, other rows."""
    given, sources = data(), _sources(data(), folder / "by entry")
    draw = np.random.default_rng(9)
    seen, weights = draw.random((ROWS, COLUMNS)) < 0.8, draw.integers(0, 3, (ROWS, COLUMNS)).astype(np.float32)
    sources["positive"] = given["A"] + 0.1
    sources["holes"] = np.where(seen, given["A"], np.nan)
    kl: dict[str, Any] = {"loss": "kullback-leibler"}
    said: dict[str, dict[str, Any]] = {
        "counts": kl, "mask": {"mask": seen}, "weights": {"weights": weights}, "counts, mask": {**kl, "mask": seen},
        "counts, weights": {**kl, "weights": weights},
    }  # fmt: skip
    stores = ("dense Zarr", "CSR", "CSC", "csr_matrix", "dask")
    kinds = {f"{name}: {what}": (sources[name], said[what]) for name, what in product(stores, said)}
    for name, what in product(("CSR", "CSC"), ({}, kl)):
        kinds[f"{name}: unstored{', counts' if what else ''}"] = (sources[name], {"missing": "unstored", **what})
    for name in ("CSR", "dense Zarr"):
        kinds[f"{name}: implicit"] = (sources[name], {"implicit": 2.0})
    kinds["positive: itakura-saito"] = (sources["positive"], {"loss": "itakura-saito"})
    kinds["holes: itakura-saito"] = (sources["holes"] + 0.1, {"loss": "itakura-saito", "missing": "nan"})
    for what, options in {"holes": {}, "counts, holes": kl}.items():
        kinds[f"holes: {what}"] = (sources["holes"], {"missing": "nan", **options})
    for name, (source, options) in kinds.items():
        for dtype in ("float32", "float64"):
            yield f"by entry, {name}, {dtype}", partial(dnmf.fit, source, RANK, dtype=dtype, max_passes=8, **options)
    for name in ("CSR: counts", "CSR: unstored", "dense Zarr: weights", "holes: holes"):
        yield from _of_one_kind(name, *kinds[name], folder)


def _of_one_kind(name: str, source: Any, said: dict[str, Any], folder: Path) -> Iterator[tuple[str, Call]]:
    """Yield fits of one kind of data with other options, a resumed one, and other rows."""
    given, store = data(), folder / "by-entry.dnmf"
    objective = dnmf.Penalty(l1=0.1, l2=0.2, scale="objective")
    both = Constraints(fixed_W=np.ones(ROWS), fixed_H=np.ones(COLUMNS))
    options: dict[str, dict[str, Any]] = {
        "penalty": {"penalty": objective}, "counts penalty": {"penalty": dnmf.Penalty(l2=0.01, scale="counts")},
        "biases": {"constraints": both}, "upper": {"penalty": objective, "constraints": Constraints(upper=(2.0, 1.0))},
        "given W": {"constraints": Constraints(fixed_W=given["W"][:, :2])},
        "given H": {"constraints": Constraints(fixed_H=given["H"][:2])}, "from H": {"H": given["H"][:RANK]},
        "init random": {"init": "random"}, "no extrapolation": {"extrapolate": False},
    }  # fmt: skip

    def resumed() -> Any:
        dnmf.fit(source, RANK, **said, tol=0.0, max_passes=3, store=store, overwrite=True)
        return dnmf.resume(store, source=dnmf.open_source(source, **beside), max_passes=6)

    def transformed() -> Any:
        return dnmf.fit(source, RANK, **said, max_passes=4).transform(dnmf.open_source(source, **beside)).compute()

    beside = {what: value for what, value in said.items() if what in ("missing", "mask", "weights")}
    for what, more in options.items():
        yield f"by entry, {name}, {what}", partial(dnmf.fit, source, RANK, max_passes=6, **said, **more)
    yield f"by entry, {name}, resumed", resumed
    yield f"by entry, {name}, other rows", transformed


def digest(found: Any) -> str:
    """Return a digest of factors, diagonal and history of a model, of all models of a path, of an array."""
    parts = hashlib.blake2b(digest_size=8)
    models = list(found.models.values()) if hasattr(found, "models") else [found]
    for model in models:
        if isinstance(model, np.ndarray):
            parts.update(model.tobytes())
            continue
        for array in (model.H, model.d, model.read_W()):
            parts.update(np.ascontiguousarray(array).tobytes())
        for record in model.history:
            parts.update(repr([record.objective, record.loss, record.gradient, record.accepted, record.extrapolated,
                               record.trial, record.alive, round(record.reads, 6)]).encode())  # fmt: skip
        parts.update(model.stop_reason.encode())
    if hasattr(found, "rows"):
        parts.update(repr(found.rows).encode())
    return parts.hexdigest()


def outcome(call: Call) -> str:
    """Return the digest of what a call returns, or how it is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return digest(call())
    except dnmf.DnmfError as error:
        return f"{type(error).__name__}: {str(error)[:60]}"


def small_tasks() -> None:
    """Have data of a few hundred KiB cut into tasks and panels, as large data is."""
    import dnmf.plan

    dnmf.plan.LEAST_GROUP_BYTES, dnmf.plan.MOST_PANEL_BYTES = 2**15, 2**13


def compare(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return a line for each entry that is not as before."""
    return [f"{name}: {before.get(name)} → {now.get(name)}" for name in {**before, **now}
            if before.get(name) != now.get(name)]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_bits", description=__doc__)
    parser.add_argument("file", type=Path, help="JSON of names and digests, written where it is not there")
    chosen = parser.parse_args(arguments)
    small_tasks()
    with tempfile.TemporaryDirectory() as folder:
        table = [*fits(Path(folder)), *others(Path(folder)), *by_entry(Path(folder))]
        now = {name: outcome(call) for name, call in table}
    if not chosen.file.exists():
        chosen.file.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        print(f"{len(now)} written to {chosen.file}")
        return
    changed = compare(json.loads(chosen.file.read_text(encoding="utf-8")), now)
    print("\n".join([*changed, f"{len(changed)} of {len(now)} are others"]))
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
