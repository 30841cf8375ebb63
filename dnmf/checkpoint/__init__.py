"""A run's store on disk: whole generations, committed one after another and verified when read."""

from dnmf.checkpoint.files import Files
from dnmf.checkpoint.fresh import fresh_store
from dnmf.checkpoint.generations import Generation
from dnmf.checkpoint.others import refuse_others
from dnmf.checkpoint.store import CheckpointWarning, Store, exists, local_directory, read_latest, refuse_place

__all__ = [
    "CheckpointWarning", "Files", "Generation", "Store", "exists", "fresh_store", "local_directory", "read_latest",
    "refuse_others", "refuse_place",
]  # fmt: skip
