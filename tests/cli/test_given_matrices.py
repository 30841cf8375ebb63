"""Matrices that options name are read as what they are, or the refusal says what their files hold."""

import gzip

import numpy as np
import pytest
import sparse
from scipy import sparse as scipy_sparse

from dnmf.cli.regularization import read_matrix
from dnmf.errors import InputError

CHAIN = np.diag(np.ones(5), 1) + np.diag(np.ones(5), -1)
SAVED = {
    "csr of scipy": lambda path: scipy_sparse.save_npz(path, scipy_sparse.csr_array(CHAIN)),
    "COO of sparse": lambda path: sparse.save_npz(path, sparse.COO.from_numpy(CHAIN)),
    "GCXS of sparse": lambda path: sparse.save_npz(path, sparse.GCXS.from_numpy(CHAIN)),
}


@pytest.mark.parametrize("kind", SAVED)
def test_a_sparse_matrix_is_read_whoever_saved_it(tmp_path, kind):
    SAVED[kind](tmp_path / "chain.npz")
    np.testing.assert_array_equal(read_matrix(tmp_path / "chain.npz").toarray(), CHAIN)


@pytest.mark.parametrize("kind", [sparse.COO, sparse.GCXS])
def test_cells_that_are_not_stored_are_zeros_or_the_matrix_is_refused(tmp_path, kind):
    sparse.save_npz(tmp_path / "a.npz", kind.from_numpy(CHAIN, fill_value=1))
    with pytest.raises(InputError, match="fill_value"):
        read_matrix(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mtx", ".csv"])
@pytest.mark.parametrize(
    ("content", "held"),
    [
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'", r"an \.npy file"),
        (b"%%MatrixMarket matrix coordinate real general\n1 1\n", "a Matrix Market file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"PAR1\x15\x04\x15\x10", "a Parquet file"),
        (b"<!DOCTYPE html>\n", "a web page"),
        (b"gene,a,b\nx,1,2\n", "a table of text"),
    ],
)
def test_of_a_file_that_is_of_another_kind_it_is_said_of_which(tmp_path, suffix, content, held):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    named = {".npy": r"an \.npy file", ".mtx": "a Matrix Market file", ".csv": "a table of text"}.get(suffix)
    own = held == named or (suffix == ".mtx" and held == "a table of text")
    said = "cannot be read as a matrix" if own else f"what it holds is {held}, not what {suffix} stands for"
    with pytest.raises(InputError, match=said):
        read_matrix(path)


def test_a_compressed_table_is_told_by_what_is_in_it(tmp_path):
    (tmp_path / "a.npy").write_bytes(gzip.compress(b"gene,a,b\nx,1,2\n"))
    with pytest.raises(InputError, match=r"a table of text, not what \.npy stands for"):
        read_matrix(tmp_path / "a.npy")
