"""A store on an S3 server, written by workers: the bits of a fit in process, whatever dies, throttles or gets lost."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("obstore", reason="stores on object storage need obstore")
pytest.importorskip("moto.server", reason="the S3 server of the tests is moto: pip install 'moto[server]'")

from command_line import assert_one_clear_line, call, records
from s3_server import CHANGES, s3_server

import dnmf
from dnmf.places import below

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 3}
KILLED_AT = (5, 12, 18, 15, 22)  # of the requests of each driver that change something

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("many_groups")]

# Imports once, and forks a driver for each line: the name of a store. Says its process, and how it ended.
DRIVERS = """
import os, sys, warnings
import numba, obstore.store, zarr, distributed
import dnmf, dnmf.api, dnmf.plan, dnmf.passes.workers

data, address, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
dnmf.plan.LEAST_GROUP_BYTES, dnmf.plan.MOST_PANEL_BYTES = 2**18, 2**16

def drive(name):
    place = dnmf.place(f"s3://bucket/{name}", options)
    with distributed.Client(address, set_as_default=False) as client:
        dnmf.fit(data, **eval(sys.argv[4]), store=place, client=client, resume="auto")

for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            drive(line.strip())
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def server():
    with s3_server() as server:
        yield server


@pytest.fixture
def expected(dense_store, tmp_path, bits):
    return bits(dnmf.fit(dense_store, **FIT, store=tmp_path / "run.dnmf"))


def by_driver(method, path):
    """Whether a request changes something and is not a worker's, which writes chunks of W."""
    return method in CHANGES and ".zarr/c/" not in path


def test_a_driver_killed_at_request_after_request_ends_with_the_same_bits(
    server, cluster, dense_store, expected, bits
):  # fmt: skip
    drivers = subprocess.Popen(
        [sys.executable, "-c", DRIVERS, dense_store, cluster.scheduler_address, repr(server.options), repr(FIT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ended = [drive(drivers, server, at) for at in KILLED_AT]
        assert ended.count(-signal.SIGKILL) > 3
        assert set(ended) <= {-signal.SIGKILL, 0}
        assert drive(drivers, server, None) == 0
        assert bits(dnmf.load(dnmf.place("s3://bucket/killed.dnmf", server.options))) == expected
    finally:
        server.before = lambda method, path: None
        drivers.kill()
        drivers.communicate()


def drive(drivers, server, at):
    """How a driver ended that was killed at the request at a position, which was done where that is odd."""
    seen, pid = [0], []

    def before(method, path):
        if by_driver(method, path):
            seen[0] += 1
            if seen[0] - 1 == at:
                os.kill(pid[0], signal.SIGKILL)
                return "lost" if at % 2 else "busy"
        return None

    drivers.stdin.write("killed.dnmf\n")
    drivers.stdin.flush()
    pid.append(int(drivers.stdout.readline()))
    server.before = before
    return int(drivers.stdout.readline())


def test_throttling_and_lost_answers_change_nothing(server, client, dense_store, expected, bits):
    seen = {"busy": 0, "lost": 0, "all": 0}

    def before(method, path):
        seen["all"] += 1
        what = "busy" if seen["all"] % 7 == 0 else "lost" if method == "PUT" and seen["all"] % 5 == 0 else None
        if what:
            seen[what] += 1
        return what

    server.before = before
    try:
        place = dnmf.place("s3://bucket/throttled.dnmf", server.options)
        model = dnmf.fit(dense_store, **FIT, store=place, client=client)
    finally:
        server.before = lambda method, path: None
    assert seen["busy"] > 5
    assert seen["lost"] > 5
    assert bits(model) == expected
    assert not any(b"hidden" in (place / part).read_bytes() for part, size in below(place) if size is not None)


def test_every_command_takes_a_store_on_s3(server, dense_store, tmp_path, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    store = "s3://bucket/commands.dnmf"
    asked = [dense_store, "--rank", 3, "--store", store, "--init", "random"]
    said = [call("fit", *asked, "--max-passes", 2), call("status", store), call("inspect", store),
            call("resume", store, "--max-passes", 3), call("fit", *asked, "--max-passes", 3, "--resume"),
            call("report", store, "--out", tmp_path / "report.html"),
            call("transform", store, dense_store, "--out", "s3://bucket/T.zarr"),
            call("path", dense_store, "--rank", 2, "--l1", 1, "--strengths", "0,0.1", "--measures", "cheap",
                 "--max-passes", 2, "--store", "s3://bucket/path.dnmf"),
            call("status", "s3://bucket/path.dnmf")]  # fmt: skip
    assert [result.exit_code for result in said] == [0] * len(said), [result.output for result in said]
    assert "hidden" not in "".join(result.output for result in said)
    assert records(call("status", store, "--json"))[-1]["passes"] == 3
    np.testing.assert_array_equal(dnmf.load(store).read_W()[:10].shape, (10, 3))
    assert_one_clear_line(call("fit", *asked), "holds a run already")
    assert_one_clear_line(call("status", "s3://nobody/run.dnmf"), "there is no bucket of that name")
    np.save(tmp_path / "a.npy", np.ones((9, 4), np.float32))
    assert call("convert", tmp_path / "a.npy", "s3://bucket/a.zarr").exit_code == 0


def test_a_worker_without_keys_is_named_before_the_first_pass(server, client, dense_store, monkeypatch):
    for name, value in server.environment.items():  # of this process, not of the workers, which are there already
        monkeypatch.setenv(name, value)
    started = []
    with pytest.raises(dnmf.ClusterError, match=r"worker tcp://.* cannot write W into s3://bucket/keys.dnmf"):
        dnmf.fit(dense_store, **FIT, store="s3://bucket/keys.dnmf", client=client, callbacks=(started.append,))
    assert [type(event).__name__ for event in started] == ["Planned"]
