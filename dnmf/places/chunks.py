"""Zarr arrays on object storage, whose refusals are those of a file system."""

from typing import Any

import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore, ObjectStore, StorePath

from dnmf.places.buckets import Bucket, answered


class Chunks(ObjectStore):  # type: ignore[misc, type-arg]
    """Zarr's store over obstore: an object that cannot be read or written is an OSError, as in a directory.

    Parameters
    ----------
    store : obstore store
        Of the whole bucket.
    name : str
        What it is called in errors, before the key.
    read_only : bool
        Whether nothing is to be written.
    """

    def __init__(self, store: Any, *, name: str = "", read_only: bool = False):
        super().__init__(store, read_only=read_only)
        self.name = name

    def with_read_only(self, read_only: bool = False) -> "Chunks":
        """Return the same, to be read or written."""
        return Chunks(self.store, name=self.name, read_only=read_only)

    def __str__(self) -> str:
        return self.name  # that of obstore may end the process where an account is named in the environment only

    def __repr__(self) -> str:
        return f"Chunks({self.name!r})"

    async def get(self, key: str, *how: Any, **more: Any) -> Buffer | None:
        """Return an object, or a part of it; None where there is none."""
        with answered(f"{self.name}/{key}"):
            return await super().get(key, *how, **more)

    async def exists(self, key: str) -> bool:
        """Whether there is an object."""
        with answered(f"{self.name}/{key}"):
            return bool(await super().exists(key))

    async def getsize(self, key: str) -> int:
        """Return the bytes of an object."""
        with answered(f"{self.name}/{key}"):
            return int(await super().getsize(key))

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object."""
        with answered(f"{self.name}/{key}"):
            await super().set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write an object that is not there."""
        with answered(f"{self.name}/{key}"):
            await super().set_if_not_exists(key, value)


def zarr_path(bucket: Bucket, key: str, *, read_only: bool) -> Any:
    """Return the place of an array or a group in a bucket as Zarr takes it."""
    return StorePath(Chunks(bucket.store, name=bucket.url, read_only=read_only), key)


def description_of(**how: Any) -> bytes:
    """Return the ``zarr.json`` of an empty array; made at a place, Zarr would make groups of all that is above it."""
    held: dict[str, Buffer] = {}
    zarr.create_array(MemoryStore(held), **how)
    return held["zarr.json"].to_bytes()
