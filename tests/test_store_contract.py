"""Stores in directories and on object storage keep the same promises."""

import shutil
import uuid

import pytest
from faulty_files import WatchedFiles
from store_contract import StoreContract

from dnmf.checkpoint import Store
from dnmf.places import ObjectPlace


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


class TestObjects(StoreContract):
    @pytest.fixture(autouse=True)
    def _needs_obstore(self):
        pytest.importorskip("obstore")

    def new(self, tmp_path):
        from faulty_buckets import MemoryBucket, run_in

        return run_in(MemoryBucket())

    def copied(self, place, name):
        return ObjectPlace(place.bucket.copied(), place.key)

    def watched(self, place, before):
        from faulty_buckets import WatchedBucket

        bucket = WatchedBucket(place.bucket.store, before)
        bucket.conditions_kept = True
        return Store(ObjectPlace(bucket, place.key))

    def lose_lock(self, place):
        lock = place / "LOCK"
        if lock.exists():
            lock.write_bytes(lock.read_bytes().replace(b'"turn"', b'"released": true, "turn"'))
