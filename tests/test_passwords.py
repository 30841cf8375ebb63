"""No password is stored or shown: not of an address, nor of an endpoint."""

import traceback

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call

import dnmf
from dnmf.conversion import convert
from dnmf.errors import InputError
from dnmf.inspection import run_status
from dnmf.refusals import cause_of, in_words, told
from dnmf.sources.zarr_stores import name_of_store

SECRET = "PASSW0RD"
MATRIX = np.random.default_rng(0).random((20, 6))
AT = f"http://me:{SECRET}@127.0.0.1:1/a"
IN_BUCKET = f"s3://me:{SECRET}@bucket/a"


def fitted():
    """A small model."""
    return dnmf.fit(MATRIX, 2, max_passes=2)


DOORS = {
    "open": lambda folder: dnmf.open_source(AT),
    "open, with options": lambda folder: dnmf.open_source(AT, storage_options={"timeout": 1}),
    "open, a place in it": lambda folder: dnmf.open_source(f"{IN_BUCKET}.zarr::layers/raw"),
    "open, through a cache": lambda folder: dnmf.open_source(f"simplecache::{AT}"),
    "open, with a token for a user": lambda folder: dnmf.open_source(f"https://{SECRET}@127.0.0.1:1/a"),
    "mask": lambda folder: dnmf.open_source(MATRIX, mask=AT),
    "row names": lambda folder: dnmf.open_source(MATRIX, row_names=AT),
    "fit": lambda folder: dnmf.fit(AT, 2),
    "path": lambda folder: dnmf.path(AT, 2, dnmf.Penalty(l1=1.0), [0.0]),
    "store": lambda folder: dnmf.fit(MATRIX, 2, store=AT),
    "store in a bucket": lambda folder: dnmf.fit(MATRIX, 2, store=IN_BUCKET),
    "load": lambda folder: dnmf.load(IN_BUCKET),
    "status": lambda folder: run_status(AT),
    "place": lambda folder: dnmf.place(IN_BUCKET),
    "transform": lambda folder: fitted().transform(AT),
    "transform to": lambda folder: fitted().transform(MATRIX, out=IN_BUCKET),
    "convert": lambda folder: convert(AT, folder / "b.zarr"),
    "convert to": lambda folder: convert(folder / "a.npy", IN_BUCKET),
}


@pytest.mark.parametrize("door", DOORS)
def test_an_address_with_a_password_is_refused_with_the_way_to_give_it(door, tmp_path):
    np.save(tmp_path / "a.npy", MATRIX)
    with pytest.raises(
        InputError, match=r"with a user or a password in the address.* environment or as storage_options"
    ) as found:
        DOORS[door](tmp_path)
    assert SECRET not in "".join(traceback.format_exception(found.value))


COMMANDS = {
    "inspect": ("inspect", AT),
    "fit": ("fit", AT, "--rank", 2, "--store", "a.dnmf"),
    "fit into": ("fit", "a.zarr", "--rank", 2, "--store", IN_BUCKET),
    "convert": ("convert", AT, "b.zarr"),
    "convert to": ("convert", "a.npy", AT),
    "transform": ("transform", "a.dnmf", AT, "--out", "W.zarr"),
    "status": ("status", IN_BUCKET),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_on_the_command_line_too(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", MATRIX)
    zarr.create_array("a.zarr", data=MATRIX)
    fitted().save("a.dnmf")
    done = call(*COMMANDS[command])
    assert_one_clear_line(done, "in the environment")
    assert SECRET not in done.output


def test_the_container_of_an_azure_account_is_no_password():
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(InputError) as found:
        dnmf.open_source("nobody://container@account.example.org/a.zarr")
    assert "nobody:// is no kind of address" in str(found.value)


def test_what_an_opened_zarr_object_is_called_has_none():
    pytest.importorskip("aiohttp", reason="fsspec cannot open web addresses")
    store = zarr.storage.FsspecStore.from_url(AT, read_only=True)
    assert SECRET in store.path
    assert SECRET not in name_of_store(store)


def test_that_of_an_endpoint_is_not_in_what_a_bucket_says():
    pytest.importorskip("obstore", reason="obstore is not installed")
    options = {"key": "a", "secret": "b", "endpoint_url": f"http://me:{SECRET}@127.0.0.1:1"}
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:1/bucket") as found:
        dnmf.place("s3://bucket/a.dnmf", options).exists()
    assert SECRET not in "".join(traceback.format_exception(found.value))


def test_nor_in_what_is_said_of_any_error():
    error = OSError(5, f"GET {AT} failed", AT)
    error.__cause__ = ValueError(AT)
    assert [SECRET in text for text in (in_words(error), told(error), told(error.__cause__))] == [False] * 3
    assert cause_of(error) is None
    assert cause_of(other := OSError("http://host/a failed")) is other
