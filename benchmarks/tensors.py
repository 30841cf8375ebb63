"""Nonnegative CP beside programs that hold the array: reads and CPU to the same error, memory, sparse arrays.

``python -m benchmarks.tensors JOB.json`` measures one part of it, in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zarr

import dnmf
from benchmarks.process import ONE_THREAD, stay_on_one_processor, timed
from benchmarks.suite import ROOT, environment
from dnmf.matrix_inspection import inspect_source

SHAPE, RANK, NOISE, SEEDS = (200, 60, 50), 8, 0.1, 9
NEAR = 1e-3  # above the best error
SWEEPS = {"HALS": 60, "MU": 400}  # of tensorly, at most
FLAT, FLAT_RANK, FLAT_LIMIT = (12, 2_901, 2_901), 10, "1GiB"
FULL = (12, 29_010, 29_010)
SPARSE_SIDE, SPARSE_VALUES, SPARSE_RANK = 1_000, 5_000_000, 10
PASSES = 5
TIMEOUT_S = 3_600


def tensors() -> dict[str, Any]:
    """Return what dnmf and others take on planted arrays, on one of many slabs, and on a sparse one."""
    parts = {name: _in_a_process(name) for name in PARTS}
    return {**parts, "environment": environment()}


def _in_a_process(what: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps({"what": what}))
        subprocess.run(
            [sys.executable, "-m", "benchmarks.tensors", str(job)], cwd=ROOT, env={**os.environ, **ONE_THREAD},
            timeout=TIMEOUT_S, check=True,
        )  # fmt: skip
        return json.loads(job.with_name("result.json").read_text())


def planted() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return an array of gamma factors with noise above it, and the factors."""
    rng = np.random.default_rng(0)
    factors = [rng.gamma(0.5, size=(length, RANK)) for length in SHAPE]
    array = np.einsum("iq,jq,kq->ijk", *factors)
    noise = np.abs(rng.standard_normal(SHAPE))
    return array + NOISE * np.linalg.norm(array) / np.linalg.norm(noise) * noise, factors


def to_an_error(_: Path) -> dict[str, Any]:
    """Return for each seed reads and CPU seconds to within 0.1 % of the best error, of dnmf and of tensorly."""
    array, _factors = planted()
    dnmf.cp(array[:40], 2, max_passes=3)  # compiles
    ours = [_of_dnmf(array, seed) for seed in range(SEEDS)]
    theirs = {name: [_of_tensorly(name, array, seed) for seed in range(SEEDS)] for name in SWEEPS}
    runs = {"dnmf": ours, **theirs}
    best = min(error for of in runs.values() for steps in of for _, _, error in steps)
    return {"best": best, **{name: [_first_near(steps, best) for steps in of] for name, of in runs.items()}}


Steps = list[tuple[float, float, float]]
"""Reads, CPU seconds and error after each step."""


def _of_dnmf(array: np.ndarray, seed: int) -> Steps:
    steps: Steps = []
    began = time.process_time()

    def note(event: Any) -> None:
        if type(event).__name__ == "PassDone":
            steps.append((event.record.reads, time.process_time() - began, event.record.relative_error))

    dnmf.cp(array, RANK, seed=seed, callbacks=(note,))
    return steps


def _of_tensorly(name: str, array: np.ndarray, seed: int) -> Steps:
    """Sweeps of HALS or MU from a random start; each reads the array once for every axis."""
    from tensorly import decomposition

    program = {"HALS": decomposition.non_negative_parafac_hals, "MU": decomposition.non_negative_parafac}[name]
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, errors = program(
            array, RANK, n_iter_max=SWEEPS[name], init="random", random_state=seed, tol=1e-12, return_errors=True
        )
    each = (time.process_time() - began) / len(errors)
    axes = array.ndim
    return [(axes * number, each * number, float(error)) for number, error in enumerate(errors, 1)]


def _first_near(steps: Steps, best: float) -> dict[str, Any]:
    near = next((step for step in steps if step[2] <= best * (1 + NEAR)), None)
    return {"reads": near and near[0], "cpu_s": near and near[1], "end": steps[-1][2], "all_reads": steps[-1][0]}


def of_many_slabs(folder: Path) -> dict[str, Any]:
    """Return what a fit of a flat array takes within a limit, and where the full one would fit."""
    rng = np.random.default_rng(0)
    short = [rng.gamma(0.5, size=(length, 4)).astype(np.float32) for length in (FLAT[0], FLAT[2])]
    path = folder / "flat.zarr"
    array = zarr.create_array(path, shape=FLAT, chunks=(FLAT[0], 64, FLAT[2]), dtype="f4")
    for start in range(0, FLAT[1], 64):
        W = rng.gamma(0.5, size=(min(64, FLAT[1] - start), 4)).astype(np.float32)
        array[:, start : start + 64] = np.einsum("jq,iq,kq->jik", short[0], W, short[1])
    planned: list[Any] = []
    model, taken = timed(
        lambda: dnmf.cp(path, FLAT_RANK, memory_limit=FLAT_LIMIT, keep="stream", max_passes=6, callbacks=planned.append)
    )
    projected = next(event.projected_bytes for event in planned if type(event).__name__ == "Planned")
    return {
        **taken._asdict(), "bytes": int(np.prod(FLAT)) * 4, "error": model.relative_error, "reads": model.reads,
        "projected": projected, "peak": _peak(), "plans": list(_plans(folder)),
    }  # fmt: skip


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _plans(folder: Path) -> Iterator[dict[str, Any]]:
    """What the plan of the full array says, by its long axis; nothing of it is there."""
    path = folder / "full.zarr"
    zarr.create_array(path, shape=FULL, chunks=(FULL[0], 64, 4_096), dtype="f4")
    for axis in (1, 0):
        source = dnmf.open_source(path, row_axes=axis, missing_chunks="zeros")
        for limit in ("1GiB", "2GiB", "4GiB", "16GiB", "64GiB", "256GiB", "1024GiB"):
            plan = inspect_source(source, FLAT_RANK if axis else 5, limit)["plan"]
            if not plan["refused"]:
                yield {"axis": axis, "rank": plan["rank"], "limit": limit, "projected": plan["projected_bytes"]}
                break


def of_sparse(_: Path) -> dict[str, Any]:
    """Return CPU seconds of a pass over a sparse array, and of others' products with it along one axis."""
    import sparse

    rng = np.random.default_rng(0)
    coords = rng.integers(SPARSE_SIDE, size=(3, SPARSE_VALUES))
    values = rng.gamma(1.0, size=SPARSE_VALUES).astype(np.float32)
    array = sparse.COO(coords, values, shape=(SPARSE_SIDE,) * 3)
    dnmf.cp(array[:20], 2, max_passes=2)  # compiles
    at: list[float] = []

    def note(event: Any) -> None:
        if type(event).__name__ == "PassDone":
            at.append(time.process_time())

    model = dnmf.cp(array, SPARSE_RANK, init="random", max_passes=PASSES, tol=0, callbacks=(note,))
    ours = median(np.diff(at[:-1]))  # the last pass writes W
    factors = [rng.random((SPARSE_SIDE, SPARSE_RANK)) for _ in range(3)]
    theirs = median(_seconds(product) for product in [_products(array.coords, array.data, factors)] * PASSES)
    return {"pass_cpu_s": ours, "product_cpu_s": theirs, "error": model.relative_error, "values": int(array.nnz)}


def _seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _products(coords: np.ndarray, values: np.ndarray, factors: list[np.ndarray]) -> Callable[[], Any]:
    """The matricized tensor times Khatri–Rao product along the first axis, as pyttb has it."""
    import pyttb

    tensor = pyttb.sptensor(coords.T.copy(), values[:, None].astype(np.float64), (SPARSE_SIDE,) * 3)
    return lambda: tensor.mttkrp(factors, 0)


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "to an error": to_an_error, "many slabs": of_many_slabs, "sparse": of_sparse,
}  # fmt: skip


def section(record: dict[str, Any], environment_line: str) -> str:
    """Return the part of the page of results."""
    near, flat, thin = (record[name] for name in PARTS)
    programs = (("dnmf", "dnmf"), ("tensorly HALS", "HALS"), ("tensorly MU", "MU"))
    lines = [
        "## Arrays of three axes",
        "",
        f"`dnmf.cp` of a planted array of {_shape(SHAPE)}, rank {RANK}, {100 * NOISE:.0f} % noise, in memory: to",
        f"within 0.1 % of the best error, medians of {SEEDS} seeds on one processor, the start included. A sweep of",
        "tensorly reads the array once for each axis.",
        "",
        "| program | near the best | reads | CPU s | reads in all |",
        "|---|---|---|---|---|",
        *(_row(name, near[key]) for name, key in programs),
        "",
        *_of_flat(flat),
        "",
        f"A sparse array of 1,000 × 1,000 × 1,000 with {thin['values'] / 1e6:.1f} million values, rank {SPARSE_RANK}:",
        f"a pass takes {thin['pass_cpu_s']:.2f} CPU s, pyttb's product with the factors along one of the three axes "
        f"{thin['product_cpu_s']:.2f}.",
        "",
        environment_line,
        "",
    ]
    return "\n".join(lines)


def _of_flat(flat: dict[str, Any]) -> list[str]:
    projected, peak, size = (f"{flat[name] / 2**20:,.0f}" for name in ("projected", "peak", "bytes"))
    return [
        f"An array of {_shape(FLAT)} ({size} MiB) at rank {FLAT_RANK} from disk under {FLAT_LIMIT}, in one process:",
        f"{projected} MiB were projected and {peak} taken, {flat['reads']:.1f} reads, {flat['cpu_s']:.1f} CPU s, error "
        f"{flat['error']:.1e}. Ten times",
        f"as long along both long axes ({_shape(FULL)}, 38 GiB) it fits, by its plan:",
        "",
        *(f"* long axis {plan['axis']}, rank {plan['rank']}: {plan['limit']} ({plan['projected'] / 2**30:,.1f} GiB)"
          for plan in flat["plans"]),
    ]  # fmt: skip


def _shape(lengths: tuple[int, ...]) -> str:
    return " × ".join(f"{length:,}" for length in lengths)


def _row(name: str, runs: list[dict[str, Any]]) -> str:
    came, in_all = [run for run in runs if run["reads"] is not None], median(run["all_reads"] for run in runs)
    if 2 * len(came) <= len(runs):
        return f"| {name} | {len(came)} of {len(runs)} | – | – | {in_all:.0f} |"
    reads, cpu_s = (median(run[what] for run in came) for what in ("reads", "cpu_s"))
    return f"| {name} | {len(came)} of {len(runs)} | {reads:.0f} | {cpu_s:.2f} | {in_all:.0f} |"


def main(path: Path) -> None:
    """Measure the part that the job at `path` names and write the result beside it, as ``result.json``."""
    job = json.loads(path.read_text())
    stay_on_one_processor()
    path.with_name("result.json").write_text(json.dumps(PARTS[job["what"]](path.parent)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
