"""No secret is stored or shown: no password and no signature of an address, nor what an endpoint was given with."""

import threading
import traceback
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call

import dnmf
import dnmf.plots
from dnmf.conversion import convert
from dnmf.errors import InputError
from dnmf.inspection import run_status
from dnmf.refusals import cause_of, in_words, told
from dnmf.sources.zarr_stores import name_of_store

SECRET = "PASSW0RD"
MATRIX = np.random.default_rng(0).random((20, 6))
AT = f"http://me:{SECRET}@127.0.0.1:1/a"
SIGNED = f"http://127.0.0.1:1/a?X-Amz-Expires=60&X-Amz-Signature={SECRET}"
WITH_PASSWORD = (AT, f"s3://me:{SECRET}@bucket/a")  # of the web, and of a bucket
WITH_QUERY = (SIGNED, f"az://bucket/a?sv=2022&sig={SECRET}")
WITH_FRAGMENT = (f"http://127.0.0.1:1/a#token={SECRET}", f"gs://bucket/a#token={SECRET}")
REFUSED = {
    WITH_PASSWORD: r"with a user or a password in the address.* give them in the environment or as storage_options",
    WITH_QUERY: r"/a: was given with a query .* give it in the environment or as storage_options",
    WITH_FRAGMENT: r"/a: was given with a query .* give it in the environment or as storage_options",
}


def fitted():
    """A small model."""
    return dnmf.fit(MATRIX, 2, max_passes=2)


def stopped(folder):
    """The store of a fit that can be gone on with."""
    dnmf.fit(MATRIX, 2, max_passes=2, tol=0, store=folder / "a.dnmf")
    return folder / "a.dnmf"


DOORS = {
    "open": lambda folder, web, bucket: dnmf.open_source(web),
    "open, of a bucket": lambda folder, web, bucket: dnmf.open_source(bucket),
    "open, with options": lambda folder, web, bucket: dnmf.open_source(web, storage_options={"timeout": 1}),
    "open, a place in it": lambda folder, web, bucket: dnmf.open_source(f"{bucket}::layers/raw"),
    "open, through a cache": lambda folder, web, bucket: dnmf.open_source(f"simplecache::{web}"),
    "open, in an archive": lambda folder, web, bucket: dnmf.open_source(f"zip://a.zarr::{web}"),
    "open, of references": lambda folder, web, bucket: dnmf.open_source(f"reference://::{web}"),
    "open, as a path": lambda folder, web, bucket: dnmf.open_source(Path(web)),
    "mask": lambda folder, web, bucket: dnmf.open_source(MATRIX, mask=web),
    "weights": lambda folder, web, bucket: dnmf.open_source(MATRIX, weights=bucket),
    "weights of rows": lambda folder, web, bucket: dnmf.open_source(MATRIX, row_weights=web),
    "row names": lambda folder, web, bucket: dnmf.open_source(MATRIX, row_names=web),
    "column names": lambda folder, web, bucket: dnmf.open_source(MATRIX, column_names=bucket),
    "fit": lambda folder, web, bucket: dnmf.fit(web, 2),
    "estimator": lambda folder, web, bucket: dnmf.NMF(2).fit(web),
    "path": lambda folder, web, bucket: dnmf.path(web, 2, dnmf.Penalty(l1=1.0), [0.0]),
    "store": lambda folder, web, bucket: dnmf.fit(MATRIX, 2, store=web),
    "store as a path": lambda folder, web, bucket: dnmf.fit(MATRIX, 2, store=Path(web)),
    "store in a bucket": lambda folder, web, bucket: dnmf.fit(MATRIX, 2, store=bucket),
    "save": lambda folder, web, bucket: fitted().save(bucket),
    "load": lambda folder, web, bucket: dnmf.load(bucket),
    "resume": lambda folder, web, bucket: dnmf.resume(bucket),
    "resume with other data": lambda folder, web, bucket: dnmf.resume(stopped(folder), source=web, max_passes=9),
    "status": lambda folder, web, bucket: run_status(web),
    "place": lambda folder, web, bucket: dnmf.place(bucket),
    "transform": lambda folder, web, bucket: fitted().transform(web),
    "transform to": lambda folder, web, bucket: fitted().transform(MATRIX, out=bucket),
    "convert": lambda folder, web, bucket: convert(web, folder / "b.zarr"),
    "convert to": lambda folder, web, bucket: convert(folder / "a.npy", bucket),
    "convert to the web": lambda folder, web, bucket: convert(folder / "a.npy", web),
    "report": lambda folder, web, bucket: dnmf.plots.report(fitted(), web),
}


@pytest.mark.broad(40)
@pytest.mark.parametrize("given", REFUSED, ids=["password", "query", "fragment"])
@pytest.mark.parametrize("door", DOORS)
def test_an_address_with_a_secret_is_refused_with_the_way_to_give_it(door, given, tmp_path):
    np.save(tmp_path / "a.npy", MATRIX)
    with pytest.raises(InputError, match=REFUSED[given]) as found:
        DOORS[door](tmp_path, *given)
    assert SECRET not in "".join(traceback.format_exception(found.value))


@pytest.mark.parametrize(
    "address",
    [
        f"https://{SECRET}@127.0.0.1:1/a",
        f"https://me:a?b{SECRET}#c@127.0.0.1:1/a",
        f"https://127.0.0.1:1/a b?sig={SECRET} {SECRET}",
        f"simplecache::zip://a?{SECRET}::https://me:{SECRET}@127.0.0.1:1/a.zip?sig={SECRET}",
        f"https://me:{SECRET}@127.0.0.1:1/a?sig={SECRET}",
    ],
    ids=["token for a user", "signs of a query in a password", "spaces", "a query before a password", "both"],
)
def test_nothing_that_follows_is_shown_however_it_is_written(address):
    with pytest.raises(InputError, match="see docs/object-storage.md") as found:
        dnmf.open_source(address)
    assert SECRET not in str(found.value)


def test_a_file_of_this_machine_may_have_the_signs_of_a_query_in_its_name(tmp_path):
    zarr.create_array(tmp_path / "is it #1?.zarr", data=MATRIX)
    for address in (f"{tmp_path}/is it #1?.zarr", f"file://{tmp_path}/is it #1?.zarr"):
        assert dnmf.open_source(address).shape == MATRIX.shape


class Signed(SimpleHTTPRequestHandler):
    """A web server that asks for a signature."""

    def send_head(self):
        """What GET and HEAD have in common: an object, or that it is forbidden."""
        if parse_qs(urlsplit(self.path).query) != {"sig": [f"{SECRET}+/="]}:
            return self.send_error(403)
        return super().send_head()

    def log_message(self, *_):
        """Nothing."""


@pytest.mark.slow
def test_a_signature_that_is_given_as_an_option_opens_what_asks_for_it(tmp_path):
    pytest.importorskip("aiohttp", reason="fsspec cannot open web addresses")
    zarr.create_array(tmp_path / "a.zarr", data=MATRIX, chunks=(5, 6))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Signed, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/a.zarr"
            source = dnmf.open_source(address, storage_options={"params": {"sig": f"{SECRET}+/="}})
            assert (np.asarray(source.read(0, 20)) == MATRIX).all()
            with pytest.raises(InputError, match="403") as found:
                dnmf.open_source(address, storage_options={"params": {"sig": f"{SECRET}."}})
        finally:
            server.shutdown()
    assert SECRET not in source.address
    assert SECRET not in "".join(traceback.format_exception(found.value))


COMMANDS = {
    "inspect": ("inspect", "WEB"),
    "fit": ("fit", "WEB", "--rank", 2, "--store", "a.dnmf"),
    "fit into": ("fit", "a.zarr", "--rank", 2, "--store", "BUCKET"),
    "mask": ("fit", "a.zarr", "--rank", 2, "--store", "b.dnmf", "--mask", "WEB"),
    "path": ("path", "WEB", "--rank", 2, "--l1", 1, "--strengths", "0,1", "--store", "b.dnmf"),
    "convert": ("convert", "WEB", "b.zarr"),
    "convert to": ("convert", "a.npy", "BUCKET"),
    "names": ("convert", "a.npy", "b.zarr", "--rows", "WEB"),
    "transform": ("transform", "a.dnmf", "WEB", "--out", "W.zarr"),
    "transform to": ("transform", "a.dnmf", "a.zarr", "--out", "BUCKET"),
    "status": ("status", "BUCKET"),
    "resume": ("resume", "BUCKET"),
    "report": ("report", "BUCKET", "--out", "a.html"),
    "report to": ("report", "a.dnmf", "--out", "WEB"),
}


@pytest.mark.broad(5)
@pytest.mark.parametrize("given", REFUSED, ids=["password", "query", "fragment"])
@pytest.mark.parametrize("command", COMMANDS)
def test_on_the_command_line_too(command, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", MATRIX)
    zarr.create_array("a.zarr", data=MATRIX)
    fitted().save("a.dnmf")
    done = call(*[dict(zip(("WEB", "BUCKET"), given, strict=True)).get(word, word) for word in COMMANDS[command]])
    assert_one_clear_line(done, "in the environment")
    assert SECRET not in done.output


def test_the_container_of_an_azure_account_is_no_password():
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(InputError) as found:
        dnmf.open_source("nobody://container@account.example.org/a.zarr")
    assert "nobody:// is no kind of address" in str(found.value)


@pytest.mark.parametrize("address", [AT, SIGNED], ids=["password", "query"])
def test_what_an_opened_zarr_object_is_called_has_none(address):
    pytest.importorskip("aiohttp", reason="fsspec cannot open web addresses")
    store = zarr.storage.FsspecStore.from_url(address, read_only=True)
    assert SECRET in store.path
    assert SECRET not in name_of_store(store)


def test_one_of_obstore_neither():
    obstore = pytest.importorskip("obstore.store", reason="obstore is not installed")
    assert SECRET not in name_of_store(zarr.storage.ObjectStore(obstore.HTTPStore(SIGNED)))


def test_that_of_an_endpoint_is_not_in_what_a_bucket_says():
    pytest.importorskip("obstore", reason="obstore is not installed")
    options = {"key": "a", "secret": "b", "endpoint_url": f"http://me:{SECRET}@127.0.0.1:1"}
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:1/bucket") as found:
        dnmf.place("s3://bucket/a.dnmf", options).exists()
    assert SECRET not in "".join(traceback.format_exception(found.value))


@pytest.mark.parametrize("address", [AT, SIGNED], ids=["password", "query"])
def test_nor_in_what_is_said_of_any_error(address):
    error = OSError(5, f"GET {address} failed", address)
    error.__cause__ = ValueError(f"403, url='{address}'")
    assert [SECRET in text for text in (in_words(error), told(error), told(error.__cause__))] == [False] * 3
    assert cause_of(error) is None
    assert cause_of(other := OSError("http://host/a failed")) is other
