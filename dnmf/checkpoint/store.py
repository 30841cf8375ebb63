"""A run's store on disk: whole generations, committed one after another and verified when read.

A store is a directory, usually called ``NAME.dnmf``, or as much on object storage::

    CURRENT                       which generation is the newest, and the checksum of its manifest
    gen-000012-<uuid>/            one generation: a .npy file per array ...
        manifest.json             ... and what must be found in them; written last
    LOCK                          held by the one writer; freed when the writer dies

Anything else in it (the final factor ``W-<uuid>.zarr``, the note ``progress.json``) is left alone. Nothing is ever
pickled.
"""

import contextlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np

from dnmf.callers import warn_caller
from dnmf.checkpoint.files import Files, explained, files_of
from dnmf.checkpoint.generations import (
    MANIFEST,
    Generation,
    WrittenArray,
    finished_names,
    generation_names,
    old_names,
    read_content,
    refuse_unwritable,
    remove_generation,
    seal,
    write_generation,
)
from dnmf.checkpoint.locks import LOCK, noted_holder
from dnmf.checkpoint.mistaken import refuse_what_is_no_run
from dnmf.checkpoint.newest import CURRENT, damage_report, find_newest, name_in_current
from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError
from dnmf.locations import refuse_secrets, why_not_here
from dnmf.places import Place, UnansweredError, absolute, is_trace, names_objects, place_of, remove_tree
from dnmf.refusals import told

_NOTHING: Mapping[str, np.ndarray] = MappingProxyType({})
_URL = re.compile(r"(?:^|::)[A-Za-z][A-Za-z0-9+.-]+:/")


class CheckpointWarning(UserWarning):
    """A store was damaged and an older generation was used, or an old one could not be removed."""


class Store:
    """The one writer of a store; holds its lock until it is closed or its process dies.

    A directory that is not there is made, where the one above it is there. Forked children share the lock; programs
    that were started (spawned) do not.

    Parameters
    ----------
    path : path-like
        A directory on a local or shared file system, in one that is there; any name will do. Or a place on object
        storage (:mod:`dnmf.places`), or its address.
    files : Files, optional
        How files are written; only tests pass their own.

    Attributes
    ----------
    path : Place
        A directory's is absolute; the final factor may be written beside the generations.

    Raises
    ------
    CheckpointError
        For a URL, a place in a directory that is not there or in a Zarr array, a non-empty directory that is not a
        store, a store that another process is writing, one of another format version, or a file system that refuses.
    CorruptError
        When it holds generations and none of them is whole; nothing is removed.

    Warns
    -----
    CheckpointWarning
        When ``CURRENT`` was damaged and is mended.

    Examples
    --------
    >>> import tempfile
    >>> with Store(tempfile.mkdtemp()) as store:
    ...     store.commit(1, {"seed": 0}, {"d": np.ones(3)})
    >>> read_latest(store.path).record
    {'seed': 0}
    """

    _newest: str | None
    _number: int

    def __init__(self, path: str | os.PathLike[str] | Place, files: Files | None = None):
        self.path = store_place(path)
        self._files = files or files_of(self.path)
        self._lasting: list[WrittenArray] = []
        with explained(f"{self.path} cannot be opened for writing"):
            _refuse_what_is_no_store(self.path, self._files)
            is_new = self._files.begin(self.path)
            try:
                self._lock = self._files.lock(self.path)
            except OSError:  # not that another writer has it
                if is_new:
                    remove_tree(self.path)
                raise
            try:
                self._continue()
            except BaseException:
                self._lock.close()
                raise

    def commit(
        self, number: int, record: dict[str, Any], arrays: Mapping[str, np.ndarray],
        lasting: Mapping[str, np.ndarray] = _NOTHING,
    ) -> None:  # fmt: skip
        """Make a generation the newest one; on return it is on disk and outlives a power failure.

        Stopped at any point it leaves the previous generation, or this one, whole and readable. The last
        two generations are kept.

        Parameters
        ----------
        number : int
            Not negative, and greater than the number of the newest generation.
        record : dict
            Plain JSON: no NaN, no arrays.
        arrays : mapping of str to numpy.ndarray
            By names of letters, digits, ``_`` and ``-``. Any shape, any dtype but Python objects.
        lasting : mapping of str to numpy.ndarray
            More arrays, which nobody changes: an object that was in the last commit, under any name, is not written
            again where the file system has links.

        Raises
        ------
        CheckpointError
            When the generation cannot be written (a full disk) or may not be (a number that does not
            increase, another writer). The previous one is then still there, and whole.
        """
        if self._lock.closed:
            raise CheckpointError(f"{self.path} was closed: open it again before committing to it")
        if number <= self._number:
            raise CheckpointError(
                f"generation {number} cannot follow generation {self._number} of {self.path}: numbers only increase"
            )
        generation = Generation(int(number), record, {**arrays, **lasting})
        refuse_unwritable(generation)
        directory = self.path / f"gen-{number:06d}-{uuid.uuid4().hex}"
        self._known.add(directory.name)
        try:
            with explained(f"generation {number} cannot be committed to {self.path}"):
                checksum, written = write_generation(directory, generation, self._files, self._lasting)
                self._point_at(directory.name, checksum)
        except CheckpointError as error:
            if not isinstance(error.__cause__, UnansweredError):  # else it may be pointed at yet
                self._discard(directory)
            raise
        old = self._listed_old({self._newest, directory.name}, number)  # before it is asked whose store it is
        with explained(f"{self.path} cannot be looked at after generation {number} was committed"):
            pointed = self._refuse_other_writer()
        self._newest, self._number = directory.name, number
        self._lasting = [one for one in written if one.path.stem in lasting]
        if pointed == directory.name:
            self._prune(old)

    def refuse_superseded(self) -> None:
        """Return while this writer's lock and commits are the last ones; CheckpointError otherwise."""
        with explained(f"{self.path} cannot be looked at"):
            self._refuse_other_writer()

    def close(self) -> None:
        """Let other writers in; closing twice is harmless."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _continue(self) -> None:
        self._expected = {name_in_current(self.path)}  # what CURRENT may name, or someone else wrote it
        found = find_newest(self.path)
        self._newest = found.name
        self._number = found.generation.number if found.generation else -1
        self._known = set(generation_names(self.path))  # what those before left, and what this one makes
        if found.name and self._expected == {None}:  # CURRENT is lost, or the first commit was cut short
            if found.damage:  # once CURRENT is mended, no reader would be told
                warn_caller(damage_report(self.path, found), CheckpointWarning)
            self._point_at(found.name, crc32c_of(read_content(self.path / found.name / MANIFEST)))

    def _point_at(self, name: str, manifest_crc32c: int) -> None:
        def look() -> None:
            self._expected = {self._refuse_other_writer(), name}

        content = seal({"generation": name, "manifest_crc32c": manifest_crc32c})
        self._files.point(self.path / CURRENT, self.path / name, content, look)
        self._expected = {name}

    def _refuse_other_writer(self) -> str | None:
        """Return what CURRENT names; CheckpointError when neither this writer nor the one before wrote it."""
        self._lock.refuse_lost()
        pointed = name_in_current(self.path)
        if pointed is not None and pointed not in self._expected:
            raise CheckpointError(
                f"{self.path} was changed by another writer, to {pointed}, though this process locked it: "
                f"end one of the two runs, then resume"
            )
        return pointed

    def _discard(self, directory: Place) -> None:
        with contextlib.suppress(OSError):
            # The failure may have come after CURRENT was replaced: what it names is never removed.
            if name_in_current(self.path) != directory.name:
                remove_generation(directory, self._files)

    def _listed_old(self, kept: set[str | None], number: int) -> list[str]:
        with _telling_of_old(self.path):
            return [name for name in old_names(self.path, number, self._known) if name not in kept]
        return []

    def _prune(self, names: Iterable[str]) -> None:
        with _telling_of_old(self.path):
            for name in names:
                remove_generation(self.path / name, self._files)


@contextlib.contextmanager
def _telling_of_old(root: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # the commit itself is done; the next one tries this again
        warn_caller(f"an old generation of {root} cannot be removed yet: {told(error)}", CheckpointWarning)


def refuse_place(path: str | os.PathLike[str] | Place) -> Place:
    """Return the absolute path of a directory in which a writer may begin now; nothing is made or changed in one.

    On object storage the server is asked by objects of a name of their own beside the run's, which are removed again:
    whether it keeps the conditions of a write, and what time it is.

    Raises
    ------
    CheckpointError
        As for :class:`Store`, but for what the file system refuses to write.
    """
    root = store_place(path)
    with explained(f"{root} cannot take a run"):
        _refuse_what_is_no_store(root, files_of(root))
        files_of(root).refuse_writer(root)
    return root


def exists(path: str | os.PathLike[str] | Place) -> bool:
    """Whether the directory is a store that holds a generation, damaged or not.

    False for a store whose writer was killed before its first commit: a new writer may start in it.

    Raises
    ------
    CheckpointError
        For a URL, or a directory that cannot be read.
    """
    root = store_place(path)
    with explained(f"{root} cannot be read"):
        if not _is_store(root):
            return False
        return (root / CURRENT).exists() or bool(finished_names(root))


def read_latest(path: str | os.PathLike[str] | Place) -> Generation:
    """Return the newest whole generation of a store, every file of it verified.

    Needs no lock: while another process commits, it is the generation before or after that commit.

    Warns
    -----
    CheckpointWarning
        When ``CURRENT`` or a newer generation is damaged; names what was found.

    Raises
    ------
    CorruptError
        When no generation is whole; names the damaged files.
    CheckpointError
        When there is no store, nothing was committed to it, it has another format version, or it cannot
        be read.
    """
    root = store_place(path)
    with explained(f"{root} cannot be read"):
        refuse_what_is_no_run(root, is_store=_is_store(root))
        found = find_newest(root)
    if found.generation is None:
        raise CheckpointError(
            f"nothing was committed to {root}: its run ended before its first checkpoint. Run dnmf fit (or dnmf path) "
            "again, with the same store if you like"
        )
    if found.damage:
        warn_caller(damage_report(root, found), CheckpointWarning)
    return found.generation


def store_place(path: str | os.PathLike[str] | Place) -> Place:
    """Return the place of a store, absolute.

    Raises
    ------
    CheckpointError
        It is a URL of a kind that stores cannot lie at.
    InputError
        There is a password or a query in it.
    """
    if not names_objects(path) and _URL.search(str(path)):
        refuse_secrets(str(path))
        raise CheckpointError(
            f"{path} is a URL: stores lie in a directory or on object storage, s3://BUCKET/NAME (or gs://, az://), "
            "given as text"
        )
    return absolute(place_of(path, "store"))


def _is_store(root: Place) -> bool:
    # By content, not by name: databases too have a CURRENT and a LOCK in their directories.
    return bool(noted_holder(root / LOCK)) or (root.is_dir() and bool(generation_names(root)))


def _refuse_what_is_no_store(root: Place, files: Files) -> None:
    if reason := why_not_here(root):
        raise CheckpointError(f"{root}: {reason}")
    files.refuse_unfit(root)
    if not root.exists():
        return
    if not root.is_dir():
        raise CheckpointError(f"{root} is a file: a store is a directory, choose another name")
    entries = [place.name for place in root.iterdir() if not is_trace(place.name)]
    cut_short = entries == [LOCK] and not (root / LOCK).stat().st_size
    if entries and not cut_short and not _is_store(root):
        raise CheckpointError(
            f"{root} is not a dnmf store and not empty (it holds {min(entries)!r}): choose another directory"
        )
