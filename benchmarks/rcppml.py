"""RcppML 0.3 through Rscript: matrices and factors go through files, and R measures itself."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

SCRIPT = Path(__file__).with_name("rcppml.R")
TIMEOUT_S = 600


@cache
def version() -> str:
    """Return the version of RcppML that Rscript finds; empty where there is none."""
    if shutil.which("Rscript") is None:
        return ""
    command = ["Rscript", "-e", 'cat(as.character(packageVersion("RcppML")))']
    asked = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def missing() -> str:
    """Return why it cannot be run; empty where it can."""
    if not version():
        return "not installed"
    return "" if version().startswith("0.3.") else f"version {version()} is installed, 0.3 is meant"


def factorize(matrix: Any, rank: int, seed: int, iterations: int) -> dict[str, Any]:
    """Return ``W``, ``H``, ``iterations``, ``cpu_s``, ``wall_s`` and ``added_bytes`` of one factorization.

    R is given the transpose (features × samples, as RcppML wants it) once; it keeps the last matrix.
    """
    return _session(matrix).factorize(rank, seed, iterations)


class Session:
    """An R process that holds a matrix.

    Parameters
    ----------
    matrix : ndarray or CSR array
        What it will factorize.
    """

    def __init__(self, matrix: Any):
        self.matrix, self._place = matrix, tempfile.TemporaryDirectory()
        self._folder = Path(self._place.name)
        _write(matrix, self._folder)
        nonzeros = matrix.nnz if scipy.sparse.issparse(matrix) else -1
        command = ["Rscript", str(SCRIPT), self._place.name, *map(str, (*matrix.shape, nonzeros))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.close)

    def factorize(self, rank: int, seed: int, iterations: int) -> dict[str, Any]:
        """Return what :func:`factorize` does; RcppML's seed 0 would mean none."""
        self._process.stdin.write(f"{rank} {seed + 1} {iterations}\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"R ended with exit code {self._process.wait()}")
        return _found(said, self._folder, rank)

    def close(self) -> None:
        """End the process and remove its files."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._place.cleanup()
        atexit.unregister(self.close)


_open: list[Session] = []


def _session(matrix: Any) -> Session:
    """The session of this matrix; that of another one is closed."""
    if _open and _open[0].matrix is not matrix:
        _open.pop().close()
    if not _open:
        _open.append(Session(matrix))
    return _open[0]


def _write(matrix: Any, folder: Path) -> None:
    if not scipy.sparse.issparse(matrix):
        np.ascontiguousarray(matrix, np.float32).tofile(folder / "values")
        return
    matrix.data.astype(np.float32).tofile(folder / "values")
    matrix.indices.astype(np.int32).tofile(folder / "indices")
    matrix.indptr.astype(np.int32).tofile(folder / "pointers")


def _found(said: str, folder: Path, rank: int) -> dict[str, Any]:
    w, d, h = (np.fromfile(folder / name, np.float64) for name in ("w", "d", "h"))
    cpu_s, wall_s, iterations, added_kib = said.split()
    return {
        "W": h.reshape(-1, rank),  # R keeps columns together: (k, m) there is (m, k) here
        "H": w.reshape(rank, -1) * d[:, None],
        "iterations": int(float(iterations)),
        "cpu_s": float(cpu_s),
        "wall_s": float(wall_s),
        "added_bytes": None if added_kib == "NA" else int(float(added_kib) * 1024),
    }
