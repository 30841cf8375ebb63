"""A read that fails for a moment is tried again; one that fails for good is one clear error."""

import numpy as np
import pytest
import zarr
from small_stores import compressed_zarr, dense_zarr, fit, small

from dnmf.errors import InputError
from dnmf.sources import open_source, retries
from dnmf.sources.stored import StoredArray


@pytest.fixture
def A():
    return small()


class FailingReads:
    """Takes the place of the one read of a stored array and fails so many times in a row."""

    def __init__(self, times, error):
        self.times, self.error, self.calls = times, error, 0
        self.read = StoredArray._read_once

    def __call__(self, array, start, stop):
        self.calls += 1
        if self.calls % (self.times + 1):
            raise self.error
        return self.read(array, start, stop)


def failing(monkeypatch, times, error):
    reads = FailingReads(times, error)

    def read_once(array, start, stop):  # a method: it is bound to its array
        return reads(array, start, stop)

    monkeypatch.setattr(StoredArray, "_read_once", read_once)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    return reads


@pytest.mark.parametrize("make", [dense_zarr, compressed_zarr])
def test_two_failures_of_three_reads_are_absorbed(A, tmp_path, monkeypatch, caplog, make):
    path = make(A, tmp_path)
    expected = fit(path)
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 1)  # one read at a time: failures stay in a row
    reads = failing(monkeypatch, 2, OSError("connection reset"))
    model = fit(path)
    assert reads.calls > 3
    np.testing.assert_array_equal(model.H, expected.H)
    np.testing.assert_array_equal(model.read_W(), expected.read_W())
    assert "connection reset), trying again" in caplog.text


def test_a_lasting_failure_is_one_clear_error(A, tmp_path, monkeypatch):
    source = open_source(dense_zarr(A, tmp_path))
    reads = failing(monkeypatch, 10**9, OSError("the disk is gone"))
    with pytest.raises(InputError, match=r"a\.zarr: elements 0:10 .* cannot be read \(OSError: the disk is gone\)"):
        source.read(0, 10)
    assert reads.calls == retries.READ_TRIES


def test_a_denied_read_is_not_tried_again(A, tmp_path, monkeypatch):
    source = open_source(dense_zarr(A, tmp_path))
    reads = failing(monkeypatch, 10**9, PermissionError("denied"))
    with pytest.raises(InputError, match="PermissionError: denied"):
        source.read(0, 10)
    assert reads.calls == 1


def test_a_failure_while_opening_is_absorbed_too(A, tmp_path, monkeypatch):
    path, opened, failures = dense_zarr(A, tmp_path), zarr.open, [OSError("stale"), OSError("stale")]

    def flaky(*args, **kwargs):
        if failures:
            raise failures.pop()
        return opened(*args, **kwargs)

    monkeypatch.setattr(zarr, "open", flaky)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    np.testing.assert_array_equal(open_source(path).read(0, 9), A[:9])
