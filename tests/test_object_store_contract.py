"""Stores on object storage keep the promises of those in directories."""

import pytest

pytest.importorskip("obstore", reason="stores on object storage need obstore")

from faulty_buckets import MemoryBucket, run_in
from object_store_contract import ObjectStoreContract


class TestObjects(ObjectStoreContract):
    def new(self, tmp_path):
        return run_in(MemoryBucket())
