"""A run's store on disk: whole generations, committed one after another and verified when read."""

from typing import Any

from dnmf.checkpoint.files import Files, files_of
from dnmf.checkpoint.fresh import fresh_store
from dnmf.checkpoint.generations import Generation
from dnmf.checkpoint.objects import Objects
from dnmf.checkpoint.others import refuse_others
from dnmf.checkpoint.store import CheckpointWarning, Store, exists, read_latest, refuse_place, store_place
from dnmf.places import Place

__all__ = [
    "CheckpointWarning", "Files", "Generation", "Objects", "Store", "exists", "files_of", "fresh_store", "read_latest",
    "refuse_others", "refuse_place", "store_place", "writer_of",
]  # fmt: skip


def writer_of(store: Place) -> dict[str, Any] | None:
    """Return who writes a store now: pid, host, since; None when nobody does."""
    return files_of(store).writer(store)
