"""Zarr arrays on object storage, whose refusals are those of a file system."""

from typing import Any

import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore, ObjectStore, StorePath

from dnmf.places.buckets import Bucket, answered


class Chunks(ObjectStore):  # type: ignore[misc, type-arg]
    """Zarr's store over obstore, which writes whole objects; one that cannot be written is an OSError."""

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object."""
        with answered(key):
            await super().set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write an object that is not there."""
        with answered(key):
            await super().set_if_not_exists(key, value)


def zarr_path(bucket: Bucket, key: str, *, read_only: bool) -> Any:
    """Return the place of an array or a group in a bucket as Zarr takes it."""
    return StorePath(Chunks(bucket.store, read_only=read_only), key)


def description_of(**how: Any) -> bytes:
    """Return the ``zarr.json`` of an empty array; made at a place, Zarr would make groups of all that is above it."""
    held: dict[str, Buffer] = {}
    zarr.create_array(MemoryStore(held), **how)
    return held["zarr.json"].to_bytes()
