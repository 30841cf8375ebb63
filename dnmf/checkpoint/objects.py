"""A commit on object storage: objects that are only ever made, and a pointer that is replaced under a condition."""

import errno
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dnmf.checkpoint.files import Files, files_of
from dnmf.checkpoint.generations import DamageError, seal, unseal
from dnmf.checkpoint.leases import Lease, seconds_left, wait_for_end
from dnmf.checkpoint.locks import LOCK, Lock, noted_holder
from dnmf.checkpoint.newest import CURRENT
from dnmf.errors import CheckpointError
from dnmf.places import ObjectPlace, trace_name
from dnmf.places.buckets import Version

TRIES = 5
HOLDER = ("writer", "pid", "host", "since")


class Objects(Files):
    """The operations of a commit on object storage.

    Nothing is renamed: a file of a generation is made under a name that nobody else uses, and never replaced. The
    pointer is replaced if it is the one that was looked at. Whoever takes the lock writes the pointer anew, so that a
    writer that had it before, and stood still since it looked, finds another one.
    """

    def refuse_unfit(self, root: Any) -> None:
        """Refuse a server that writes whatever the condition: it would keep two writers from nothing.

        Raises
        ------
        CheckpointError
            It does.
        """
        bucket = root.bucket
        if bucket.conditions_kept is None:
            bucket.conditions_kept = _keeps_conditions(root)
        if not bucket.conditions_kept:
            raise CheckpointError(
                f"{root}: this server does not keep the conditions of a write (If-None-Match, If-Match), so that two "
                "runs could overwrite each other; use another server, or a store in a directory"
            )

    def begin(self, root: Any) -> bool:
        """Nothing: there are no directories."""
        del root
        return False

    def make_directory(self, path: Any) -> None:
        """Nothing: there are no directories."""

    def sync_directory(self, path: Any) -> None:
        """Nothing: what is written is there."""

    def write(self, path: Any, content: bytes | memoryview) -> None:
        """Make an object."""
        path.put_after(content, None)

    def publish(self, path: Any, content: bytes) -> None:
        """Make an object when all that was to be there before it is."""
        path.put_after(content, None)

    def point(self, pointer: Any, to: Any, content: bytes, look: Callable[[], None]) -> None:
        """Replace a pointer that `look` has found to be this writer's; see :class:`~dnmf.checkpoint.files.Files`."""
        del to

        def looked_at(version: Version | None) -> bytes:
            del version
            look()  # says who wrote it, where another did
            return content

        _replace(pointer, looked_at)

    def link(self, source: Any, target: Any) -> None:
        """Copy an object on the server."""
        source.copy_to(target)

    def remove(self, path: Any) -> None:
        """Remove an object."""
        path.unlink(missing_ok=True)

    def lock(self, root: Any) -> Lock:
        """Return the lock of a store, taken, and shut out who had it before."""
        lease = Lease(root / LOCK, root)
        try:
            _shut_out(root / CURRENT)
        except BaseException:
            lease.close()
            raise
        return lease

    def writer(self, root: Any) -> dict[str, Any] | None:
        """Return who holds the lock of a store, as far as can be seen: pid, host, since; None when nobody does."""
        try:
            noted = noted_holder(root / LOCK)
            is_held = bool(noted) and seconds_left(root / LOCK, by_server=False) > 0
            return {name: noted[name] for name in HOLDER} if is_held else None
        except OSError:
            return None

    def refuse_writer(self, root: Any) -> None:
        """Refuse a store that another process writes; that of another host is waited for, whether it gives a sign."""
        wait_for_end(root / LOCK, root)


@files_of.register
def _(place: ObjectPlace) -> Files:
    del place
    return Objects()


def _shut_out(pointer: ObjectPlace) -> None:
    """Write a pointer anew, to the same generation: who looked at it before cannot replace it any more."""

    def anew(version: Version | None) -> bytes | None:
        if version is None:
            return None
        try:
            body = unseal(pointer, pointer.read_bytes())  # type: ignore[arg-type]  # a place
        except DamageError:
            return None  # the next commit mends it
        return seal({**body, "since": uuid.uuid4().hex})

    _replace(pointer, anew)


def _replace(pointer: Any, content_after: Callable[[Version | None], bytes | None]) -> None:
    """Replace a pointer by what is made of it as it is, again where it changed meanwhile; not at all by None."""
    for _ in range(TRIES):
        version = pointer.version()  # before it is looked at: what is written after that is noticed
        content = content_after(version)
        if content is None:
            return
        try:
            pointer.put_after(content, version)
            return
        except FileExistsError:
            continue
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(pointer))


def _keeps_conditions(root: ObjectPlace) -> bool:
    """Whether an object that is there is not made again, nor replaced under the tag of another."""
    probe = root / trace_name()
    try:
        version = probe.put_after(b"first", None)
        other = {**version, "e_tag": '"00000000000000000000000000000000"'}
        if version.get("version", "").isdigit():  # what Google's servers go by
            other["version"] = "1"
        kept = _is_refused(probe, b"second", None) and _is_refused(probe, b"third", other)
    except OSError as error:
        with suppress(OSError):  # of a write that was refused that is told, not that nothing can be removed either
            probe.unlink(missing_ok=True)
        if error.errno == errno.ENOSYS:  # who asks was told to send none
            return False
        raise
    probe.unlink(missing_ok=True)
    return kept


def _is_refused(probe: ObjectPlace, content: bytes, version: Any) -> bool:
    try:
        probe.put_after(content, version)
    except FileExistsError:
        return True
    return False
