"""``python -m benchmarks.little_memory``: a plan that gives way, and what a pass over data in small chunks reads.

Dense data in chunks of 61 MiB on a worker and in a process of 512 MiB: the peak of the process against what the plan
projected, and whether the bits are those of a fit with room. Dense data in chunks that are larger than the worker. CSR
in the chunks that Zarr makes by default: reads in each pass.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.out_of_core import MIB, one_worker, questions, replace_part
from benchmarks.suite import environment

HEADING = "In little memory"
RANK = 10
SETTINGS = ((2, 4096), (2, 512), (1, 512))  # threads of the worker, MiB of its limit
IN_PROCESS = (4096, 512)  # MiB of the limit; as many threads as there are processors
PASSES = 5


def write_large_chunks(path: Path) -> None:
    """Write 48,000 × 2,000 of float32 in chunks of 8,000 rows, with the codec that Zarr takes by default."""
    import zarr

    rng = np.random.default_rng(0)
    H = rng.random((RANK, 2_000), dtype=np.float32)
    array = zarr.create_array(path, shape=(48_000, 2_000), chunks=(8_000, 2_000), dtype="f4")
    for low in range(0, 48_000, 8_000):
        W = rng.random((8_000, RANK), dtype=np.float32) ** 4
        array[low : low + 8_000] = np.round(4096 * (W @ H + rng.random((8_000, 2_000), dtype=np.float32))) / 4096


def write_raw_chunks(path: Path) -> None:
    """Write 160,000 × 2,000 of float32 in chunks of 80,000 rows, 610 MiB each, as they are."""
    import zarr

    rng = np.random.default_rng(0)
    H = rng.random((RANK, 2_000), dtype=np.float32)
    array = zarr.create_array(path, shape=(160_000, 2_000), chunks=(80_000, 2_000), dtype="f4", compressors=None)
    for low in range(0, 160_000, 80_000):
        block = rng.random((80_000, RANK), dtype=np.float32) ** 4 @ H
        array[low : low + 80_000] = block


def write_small_chunks(path: Path) -> None:
    """Write CSR of 160,000 × 5,000 with about 240 entries in a row, in the chunks that Zarr takes by default."""
    import zarr

    rng, shape = np.random.default_rng(0), (160_000, 5_000)
    lengths = rng.poisson(240, shape[0])
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    group = zarr.open_group(path, mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)})
    group.create_array("indptr", data=indptr)
    data, indices = (
        group.create_array(n, shape=(indptr[-1],), dtype=t) for n, t in (("data", "f4"), ("indices", "i4"))
    )
    for low in range(0, shape[0], 8_000):
        of_rows, first, last = lengths[low : low + 8_000], indptr[low], indptr[low + 8_000]
        steps = np.repeat(shape[1] // of_rows, of_rows)
        within = np.arange(first, last) - np.repeat(indptr[low : low + 8_000], of_rows)
        indices[first:last] = (within * steps + rng.integers(0, steps)).astype(np.int32)
        data[first:last] = (1 + 8 * rng.random(last - first) ** 4).astype(np.int32)


def fit(path: Path, client: Any, limit_mib: int) -> dict[str, Any]:
    """Return what a fit was planned to take, its bits, and the reads of each pass."""
    import dnmf
    from dnmf.fitting.events import Planned

    events: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        model = dnmf.fit(path, RANK, max_passes=PASSES, tol=0.0, init="random", keep="stream", client=client,
                         memory_limit=limit_mib * MIB, store=f"{folder}/run.dnmf",
                         callbacks=(events.append,))  # fmt: skip
        bits = model.H.tobytes() + model.d.tobytes() + model.read_W().tobytes()
    plan = next(event for event in events if isinstance(event, Planned))
    reads = [0.0, *(record.reads for record in model.history)]
    return {
        "projected_bytes": plan.projected_bytes, "gave_up": list(plan.gave_up), "limit_mib": limit_mib,
        "bits": hashlib.sha256(bits).hexdigest()[:8], "reads": [later - earlier for earlier, later in pairwise(reads)],
        "seconds": [record.seconds for record in model.history],
    }  # fmt: skip


def on_worker(path: Path, threads: int, limit_mib: int) -> dict[str, Any]:
    """Return what a fit on a new worker did."""
    with one_worker(limit_mib * MIB, threads) as client:
        found = fit(path, client, limit_mib)
        peak, spilled = (max(client.run(question).values()) for question in questions())
    return {**found, "where": f"a worker, {threads} thread(s)", "peak_bytes": peak, "spilled_bytes": spilled}


def in_process(path: Path, limit_mib: int) -> dict[str, Any]:
    """Return what a fit in a new process did."""
    command = [sys.executable, "-m", "benchmarks.little_memory", "--alone", str(path), "--limit", str(limit_mib)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def alone(path: Path, limit_mib: int) -> dict[str, Any]:
    """Return what a fit in this process did."""
    from dnmf.passes.threads import InProcess

    found, peak_bytes = fit(path, None, limit_mib), questions()[0]
    where = f"in process, {InProcess().threads} thread(s)"
    return {**found, "where": where, "peak_bytes": peak_bytes(), "spilled_bytes": 0}


def section(record: dict[str, Any]) -> str:
    """Return the part of the page, behind its heading."""
    chunks, raw, small = record["large_chunks"], record["raw_chunks"], record["small_chunks"]
    lines = [
        "Written by `python -m benchmarks.little_memory`; do not edit. Dense float32, 48,000 × 2,000 in chunks of",
        "61 MiB (zstd), rank 10, a start at random. Bits are the beginning of the SHA-256 of H, d and W.", "",
        *_table(chunks), "",
        "Dense float32, 160,000 × 2,000 in two chunks of 610 MiB that are not compressed:", "",
        *_table(raw),
        "",
        "CSR, 160,000 × 5,000, 38 million entries in the chunks that Zarr makes by default, nothing kept of the data",
        "but the stored objects that two tasks need, a limit of 1 GiB. An object that is found in memory in the first",
        "pass may count twice there:", "",
        "| where | reads in each pass | peak: projected | peak: measured |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {one['where']} | {', '.join(f'{reads:.2f}' for reads in one['reads'])} "
        f"| {one['projected_bytes'] / MIB:.0f} MiB | {one['peak_bytes'] / MIB:.0f} MiB |"
        for one in small
    ]
    facts = record["environment"]
    return "\n".join([*lines, "", f"{facts['date']} · {facts['processors']} processors"]) + "\n"


def _table(fits: Sequence[dict[str, Any]]) -> list[str]:
    return [
        "| where | limit | peak: projected | peak: measured | spilled | does without | bits | s a pass |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {one['where']} | {one['limit_mib']:,} MiB | {one['projected_bytes'] / MIB:.0f} MiB "
            f"| {one['peak_bytes'] / MIB:.0f} MiB | {one['spilled_bytes'] / MIB:.0f} MiB "
            f"| {', '.join(one['gave_up']) or 'nothing'} | {one['bits']} | {np.median(one['seconds']):.1f} |"
            for one in fits
        ),
    ]


def measure(folder: Path) -> dict[str, Any]:
    """Write both stores and return what was found."""
    write_large_chunks(folder / "dense.zarr")
    write_small_chunks(folder / "csr.zarr")
    write_raw_chunks(folder / "raw.zarr")
    dense, csr, raw = folder / "dense.zarr", folder / "csr.zarr", folder / "raw.zarr"
    large = [on_worker(dense, *setting) for setting in SETTINGS] + [in_process(dense, limit) for limit in IN_PROCESS]
    parts = [on_worker(raw, 2, 4096), on_worker(raw, 2, 512), on_worker(raw, 1, 512), in_process(raw, 512)]
    small = [on_worker(csr, 1, 1024), on_worker(csr, 2, 1024), in_process(csr, 1024)]
    return {"environment": environment(), "large_chunks": large, "raw_chunks": parts, "small_chunks": small}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.little_memory", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the stores are written (the system's temporary folder)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    parser.add_argument("--alone", type=Path, help="only a fit of this store in this process, printed as JSON")
    parser.add_argument("--limit", type=int, default=1024, help="MiB, for --alone")
    chosen = parser.parse_args(arguments)
    if chosen.alone:
        print(json.dumps(alone(chosen.alone, chosen.limit)))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        record = measure(Path(folder))
    (chosen.out / "little_memory.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    replace_part(chosen.out / "OUT_OF_CORE.md", section(record), HEADING)
    for one in record["large_chunks"] + record["raw_chunks"] + record["small_chunks"]:
        print(f"{one['where']}, {one['limit_mib']} MiB: projected {one['projected_bytes'] / MIB:.0f} MiB, "
              f"peak {one['peak_bytes'] / MIB:.0f} MiB, {', '.join(one['gave_up']) or 'nothing given up'}")  # fmt: skip


if __name__ == "__main__":
    main()
