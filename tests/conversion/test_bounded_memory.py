"""Memory stays within about the budget, however large the file."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from dnmf.conversion import convert

MIB = 2**20
BUDGET = 2 * MIB
CHUNK = 64 * 1024


def matrix_market(folder, entries):
    rng = np.random.default_rng(0)
    numbers = np.column_stack(
        [rng.integers(1, 5001, entries), rng.integers(1, 301, entries), rng.integers(1, 9, entries)]
    )
    header = f"%%MatrixMarket matrix coordinate integer general\n5000 300 {entries}\n"
    with (folder / "a.mtx").open("w") as file:
        file.write(header)
        file.write("".join(f"{a} {b} {c}\n" for a, b, c in numbers.tolist()))
    return folder / "a.mtx"


def npz(kind):
    def write(folder, entries):
        rng = np.random.default_rng(0)
        at = rng.integers(0, 5000, entries), rng.integers(0, 300, entries)
        matrix = sparse.coo_array((rng.random(entries), at), shape=(5000, 300)).asformat(kind)
        sparse.save_npz(folder / "a.npz", matrix, compressed=False)
        return folder / "a.npz"

    return write


def npy(order):
    def write(folder, entries):
        array = np.random.default_rng(0).random((entries // 400 + 1, 400), dtype="float32")
        np.save(folder / "a.npy", np.asarray(array, order=order))
        return folder / "a.npy"

    return write


def peak(source, target, **options) -> int:
    tracemalloc.start()
    try:
        convert(source, target, memory_bytes=BUDGET, chunk_bytes=CHUNK, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "transpose"),
    [
        pytest.param(matrix_market, True, id="mtx"),
        pytest.param(npz("csr"), False, id="csr"),
        pytest.param(npz("csr"), True, id="csr-transposed"),
        pytest.param(npz("csc"), False, id="csc"),
        pytest.param(npz("coo"), False, id="coo"),
        pytest.param(npy("C"), False, id="npy"),
        pytest.param(npy("C"), True, id="npy-transposed"),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path, write, transpose):
    convert(write(tmp_path, 1000), tmp_path / "warm.zarr", transpose=transpose)  # loads modules and kernels
    small, large = (
        peak(write(tmp_path, entries), tmp_path / f"{entries}.zarr", transpose=transpose)
        for entries in (100_000, 400_000)
    )
    assert large < BUDGET
    assert large < 1.2 * small + 4 * CHUNK
