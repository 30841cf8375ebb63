"""Small stores of any kind, and ways in which one is changed while a fit reads it."""

import os
import shutil

import h5py
import numpy as np
import scipy.sparse
import zarr

from dnmf.fitting.events import PassDone

A = np.random.default_rng(0).random((60, 12)).astype(np.float32)
FIT = {"rank": 3, "seed": 1, "tol": 0.0, "max_passes": 5}


def dense_zarr(folder):
    zarr.create_array(folder / "a.zarr", data=A, chunks=(10, 12), compressors=None)
    return folder / "a.zarr"


def dense_zarr_2(folder):
    zarr.create_array(folder / "a.zarr", data=A, chunks=(10, 12), zarr_format=2, compressors=None)
    return folder / "a.zarr"


def csr(folder):
    matrix, root = scipy.sparse.csr_array(A), zarr.open_group(folder / "a.zarr", mode="w")
    X = root.create_group("X", attributes={"encoding-type": "csr_matrix", "shape": list(A.shape)})
    for name in ("data", "indices", "indptr"):
        X.create_array(name, data=getattr(matrix, name), chunks=(100,), compressors=None)
    return folder / "a.zarr"


def hdf5(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("X", data=A, chunks=(10, 12))
    return folder / "a.h5"


def virtual_hdf5(folder):
    with h5py.File(folder / "part.h5", "w") as file:
        file.create_dataset("X", data=A, chunks=(10, 12))
    layout = h5py.VirtualLayout(A.shape, A.dtype)
    layout[:] = h5py.VirtualSource(folder / "part.h5", "X", A.shape)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    return folder / "a.h5"


def write_anew(path):
    content, status = bytearray(path.read_bytes()), path.stat()
    content[-30] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def write_anew_at_the_old_time(path):
    times = path.stat()
    write_anew(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def put_another_in_its_place(path):
    shutil.copy2(path, path.with_name("other"))
    write_anew_at_the_old_time(path.with_name("other"))
    path.with_name("other").replace(path)


def after_pass(number, change):
    def listen(event):
        if isinstance(event, PassDone) and event.record.number == number:
            change()

    return listen


def external_hdf5(folder):
    A.tofile(folder / "part.h5")
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("X", A.shape, "f4", external=[(folder / "part.h5", 0, A.nbytes)])
    return folder / "a.h5"
