"""What stands between the name of an HDF5 dataset and its bytes: links, virtual and external files, chunks.

HDF5 reads what is not there as a fill value, without a word: a chunk, a source of a virtual dataset, a part of it that
no source fills, the end of an external file. Here all of it is followed to the bytes.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from operator import le
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnmf.errors import InputError
from dnmf.refusals import told
from dnmf.sources.hdf5_filters import refuse_unknown_filters
from dnmf.sources.nodes import is_array

ORIGIN = "${ORIGIN}"
UNLIMITED = 2**64 - 1
WHATEVER_IT_NEEDS = "write it once as one dataset (h5repack, or dask.array.to_hdf5) and give that"

Box = list[tuple[int, int]]


class _Part(NamedTuple):
    """One mapping of a virtual dataset: boxes of it that a box of a source fills, all of the source where None."""

    file: str
    dataset: str
    boxes: list[Box]
    source: Box | None

    @property
    def rows(self) -> tuple[int, int]:
        return min(box[0][0] for box in self.boxes), max(box[0][1] for box in self.boxes)

    @property
    def size(self) -> int:
        return sum(math.prod(high - low for low, high in box) for box in self.boxes)

    def source_rows(self, shape: tuple[int, ...], start: int, stop: int) -> tuple[int, int]:
        """The rows of a source of `shape` that ``start:stop`` of the dataset are read from, or more of them."""
        box = self.source or [(0, n) for n in shape]
        low, high = box[0]
        first, last = self.rows
        if len(self.boxes) > 1 or [b - a for a, b in self.boxes[0]] != [b - a for a, b in box]:
            return low, high
        return low + max(start - first, 0), high - max(last - stop, 0)


def address_of(dataset: Any) -> str:
    """Return the file and the name of a dataset, for messages."""
    return f"{dataset.file.filename}::{dataset.name.strip('/')}"


def absent_in_dataset(
    dataset: Any, start: int, stop: int, *, zeros: bool = False, above: tuple[str, ...] = (), axis: int = 0
) -> str | None:
    """Return the name of a chunk that rows ``start:stop`` need and that was never written, None if there is none.

    Parameters
    ----------
    dataset : h5py.Dataset
        Opened; virtual ones are followed to their sources.
    start, stop : int
        Along the `axis`.
    zeros : bool
        Let pass what was never written and reads as zeros.
    above : tuple of str
        The addresses of the virtual datasets whose source it is.
    axis : int
        Which one; all of the others is needed. Of a virtual dataset all is looked at, but along the first.

    Raises
    ------
    InputError
        A file, a dataset or a filter it needs is not there, a part of it belongs to no source, or it is its own source.
    """
    refuse_unknown_filters(dataset, address_of(dataset))
    if dataset.is_virtual:
        start, stop = (start, stop) if axis == 0 else (0, int(dataset.shape[0]))
        return _absent_in_virtual(dataset, start, stop, zeros, _below(dataset, above))
    if dataset.external:
        _external_files(dataset)
        return None
    if zeros and not dataset.fillvalue:
        return None
    if not dataset.chunks:
        return "(contiguous)" if dataset.id.get_storage_size() == 0 else None
    for corner in _corners(dataset, start, stop, axis):
        if dataset.id.get_chunk_info_by_coord(corner).byte_offset is None:
            return str(tuple(n // c for n, c in zip(corner, dataset.chunks, strict=True)))
    return None


def _corners(dataset: Any, start: int, stop: int, axis: int) -> Iterator[tuple[int, ...]]:
    ranges = [range(0, n, step) for n, step in zip(dataset.shape, dataset.chunks, strict=True)]
    step = dataset.chunks[axis]
    ranges[axis] = range(start // step * step, stop, step)
    return product(*ranges)


def files_behind(dataset: Any, above: tuple[str, ...] = ()) -> list[Path]:
    """Return every file that values of a dataset are read from, each once, the one it is described in first.

    `above` are the addresses of the virtual datasets whose source it is.

    Raises
    ------
    InputError
        One is not there, or a virtual dataset is a source of its own.
    """
    found = [Path(dataset.file.filename)]
    if dataset.is_virtual:
        for part in _parts(dataset):
            with _source_of(dataset, part) as source:
                found += files_behind(source, _below(dataset, above))
    elif dataset.external:
        found += _external_files(dataset)
    return list(dict.fromkeys(found))


def files_below(node: Any) -> list[Path]:
    """Return every file that a dataset, or those in a group, are read from, each once.

    Raises
    ------
    InputError
        One is not there.
    """
    if is_array(node):
        return files_behind(node)
    found = [Path(node.file.filename)]
    for name in node if hasattr(node, "keys") else ():
        part = node.get(name)
        if part is not None:  # a link to nothing: who reads it will say so
            found += files_below(part)
    return list(dict.fromkeys(found))


def refuse_dangling_links(root: Any, inner: str, path: str) -> None:
    """Refuse a name in an HDF5 file that leads through a link to nothing.

    Raises
    ------
    InputError
        It does; the message names the link and what it points to.
    """
    import h5py

    at, group = "", root
    for name in inner.split("/"):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        at = f"{at}/{name}".strip("/")
        target = group.get(name) if link is not None else None
        if target is None and isinstance(link, (h5py.SoftLink, h5py.ExternalLink)):
            where = f" in {link.filename}" if isinstance(link, h5py.ExternalLink) else ""
            raise InputError(
                f"{path}::{at}: a link to {link.path!r}{where}, which is not there; bring back what it points to, or "
                "make the link anew"
            )
        if target is None:
            return
        group = target


def sources_of(dataset: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield every source of a virtual dataset, opened, with the dataset it is one of; and theirs, which may be virtual.

    `above` are the addresses of the virtual datasets whose source it is.

    Raises
    ------
    InputError
        One is not there, or a virtual dataset is a source of its own.
    """
    for part in _parts(dataset):
        with _source_of(dataset, part) as source:
            yield source, dataset
            if source.is_virtual:
                yield from sources_of(source, _below(dataset, above))


def _below(dataset: Any, above: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses above a source of this virtual dataset, which shall not be among them itself."""
    address = address_of(dataset)
    if address in above:
        raise InputError(f"{address}: a virtual dataset that is a source of its own; write it anew")
    return (*above, address)


def _absent_in_virtual(dataset: Any, start: int, stop: int, zeros: bool, above: tuple[str, ...]) -> str | None:
    parts = [part for part in _parts(dataset) if part.rows[0] < stop and part.rows[1] > start]
    if not (zeros and not dataset.fillvalue):
        _refuse_gaps(dataset, parts, start, stop)
    for part in parts:
        with _source_of(dataset, part) as source:
            low, high = part.source_rows(source.shape, start, stop)
            absent = absent_in_dataset(source, low, high, zeros=zeros, above=above)
            if absent is not None:
                return f"{absent} of {address_of(source)}"
    return None


def _parts(dataset: Any) -> list[_Part]:
    parts = []
    for vspace, file, name, source in dataset.virtual_sources():
        if "%b" in file.replace("%%", "") or "%b" in name.replace("%%", "") or _is_unlimited(vspace):
            raise InputError(
                f"{address_of(dataset)}: a virtual dataset over a number of sources that is not fixed ({file}::{name}"
                f"), of which nobody can say whether one is missing; {WHATEVER_IT_NEEDS}"
            )
        parts.append(_Part(file.replace("%%", "%"), name.replace("%%", "%"), _boxes(vspace), _box(source)))
    return parts


def _box(source: Any) -> Box | None:
    from h5py import h5s

    return None if source.get_select_type() == h5s.SEL_ALL else _bounds(source)  # its extent is not known by itself


def _is_unlimited(space: Any) -> bool:
    if not space.is_regular_hyperslab():
        return False
    _, _, count, block = space.get_regular_hyperslab()
    return UNLIMITED in (*count, *block)


def _bounds(space: Any) -> Box:
    low, high = space.get_select_bounds()
    return [(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)]


def _boxes(space: Any) -> list[Box]:
    """The boxes that a selection is made of."""
    bounds = _bounds(space)
    if math.prod(b - a for a, b in bounds) == space.get_select_npoints():
        return [bounds]
    blocks = np.asarray(space.get_select_hyper_blocklist())
    return [[(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)] for low, high in blocks]


def _refuse_gaps(dataset: Any, parts: list[_Part], start: int, stop: int) -> None:
    """Refuse rows ``start:stop`` unless the boxes of the parts cover them: on the grid of all their borders."""
    wanted = [(start, stop), *((0, int(n)) for n in dataset.shape[1:])]
    boxes = [box for part in parts for box in part.boxes]
    borders = [
        np.unique(np.clip([low, high, *(edge for box in boxes for edge in box[axis])], low, high))
        for axis, (low, high) in enumerate(wanted)
    ]
    covered = np.zeros([len(edges) - 1 for edges in borders], bool)
    for box in boxes:
        covered[tuple(slice(*np.searchsorted(e, side)) for e, side in zip(borders, box, strict=True))] = True
    if not covered.all():
        first = [int(edges[i]) for edges, i in zip(borders, np.argwhere(~covered)[0], strict=True)]
        raise InputError(
            f"{address_of(dataset)}: no source of this virtual dataset fills it from element {tuple(first)} on, where "
            f"it would read as {dataset.fillvalue}; map all of it, or {WHATEVER_IT_NEEDS}"
        )


@contextmanager
def _source_of(dataset: Any, part: _Part) -> Iterator[Any]:
    """The dataset that a part of a virtual one is read from."""
    import h5py

    if part.file == ".":
        yield _within(dataset.file, dataset, part)
        return
    path = _found(part.file, dataset, "HDF5_VDS_PREFIX")
    if path is None:
        raise InputError(
            f"{address_of(dataset)}: its source {part.file} is not there, and would read as {dataset.fillvalue}; "
            "bring the file back to where it was, or beside this one"
        )
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{address_of(dataset)}: its source {path} cannot be opened ({told(error)})") from error
    with file:
        yield _within(file, dataset, part)


def _within(file: Any, dataset: Any, part: _Part) -> Any:
    refuse_dangling_links(file, part.dataset.strip("/"), file.filename)
    source = file.get(part.dataset)
    if not hasattr(source, "shape"):
        raise InputError(f"{address_of(dataset)}: its source {file.filename}::{part.dataset} is not there")
    if part.source is None:
        is_whole = math.prod(source.shape) == part.size
    else:
        needed = [high for _, high in part.source]
        is_whole = len(needed) == len(source.shape) and all(map(le, needed, source.shape))
    if not is_whole:
        raise InputError(
            f"{address_of(dataset)}: its source {file.filename}::{part.dataset} has shape {source.shape}, which is "
            "not what it had when the dataset was made"
        )
    return source


def _external_files(dataset: Any) -> list[Path]:
    """The files that hold the values of a dataset outside its HDF5 file, as long as they have to be."""
    found, left = [], math.prod(dataset.shape) * dataset.dtype.itemsize
    for name, offset, size in dataset.external:
        path, here = _found(name, dataset, "HDF5_EXTFILE_PREFIX", beside=False), min(int(size), left)
        if path is None:
            raise InputError(
                f"{address_of(dataset)}: its values are in the file {name}, which is not there; HDF5 looks in the "
                "working directory, or where HDF5_EXTFILE_PREFIX says"
            )
        if path.stat().st_size < offset + here:
            raise InputError(
                f"{address_of(dataset)}: its values are in the file {path}, which ends at byte {path.stat().st_size} "
                f"of {offset + here}; the rest would read as zeros"
            )
        found.append(path)
        left -= here
    return found


def _found(name: str, dataset: Any, variable: str, *, beside: bool = True) -> Path | None:
    """The file that HDF5 takes for `name`, in the order in which it looks; None where there is none."""
    home = os.path.dirname(os.path.abspath(dataset.file.filename))
    prefixes = [prefix.replace(ORIGIN, home) for prefix in os.environ.get(variable, "").split(":") if prefix]
    if not beside:
        candidates = [os.path.join(*prefixes, name)] if prefixes else [name]
    else:
        short = os.path.basename(name) if os.path.isabs(name) else name
        real = os.path.dirname(os.path.realpath(dataset.file.filename))
        candidates = [name] if os.path.isabs(name) else []
        candidates += [os.path.join(folder, short) for folder in (*prefixes, home, ".", real)]
    return next((Path(path) for path in candidates if os.path.isfile(path)), None)
