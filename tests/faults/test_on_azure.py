"""Stores in a container of Azure keep what every store promises, and every command takes them."""

import uuid

import numpy as np
import pytest

pytest.importorskip("obstore", reason="stores on object storage need obstore")

import azure_server
from command_line import assert_one_clear_line, call, records
from object_store_contract import ObjectStoreContract

import dnmf

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not azure_server.PROGRAM, reason="the Azure of the tests is azurite: npm install -g azurite"),
]


@pytest.fixture(scope="module")
def server():
    with azure_server.azure_server() as environment:
        yield environment


@pytest.fixture(autouse=True)
def _reached(server, monkeypatch):
    for name, value in server.items():
        monkeypatch.setenv(name, value)


class TestStores(ObjectStoreContract):
    def new(self, tmp_path):
        return dnmf.place(f"az://bucket/{uuid.uuid4().hex}/run.dnmf")


def test_every_command_takes_data_and_stores_there(server, dense_store, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((90, 8), dtype=np.float32))
    data, store, key = "az://bucket/a.zarr", "az://bucket/run.dnmf", azure_server.KEY
    asked = [data, "--rank", 3, "--store", store, "--init", "random"]
    said = [call("convert", tmp_path / "a.npy", data), call("fit", *asked, "--max-passes", 2), call("status", store),
            call("resume", store, "--max-passes", 3), call("fit", *asked, "--max-passes", 3, "--resume"),
            call("report", store, "--out", tmp_path / "report.html"), call("inspect", store),
            call("transform", store, data, "--out", "az://bucket/T.zarr")]  # fmt: skip
    assert [result.exit_code for result in said] == [0] * len(said), [result.output for result in said]
    assert key not in "".join(result.output for result in said)
    assert records(call("status", store, "--json"))[-1]["passes"] == 3
    alone = dnmf.fit(np.load(tmp_path / "a.npy"), 3, init="random", max_passes=3)
    np.testing.assert_array_equal(dnmf.load(store).H, alone.H)
    assert_one_clear_line(call("fit", *asked), "holds a run already")
    assert_one_clear_line(call("status", "az://nobody/run.dnmf"), "there is no bucket of that name")
