"""What stores promise, on object storage of any kind: a place of a bucket in place of a directory."""

import uuid

from faulty_buckets import WatchedBucket
from store_contract import StoreContract

from dnmf.checkpoint import Store
from dnmf.places import ObjectPlace


class ObjectStoreContract(StoreContract):
    def copied(self, place, name):
        to = ObjectPlace(place.bucket, f"{name}-{uuid.uuid4().hex}")
        for about in place.bucket.listed(place.key):
            place.bucket.copy(about["path"], to.key + about["path"].removeprefix(place.key))
        return to

    def watched(self, place, before):
        bucket = WatchedBucket(place.bucket.store, before)
        bucket.conditions_kept = True
        return Store(ObjectPlace(bucket, place.key))

    def lose_lock(self, place):
        lock = place / "LOCK"
        if lock.exists():
            lock.write_bytes(lock.read_bytes().replace(b'"turn"', b'"released": true, "turn"'))
