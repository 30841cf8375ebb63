"""Stores in directories keep what stores promise."""

import shutil
import uuid

from faulty_files import WatchedFiles
from store_contract import StoreContract

from dnmf.checkpoint import Store


class TestDirectories(StoreContract):
    def new(self, tmp_path):
        return tmp_path / "run.dnmf"

    def copied(self, place, name):
        to = place.with_name(f"{name}-{uuid.uuid4().hex}")
        return shutil.copytree(place, to) if place.exists() else to

    def watched(self, place, before):
        files = WatchedFiles()
        files.before = lambda path, content=b"": before(path)
        return Store(place, files)

    def lose_lock(self, place):
        (place / "LOCK").unlink(missing_ok=True)
