"""File operations that die, are refused, or are interrupted at a chosen one, for tests of stores."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from dnmf.checkpoint import Files

UNLIMITED = 10**9


class UnsyncedFiles(Files):
    """The real operations without waiting for the disk: tests make thousands of them."""

    def sync(self, descriptor):
        pass


class WatchedFiles(UnsyncedFiles):
    """Calls ``before`` ahead of each operation."""

    def before(self, path: Path, content: bytes = b"") -> None:
        raise NotImplementedError

    def make_directory(self, path):
        self.before(path)
        super().make_directory(path)

    def write(self, path, content):
        self.before(path, bytes(content))
        super().write(path, content)

    def sync_directory(self, path):
        self.before(path)
        super().sync_directory(path)

    def replace(self, source, target):
        self.before(source)
        super().replace(source, target)

    def link(self, source, target):
        self.before(target)
        super().link(source, target)

    def remove(self, path):
        self.before(path)
        super().remove(path)


class RefusedFiles(WatchedFiles):
    """The file system refuses the operation at one position, a write after half of its bytes."""

    def __init__(self, at: int, errno_: int):
        self.left, self.errno = at, errno_

    def before(self, path, content=b""):
        self.left -= 1
        if self.left == -1:
            if content:
                path.write_bytes(content[: len(content) // 2])
            raise OSError(self.errno, os.strerror(self.errno), str(path))


class Stopped(BaseException):
    """The process is gone: no handler of an Exception gets to run."""


class StoppingFiles(WatchedFiles):
    """Does so many operations and is gone at the next; knows what a power failure would then undo.

    The content of a written file is on disk, for a write is done only when it is. A name that was made,
    replaced or removed is on disk once its directory was synced; until then each may be lost by itself.
    One operation before the last may be refused for lack of room.
    """

    def __init__(self, operations: int = UNLIMITED, torn: bool = False, refused: int | None = None):
        self.left, self.torn, self.refused = operations, torn, refused
        self.done = 0
        self.unsynced: list[tuple[Path, Callable[[], object]]] = []

    def before(self, path, content=b""):
        if self.left == 0:
            if content and self.torn:
                path.write_bytes(content[: len(content) // 2])
            self.torn = False  # the dead write nothing more
            raise Stopped
        self.left -= 1
        self.done += 1
        if self.done - 1 == self.refused:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def make_directory(self, path):
        super().make_directory(path)
        self._until_synced(path.parent, lambda: shutil.rmtree(path, ignore_errors=True))

    def write(self, path, content):
        is_new = not path.exists()
        super().write(path, content)
        if is_new:
            self._until_synced(path.parent, lambda: path.unlink(missing_ok=True))

    def sync_directory(self, path):
        super().sync_directory(path)
        self.unsynced = [(directory, undo) for directory, undo in self.unsynced if directory != path]

    def replace(self, source, target):
        moved, before = source.read_bytes(), target.read_bytes() if target.exists() else None
        super().replace(source, target)

        def undo():
            _put_back(target, before)
            _put_back(source, moved)

        self._until_synced(target.parent, undo)

    def link(self, source, target):
        super().link(source, target)
        self._until_synced(target.parent, lambda: target.unlink(missing_ok=True))

    def remove(self, path):
        before = None if path.is_dir() else path.read_bytes()
        super().remove(path)
        self._until_synced(
            path.parent, lambda: path.mkdir(exist_ok=True) if before is None else _put_back(path, before)
        )

    def _until_synced(self, directory: Path, undo: Callable[[], object]) -> None:
        self.unsynced.append((directory, undo))

    def power_fails(self, lost: set[int]) -> None:
        """Lose the names at these positions among those that were not synced, all others are kept."""
        for index, (_, undo) in reversed(list(enumerate(self.unsynced))):
            if index in lost:
                undo()


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif path.parent.is_dir():
        path.write_bytes(content)
