"""HDF5 files that lead to others: parts, virtual datasets, links and external files."""

import numpy as np
import pytest
from source_contract import COLUMNS, ROWS, small_matrix

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

HALF = 12


def parts(folder, **how):
    A = small_matrix()
    for number, rows in enumerate((slice(0, HALF), slice(HALF, ROWS))):
        with h5py.File(folder / f"part{number}.h5", "w") as file:
            file.create_dataset("d", data=A[rows], **how)


def virtual(folder, name="all.h5", mapped=((0, HALF), (HALF, ROWS)), fillvalue=0, prefix=""):
    layout = h5py.VirtualLayout(shape=(ROWS, COLUMNS), dtype="f8")
    for number, (low, high) in enumerate(mapped):
        layout[low:high] = h5py.VirtualSource(f"{prefix}part{number}.h5", "d", shape=(high - low, COLUMNS))
    with h5py.File(folder / name, "w") as file:
        file.create_virtual_dataset("X", layout, fillvalue=fillvalue)
    return folder / name


def of_parts(folder, **how):
    parts(folder, **how)
    return virtual(folder)


def of_chunked_parts(folder):
    return of_parts(folder, chunks=(5, 4))


def of_parts_elsewhere(folder):
    parts(folder)
    return virtual(folder, prefix=f"{folder}/")


def of_a_virtual_one(folder):
    of_parts(folder)
    layout = h5py.VirtualLayout(shape=(ROWS, COLUMNS), dtype="f8")
    layout[:] = h5py.VirtualSource("all.h5", "X", shape=(ROWS, COLUMNS))
    with h5py.File(folder / "outer.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    return folder / "outer.h5"


def interleaved(folder):
    A = small_matrix()
    layout = h5py.VirtualLayout(shape=A.shape, dtype="f8")
    for number in range(2):
        with h5py.File(folder / f"part{number}.h5", "w") as file:
            file["d"] = A[number::2]
        layout[number::2] = h5py.VirtualSource(f"part{number}.h5", "d", shape=A[number::2].shape)
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    return folder / "all.h5"


def tiled(folder):
    A = small_matrix()
    layout = h5py.VirtualLayout(shape=A.shape, dtype="f8")
    tiles = [np.s_[:HALF, :4], np.s_[:HALF, 4:], np.s_[HALF:, :7], np.s_[HALF:, 7:]]
    for number, tile in enumerate(tiles):
        with h5py.File(folder / f"part{number}.h5", "w") as file:
            file["d"] = A[tile]
        layout[tile] = h5py.VirtualSource(f"part{number}.h5", "d", shape=A[tile].shape)
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    return folder / "all.h5"


def of_a_part_of_a_source(folder):
    with h5py.File(folder / "part1.h5", "w") as file:
        wide = file.create_dataset("d", data=np.pad(small_matrix(), ((7, 2), (1, 3)), constant_values=9))
        layout = h5py.VirtualLayout(shape=(ROWS, COLUMNS), dtype="f8")
        layout[:] = h5py.VirtualSource(wide)[7 : 7 + ROWS, 1 : 1 + COLUMNS]
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    return folder / "all.h5"


def in_the_same_file(folder):
    parts(folder)
    with h5py.File(folder / "part1.h5", "w") as file:
        file["d"] = small_matrix()
        layout = h5py.VirtualLayout(shape=(ROWS, COLUMNS), dtype="f8")
        layout[:] = h5py.VirtualSource(file["d"])
        file.create_virtual_dataset("X", layout)
    return folder / "part1.h5"


def through_links(folder):
    of_parts(folder)
    with h5py.File(folder / "links.h5", "w") as file:
        file["far"] = h5py.ExternalLink("all.h5", "/X")
        file["X"] = h5py.SoftLink("/far")
    return folder / "links.h5"


def external(folder):
    A = small_matrix()
    half = HALF * COLUMNS * 8
    pieces = [(str(folder / "part0.h5"), 16, half), (str(folder / "part1.h5"), 0, h5py.h5f.UNLIMITED)]
    with h5py.File(folder / "all.h5", "w") as file:
        file.create_dataset("X", A.shape, "f8", external=pieces)[:] = A
    return folder / "all.h5"


HDF5 = {
    "virtual": of_parts, "virtual, chunked sources": of_chunked_parts, "virtual, absolute names": of_parts_elsewhere,
    "virtual of virtual": of_a_virtual_one, "virtual, interleaved": interleaved, "virtual, tiles": tiled,
    "virtual, part of a source": of_a_part_of_a_source, "virtual in the same file": in_the_same_file,
    "links": through_links, "external": external,
}  # fmt: skip
