"""Durable file operations, and what to say when the file system refuses one."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from functools import singledispatch
from pathlib import Path
from typing import Any

from dnmf.checkpoint.locks import LOCK, FileLock, Lock, held_by_another, holder_of_file, take_lock
from dnmf.errors import CheckpointError
from dnmf.places import Place
from dnmf.refusals import in_words


class Files:
    """The file operations a commit is made of. Each raises OSError; a test can stop after any of them.

    These are those of a directory; another kind of place has its own (:func:`files_of`).
    """

    def refuse_unfit(self, root: Place) -> None:
        """Refuse a place where no store can be.

        Raises
        ------
        CheckpointError
            There is none, and the directory it would be in is not there.
        """
        if not root.exists() and not root.parent.exists():  # a mistyped name is no reason to make directories
            raise CheckpointError(f"{root}: its directory does not exist; create {root.parent} first")

    def begin(self, root: Place) -> bool:
        """Make the directory of a store, unless it is there; return whether it was made."""
        if root.exists():
            return False
        try:
            self.make_directory(root)
        except FileExistsError:  # another writer was faster; the lock decides
            return False
        try:
            self.sync_directory(root.parent)
        except OSError:
            root.rmdir()
            raise
        return True

    def lock(self, root: Place) -> Lock:
        """Return the lock of a store, taken.

        Raises
        ------
        CheckpointError
            Another process has it; names the holder.
        """
        return FileLock(take_lock(root / LOCK, root, self.sync))

    def writer(self, root: Place) -> dict[str, Any] | None:
        """Return who holds the lock of a store now: pid, host, since; None when nobody does."""
        return holder_of_file(root / LOCK)

    def refuse_writer(self, root: Place) -> None:
        """Refuse a store that another process writes.

        Raises
        ------
        CheckpointError
            One does; names it.
        """
        if writer := self.writer(root):
            raise CheckpointError(held_by_another(root, writer))

    def make_directory(self, path: Path) -> None:
        """Make one directory that is not there yet."""
        path.mkdir()

    def publish(self, path: Path, content: bytes) -> None:
        """Write a file last in its directory: where it is, it is on disk, and so is all that was there before."""
        draft = path.with_name(f"{path.name}.tmp")
        self.write(draft, content)
        self.sync_directory(path.parent)  # or a power failure could keep this file and lose another
        self.replace(draft, path)
        self.sync_directory(path.parent)

    def point(self, pointer: Path, to: Path, content: bytes, look: Callable[[], None]) -> None:
        """Replace a pointer by one to the directory `to`, which lies beside it, once `look` has looked at the old one.

        `look` raises where the pointer is not what this writer left there: then it stays as it is.
        """
        # Written inside the directory: a writer that was taken for dead, and whose directory was pruned since, cannot
        # bring it back.
        draft = to / f"{pointer.name}.tmp"
        self.write(draft, content)
        self.sync_directory(pointer.parent)  # the name of the directory reaches the disk before anything points at it
        look()
        self.replace(draft, pointer)
        self.sync_directory(pointer.parent)

    def sync(self, descriptor: int) -> None:
        """Return once what was written to an open file is on disk; every wait for the disk is here."""
        os.fsync(descriptor)

    def write(self, path: Path, content: bytes | memoryview) -> None:
        """Write a file, over an old one if there is one; its content is on disk on return."""
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            self.sync(file.fileno())

    def sync_directory(self, path: Path) -> None:
        """Return once the names in a directory are on disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self.sync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network file systems know no fsync of a directory
                raise
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file over another; whoever opens the target finds the old or the new one."""
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file that is on disk a second name."""
        os.link(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file, a link, or an empty directory."""
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


@singledispatch
def files_of(place: Any) -> Files:
    """Return the operations of a kind of place."""
    del place
    return Files()


@contextlib.contextmanager
def explained(what_failed: str) -> Iterator[None]:
    """Turn an OSError into a CheckpointError that says what failed, on which file, and what to try."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{what_failed}: {in_words(error)}") from error
