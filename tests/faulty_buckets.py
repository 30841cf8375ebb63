"""Buckets in memory whose requests die, are refused, are lost on the way back, or lag behind, for tests of stores."""

import errno
import os
from collections.abc import Callable

from obstore.store import MemoryStore

from dnmf.places import ObjectPlace, UnansweredError
from dnmf.places.buckets import Bucket

URL = "s3://bucket"  # a name: nothing is sent anywhere


class MemoryBucket(Bucket):
    """A bucket in this process."""

    def __init__(self, store: MemoryStore | None = None):
        super().__init__(URL, store=store or MemoryStore())

    def copied(self) -> "MemoryBucket":
        """Another one with the same content."""
        other = MemoryBucket()
        for about in self.listed(""):
            other.put(about["path"], self.get(about["path"]))
        return other


class WatchedBucket(MemoryBucket):
    """Calls `before` ahead of each request that changes something."""

    def __init__(self, store: MemoryStore, before: Callable[[str], None]):
        super().__init__(store)
        self.before = before

    def put(self, key, content, mode="overwrite"):
        self.before(key)
        return super().put(key, content, mode)

    def delete(self, keys):
        self.before(keys[0] if keys else "")
        super().delete(keys)

    def copy(self, source, target):
        self.before(target)
        super().copy(source, target)


class CountingBucket(MemoryBucket):
    """Counts the requests; the one at a position is not answered, nor done."""

    REQUESTS = ("get", "head", "put", "delete", "copy", "listed", "children")
    count, unanswered = 0, -1

    def __getattribute__(self, name):
        if name in CountingBucket.REQUESTS:
            self.count += 1
            if self.count - 1 == self.unanswered:
                raise UnansweredError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), name)
        return super().__getattribute__(name)


class LosingBucket(MemoryBucket):
    """Of the put at one position the answer is lost: it is done, and tried again, as obstore does; or given up."""

    def __init__(self, store: MemoryStore, at: int, tried_again: bool):
        super().__init__(store)
        self.left, self.tried_again = at, tried_again

    def put(self, key, content, mode="overwrite"):
        self.left -= 1
        done = super().put(key, content, mode)
        if self.left != -1:
            return done
        if self.tried_again:
            return super().put(key, content, mode)
        raise UnansweredError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), key)


class LaggingBucket(MemoryBucket):
    """Lists what there was so many requests before."""

    def __init__(self, store: MemoryStore, lag: int):
        super().__init__(store)
        self.lag, self.seen = lag, []

    def _late(self, found):
        self.seen.append({about["path"] for about in super().listed("")})
        before = self.seen[max(0, len(self.seen) - 1 - self.lag)]
        return [one for one in found if one in before]

    def listed(self, prefix, most=None):
        found = super().listed(prefix)
        known = self._late([about["path"] for about in found])
        return [about for about in found if about["path"] in known][:most]

    def children(self, prefix):
        known = self.listed(prefix)
        below = [about["path"].removeprefix(prefix).strip("/").partition("/") for about in known]
        root = f"{prefix}/" if prefix else ""
        folders = sorted({f"{root}{first}" for first, slash, _ in below if slash})
        return folders, sorted(f"{root}{first}" for first, slash, _ in below if not slash)


class CarelessBucket(MemoryBucket):
    """Of a server that writes whatever the condition."""

    def put(self, key, content, mode="overwrite"):
        return super().put(key, content)


def run_in(bucket: Bucket) -> ObjectPlace:
    return ObjectPlace(bucket, "runs/run.dnmf")


def on(bucket, store):
    """A bucket of this kind over what another one holds."""
    bucket.conditions_kept = True
    bucket.store  # noqa: B018  opened
    return ObjectPlace(bucket, store.key)
