"""A fit that stood still while another took over its run: what the other has finished stays as it is."""

import numpy as np
import pytest

import dnmf
from dnmf.checkpoint import leases
from dnmf.errors import CheckpointError
from dnmf.fitting import finish
from dnmf.fitting.events import PassDone

A = np.random.default_rng(0).random((60, 8), dtype=np.float32)
FIT = {"rank": 2, "init": "random", "tol": 0.0, "max_passes": 3}


@pytest.fixture(params=["directory", "bucket"])
def place(request, tmp_path, monkeypatch):
    if request.param == "directory":
        return tmp_path / "run.dnmf"
    pytest.importorskip("obstore")
    from faulty_buckets import MemoryBucket, run_in

    monkeypatch.setattr(leases, "LEASE_S", 0.0)  # whoever comes takes the lock, as if the holder were dead
    return run_in(MemoryBucket())


@pytest.fixture
def another(place):
    """Finishes the run, once, and keeps its model."""
    models = []

    def finish_it():
        if not models:
            models.append(None)  # the other's own passes come here too
            if not hasattr(place, "bucket"):
                (place / "LOCK").unlink()
            models[0] = dnmf.resume(place, source=A)

    finish_it.models = models
    return finish_it


def assert_stays(place, another):
    (model,) = another.models
    assert dnmf.load(place).read_W().tobytes() == model.read_W().tobytes() == dnmf.fit(A, **FIT).read_W().tobytes()
    assert [path.name for path in place.glob("*.zarr")] == [model.W_name]


def test_one_that_wakes_before_its_last_pass_removes_nothing(place, another):
    def listen(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            another()

    with pytest.raises(CheckpointError, match="changed by another writer"):
        dnmf.fit(A, **FIT, store=place, callbacks=(listen,))
    assert_stays(place, another)


@pytest.mark.parametrize("moment", ["before it", "after it"])
def test_one_that_wakes_in_its_last_pass_removes_only_what_it_made(place, another, monkeypatch, moment):
    one_pass = finish.one_pass

    def stand_still(*given):
        if moment == "before it":
            another()
        found = one_pass(*given)
        if moment == "after it":
            another()
        return found

    monkeypatch.setattr(finish, "one_pass", stand_still)
    with pytest.raises(CheckpointError):
        dnmf.fit(A, **FIT, store=place)
    assert_stays(place, another)
