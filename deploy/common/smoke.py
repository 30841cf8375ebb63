"""Small data for the smoke tests of every place, and whether a run of it has the bits of a fit in process.

    python smoke.py data DATA.zarr [ROWS]
    python smoke.py same-bits DATA MEMORY_LIMIT STORE… -- FIT_OPTION…

The second fits DATA in process with the same options, says what it and each STORE hold on standard error, and prints
``same bits: True`` or ``same bits: False``; its exit code is 0 or 1. MEMORY_LIMIT is that of the workers: the sample
that a start is made of depends on it.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

COLUMNS, ROWS_OF_CHUNK = 200, 2000


def make_data(path: str, rows: int = 80_000) -> None:
    """Write counts of a product of rank 12 to `path`, `rows` × 200 in chunks of 2000 rows: four tasks of a pass."""
    import numpy as np
    import zarr

    rng = np.random.default_rng(7)
    profiles = rng.gamma(0.3, size=(12, COLUMNS))
    counts = rng.poisson(rng.gamma(0.3, size=(rows, 12)) @ profiles).astype(np.uint16)
    zarr.create_array(path, data=counts, chunks=(ROWS_OF_CHUNK, COLUMNS))


def bits(store: str | Path) -> str:
    """Return the sha256 of H, d and W of a finished run."""
    import dnmf

    model = dnmf.load(store)
    found = hashlib.sha256()
    for array in (model.H, model.d, model.read_W()):
        found.update(array.tobytes())
    return found.hexdigest()


def same_bits(data: str, memory_limit: str, stores: list[str], options: list[str]) -> bool:
    """Return whether all `stores` have the bits of a fit of `data` in process with these options."""
    with tempfile.TemporaryDirectory() as folder:
        reference = str(Path(folder) / "in-process.dnmf")
        command = ["dnmf", "fit", data, "--quiet", "--store", reference, "--memory-limit", memory_limit, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = {store: bits(store) for store in (*stores, reference)}
    for store, digest in found.items():
        print(f"{digest}  {Path(store).name}", file=sys.stderr)
    return len(set(found.values())) == 1


def main(what: str, *arguments: str) -> int:
    """Do what the command line says; return the exit code."""
    if what == "data":
        path, *rows = arguments
        make_data(path, *map(int, rows))
        return 0
    data, memory_limit, *stores = arguments[: arguments.index("--")]
    same = same_bits(data, memory_limit, stores, list(arguments[arguments.index("--") + 1 :]))
    print("same bits:", same)
    return not same


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
