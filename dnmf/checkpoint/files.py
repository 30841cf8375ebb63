"""Durable file operations, and what to say when the file system refuses one."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from dnmf.errors import CheckpointError
from dnmf.refusals import in_words


class Files:
    """The file operations a commit is made of. Each raises OSError; a test can stop after any of them."""

    def make_directory(self, path: Path) -> None:
        """Make one directory that is not there yet."""
        path.mkdir()

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


@contextlib.contextmanager
def explained(what_failed: str) -> Iterator[None]:
    """Turn an OSError into a CheckpointError that says what failed, on which file, and what to try."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{what_failed}: {in_words(error)}") from error
