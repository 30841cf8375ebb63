"""Arrays in Zarr stores and HDF5 files, opened by path wherever they are used, and never read as zeros."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.checksums import crc32c_of
from dnmf.errors import InputError
from dnmf.sources.source import check_dtype

log = logging.getLogger("dnmf")
READ_TRIES = 3
FIRST_WAIT_S = 0.1
HDF5_SUFFIXES = (".h5ad", ".h5", ".hdf5")
CONVERTIBLE_SUFFIXES = (".mtx", ".mtx.gz", ".npz", ".npy")


def is_url(path: str) -> bool:
    """Whether `path` names an object store or a web address rather than a file."""
    return "://" in path


def open_root(path: str) -> Any:
    """Return the Zarr group or array, or the HDF5 file, at `path`, for reading.

    Raises
    ------
    InputError
        There is nothing there, or it is neither; the message says what to try.
    """
    place = Path(path)
    if not is_url(path) and not place.exists():
        raise InputError(f"{path}: there is nothing at this path")
    if path.lower().endswith(CONVERTIBLE_SUFFIXES):
        raise InputError(
            f"{path}: this format cannot be read in parts; convert it once with: dnmf convert {path} out.zarr"
        )
    if not is_url(path) and place.is_file():
        return _open_hdf5(path)
    return _open_zarr(path)


def _open_hdf5(path: str) -> Any:
    if not path.lower().endswith(HDF5_SUFFIXES):
        raise InputError(f"{path}: not a Zarr store, an .h5ad or an .h5 file")
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: reading HDF5 needs h5py; install it with: pip install 'dnmf[anndata]'") from None
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error})") from error


def _open_zarr(path: str) -> Any:
    import zarr

    try:
        return zarr.open(path, mode="r")
    except ImportError as error:
        raise InputError(f"{path}: {error}; install the cloud readers with: pip install 'dnmf[cloud]'") from error
    except Exception as error:
        raise InputError(f"{path}: not a readable Zarr store ({type(error).__name__}: {error})") from error


class StoredArray:
    """One array of a Zarr store or an HDF5 file: opened when first used, pickled as its path.

    Parameters
    ----------
    path : str
        The store or file.
    inner : str
        The array inside it; empty when the store is the array.
    missing_chunks : {"error", "zeros"}
        What an absent chunk means. Zarr reads one as zeros without a word, and by default writes none for a
        chunk of zeros, so absence is ambiguous; the safe reading is that the chunk was lost.
    """

    def __init__(self, path: str, inner: str, missing_chunks: str = "error"):
        self.path, self.inner, self.missing_chunks = str(path), inner, missing_chunks
        self._handle: Any = None
        handle = self._open()
        self.shape = tuple(int(n) for n in handle.shape)
        self.dtype = check_dtype(self.address, handle.dtype)

    @property
    def address(self) -> str:
        """The path, with the place inside it after ``::``."""
        return f"{self.path}::{self.inner}" if self.inner else self.path

    @property
    def object_shape(self) -> tuple[int, ...]:
        """Shape of what is stored as one object: a shard, a chunk, or the whole of a contiguous array."""
        handle = self._open()
        return tuple(getattr(handle, "shards", None) or handle.chunks or handle.shape)

    @property
    def object_bytes(self) -> int:
        """Decoded bytes of one stored object."""
        return int(np.prod(self.object_shape)) * self.dtype.itemsize

    def _open(self) -> Any:
        if self._handle is None:
            root = open_root(self.path)
            try:
                self._handle = root[self.inner] if self.inner else root
            except KeyError:
                raise InputError(f"{self.path}: there is no {self.inner!r} in it") from None
        return self._handle

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return ``array[start:stop]``, trying again when the storage fails for a moment.

        Raises
        ------
        InputError
            A chunk is missing, damaged or unreadable; the message names the path and the rows.
        """
        if stop <= start:
            return np.empty((0, *self.shape[1:]), self.dtype)
        for attempt in range(1, READ_TRIES + 1):
            try:
                self._check_presence(start, stop)
                return self._open()[start:stop]
            except InputError:
                raise
            except OSError as error:
                if attempt == READ_TRIES or isinstance(error, PermissionError):
                    raise self._unreadable(start, stop, error) from error
                log.warning("%s: reading %d:%d failed (%s), trying again", self.address, start, stop, error)
                time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
            except Exception as error:
                raise self._unreadable(start, stop, error) from error
        raise AssertionError("unreachable")

    def _unreadable(self, start: int, stop: int, error: Exception) -> InputError:
        return InputError(
            f"{self.address}: elements {start}:{stop} of the first axis cannot be read "
            f"({type(error).__name__}: {error}); a chunk is damaged, truncated or not permitted"
        )

    def _check_presence(self, start: int, stop: int) -> None:
        """Refuse a chunk object that is absent or empty: Zarr would read it as zeros."""
        if self.missing_chunks == "zeros" or is_hdf5(self._open()):
            return
        for key in self._object_keys(start, stop):
            if not self._object_size(key):
                raise InputError(
                    f"{self.address}: chunk {key} (elements {start}:{stop} of the first axis) is missing or empty. "
                    "It would read as zeros. Restore the file; if chunks of zeros were left out when the array was "
                    "written, open it with missing_chunks='zeros'"
                )

    def _object_keys(self, start: int, stop: int) -> list[str]:
        handle = self._open()
        shape = self.object_shape
        grid = [range(start // shape[0], -(-stop // shape[0]))]
        grid += [range(-(-n // c)) for n, c in zip(self.shape[1:], shape[1:], strict=True)]
        index = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, len(grid))
        return [handle.metadata.encode_chunk_key(tuple(int(i) for i in at)) for at in index]

    def _object_size(self, key: str) -> int:
        handle = self._open()
        full = f"{handle.path}/{key}" if handle.path else key
        root = getattr(handle.store, "root", None)
        try:
            if isinstance(root, Path):
                return (root / full).stat().st_size
            from zarr.core.sync import sync

            return sync(handle.store.getsize(full))
        except FileNotFoundError:
            return 0

    def fingerprint(self) -> dict[str, Any]:
        """Shape, dtype, chunks, and a checksum over the name, size and time of change of every object."""
        handle = self._open()
        record = {
            "array": self.address, "shape": list(self.shape), "dtype": str(self.dtype),
            "object_shape": list(self.object_shape),
        }  # fmt: skip
        if is_hdf5(handle):
            status = Path(self.path).stat()
            return {**record, "bytes": status.st_size, "changed": status.st_mtime_ns}
        root = getattr(handle.store, "root", None)
        if not isinstance(root, Path):
            return {**record, "metadata": crc32c_of(repr(handle.metadata.to_dict()).encode())}
        return {**record, **_directory_fingerprint(root / handle.path)}


def _directory_fingerprint(folder: Path) -> dict[str, Any]:
    entries = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        status = path.stat()
        entries.append((path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    listing = "\n".join(f"{name} {size} {changed}" for name, size, changed in entries)
    return {
        "objects": len(entries),
        "bytes": sum(size for _, size, _ in entries),
        "listing": crc32c_of(listing.encode()),
    }


def is_hdf5(node: Any) -> bool:
    """Whether an opened node belongs to an HDF5 file."""
    return type(node).__module__.startswith("h5py")


def annotation_names(path: str, axis: str) -> np.ndarray | None:
    """Return the names along ``"obs"`` or ``"var"`` of the AnnData at `path`, None where it has none."""
    from dnmf.sources.source import names_of

    root = open_root(path)
    if axis not in root:
        return None
    frame = root[axis]
    index = frame.attrs.get("_index") if hasattr(frame, "attrs") else None
    node = frame.get(index) if index and hasattr(frame, "keys") else None
    if node is None or not hasattr(node, "shape"):
        return None
    return names_of(node[:])
