"""Whatever is given as client works, or is refused with what would."""

import asyncio
import concurrent.futures
from concurrent.futures import ThreadPoolExecutor

import distributed
import numpy as np
import pytest
import zarr
from distributed import Client, LocalCluster

import dnmf
from dnmf.connections import clients


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "a.zarr"
    zarr.save_array(path, np.random.default_rng(0).random((60, 12)))
    return path


@pytest.fixture(scope="module")
def small_cluster():
    """One worker, a thread of this process."""
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        yield cluster


def closed_client(cluster):
    with Client(cluster, set_as_default=False) as client:
        pass
    return client


def closed_cluster(_):
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        pass
    return cluster


def scheduler_file(cluster, folder):
    path = folder / "scheduler.json"
    with Client(cluster, set_as_default=False) as client:
        client.write_scheduler_file(path)
    return path


@pytest.mark.slow
def test_a_cluster_is_as_good_as_its_client(data, small_cluster, tmp_path):
    expected = dnmf.fit(data, 2, max_passes=2)
    file = scheduler_file(small_cluster, tmp_path)
    for given in (small_cluster, small_cluster.scheduler_address, file, str(file)):
        model = dnmf.fit(data, 2, max_passes=2, client=given)
        np.testing.assert_array_equal(model.H, expected.H)
        np.testing.assert_allclose(model.solve(data, client=given), expected.read_W(), atol=1e-6)
    assert clients.current_client() is None
    assert small_cluster.status.name == "running"


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (closed_client, dnmf.ClusterError, "the client is closed; connect to a scheduler that runs"),
        (closed_cluster, dnmf.ClusterError, "is closed, not running; start a new one"),
        (lambda cluster: cluster.scheduler, dnmf.InputError, "client=a distributed.Scheduler: give a dask"),
        (lambda _: Client, dnmf.InputError, "client=the class Client: give a dask"),
        (lambda _: ThreadPoolExecutor(1), dnmf.InputError, "client=a concurrent.ThreadPoolExecutor: give a dask"),
        (lambda _: distributed, dnmf.InputError, "client=a module: give a dask"),
        (lambda _: 8786, dnmf.InputError, "client=a int: give a dask"),
        (lambda _: True, dnmf.InputError, "client=a bool"),
        (lambda _: {"address": "tcp://host:1"}, dnmf.InputError, "client=a dict"),
        (lambda _: b"tcp://127.0.0.1:9", dnmf.InputError, "client=a bytes"),
        (lambda _: "", dnmf.ClusterError, "client '': neither a scheduler file.*tcp://host:8786"),
        (lambda _: "local", dnmf.ClusterError, "'local': neither.*dnmf.cluster.connect"),
        (lambda _: "no/such/file.json", dnmf.ClusterError, "neither a scheduler file"),
        (lambda _: "ipc://nowhere:1", dnmf.ClusterError, "ipc://nowhere:1 is no address of a scheduler"),
        (lambda _: "host:port", dnmf.ClusterError, "tcp://host:port is no address of a scheduler"),
        (lambda _: "tcp://127.0.0.1:9", dnmf.ClusterError, "no scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_what_is_no_running_client_is_refused(data, small_cluster, monkeypatch, make, error, words):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.5)
    given = make(small_cluster)
    with pytest.raises(error, match=words):
        dnmf.fit(data, 2, client=given)


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", "no json", '{"address": 5}'])
def test_a_file_that_is_no_scheduler_file_is_refused(data, tmp_path, monkeypatch, content):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.5)
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(dnmf.ClusterError, match=r"file\.json': not a scheduler file"):
        dnmf.fit(data, 2, client=tmp_path / "file.json")


@pytest.mark.slow
def test_an_asynchronous_client_is_refused_and_its_address_works_from_a_thread(data, small_cluster):
    async def work():
        async with Client(small_cluster.scheduler_address, asynchronous=True) as client:
            for given in (client, None):  # None: the current one, which it is
                with pytest.raises(dnmf.InputError, match=r"asynchronous.*client=client\.scheduler\.address"):
                    dnmf.fit(data, 2, client=given)
            return await asyncio.to_thread(dnmf.fit, data, 2, client=client.scheduler.address, max_passes=2)

    assert asyncio.run(work()).shape == (60, 12)


# ---- lost in the middle of the work ----


def at(kind, number, act):
    """A callback that acts once, at an event of a kind and number."""
    seen = []

    def callback(event):
        if type(event).__name__ == kind:
            seen.append(event)
            if len(seen) == number:
                act()

    return callback


FIT = {"rank": 2, "init": "random", "tol": 0.0, "max_passes": 3}
PATH = {"rank": 2, "init": "random", "penalty": dnmf.Penalty(l1=1.0), "strengths": [0.1], "max_passes": 2}
MOMENTS = {
    "before the first pass": (dnmf.fit, FIT, "Started", 1),
    "between passes": (dnmf.fit, FIT, "PassDone", 1),
    "before W is written": (dnmf.fit, FIT, "PassDone", 2),
    "between passes of a path": (dnmf.path, PATH, "PathPassDone", 1),
    "before a path is measured": (dnmf.path, PATH, "PathPassDone", 4),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("closed", ["client", "cluster"])
@pytest.mark.broad(1)
def test_what_is_closed_in_the_middle_is_said_with_the_way_on(data, tmp_path, closed, moment):
    door, options, kind, number = MOMENTS[moment]
    store = tmp_path / "run.dnmf"
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        close = {"client": client, "cluster": cluster}[closed].close
        with pytest.raises(dnmf.ClusterError, match=r"closed.*connect to a scheduler.*; go on with: dnmf\.") as found:
            door(data, **options, store=store, client=client, callbacks=at(kind, number, close))
    name, go_on = ("resume", dnmf.resume) if door is dnmf.fit else ("resume_path", dnmf.resume_path)
    assert str(found.value).endswith(f"go on with: dnmf.{name}({str(store)!r}, client=…)")
    assert go_on(store).path == store


RAISED = {
    "the connection is closed": distributed.comm.CommClosedError, "no answer": TimeoutError,
    "cancelled": concurrent.futures.CancelledError, "cancelled in the loop": asyncio.CancelledError,
    "refused": ConnectionRefusedError, "a closed pool": distributed.core.RPCClosed,
    "a closed loop": distributed.core.AsyncTaskGroupClosedError,
}  # fmt: skip


@pytest.mark.broad(4)
@pytest.mark.parametrize("call", ["get", "subscribe_topic"])
@pytest.mark.parametrize("error", RAISED.values(), ids=RAISED)
def test_whatever_dask_raises_for_what_is_lost_is_one_error(data, tmp_path, small_cluster, monkeypatch, call, error):
    def fail(*_, **__):
        raise error("gone")

    store = tmp_path / "run.dnmf"
    with pytest.raises(dnmf.ClusterError, match=r"was lost .*; go on with: dnmf\.resume\('.*', client=…\)") as lost:
        dnmf.fit(data, **FIT, store=store, client=small_cluster,
                 callbacks=at("Started", 1, lambda: monkeypatch.setattr(Client, call, fail)))  # fmt: skip
    assert "its client" not in str(lost.value)
    assert "connect to a scheduler that runs" in str(lost.value)


@pytest.mark.parametrize("call", ["run", "scheduler_info", "wait_for_workers"])
def test_a_client_that_is_closed_while_it_is_asked_is_one_error(data, small_cluster, monkeypatch, call):
    def close(self, *_, **__):
        self.close()
        raise RuntimeError("of dask's own")

    monkeypatch.setattr(Client, call, close)
    with Client(small_cluster, set_as_default=False) as client, pytest.raises(dnmf.ClusterError, match="is closed"):
        dnmf.fit(data, **FIT, client=client)
