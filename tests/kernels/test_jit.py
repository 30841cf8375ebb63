"""Kernels are compiled, or say why they cannot be."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", [["demo"], ["convert", "a.mtx", "a.zarr"]])
@pytest.mark.broad(1)
def test_without_compilation_there_is_one_sentence(tmp_path, command):
    (tmp_path / "a.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n2 2 1\n1 1 5\n")
    done = subprocess.run(
        [sys.executable, "-m", "dnmf", *command], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("dnmf: error: numba is told not to compile")
    assert "unset NUMBA_DISABLE_JIT" in line
