"""Nonnegative CP: the same bits wherever a fit runs, and whatever happens to it."""

import numpy as np
import pytest
import zarr
from cubes import planted
from doomed import die_in_the_third_pass

import dnmf

FIT = {"rank": 3, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 5}
HOLES = {**FIT, "missing": "nan"}
COUNTS = {**FIT, "loss": "kullback-leibler"}
CHUNKS = {"along the long axis": (64, 16, 8), "along all axes": (64, 8, 4)}

pytestmark = pytest.mark.usefixtures("many_groups")


@pytest.fixture(
    scope="module", params=[pytest.param(how, marks=[pytest.mark.slow] * (how == "along all axes")) for how in CHUNKS]
)
def cube(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "cube.zarr"
    array = planted((6001, 16, 8), 3, noise=0.1)[0].astype("f4")
    zarr.create_array(path, data=array, chunks=CHUNKS[request.param])
    return path


@pytest.fixture(scope="module")
def undisturbed(cube, alone, bits):
    """The bits of an undisturbed fit in process, on one thread."""
    return bits(alone(cube, FIT, fit=dnmf.cp))


def test_threads_of_this_process(cube, undisturbed, bits, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 3)
    assert bits(dnmf.cp(cube, **FIT)) == undisturbed


@pytest.mark.slow
def test_one_worker(cube, undisturbed, bits, one_worker):
    assert bits(dnmf.cp(cube, **FIT, client=one_worker)) == undisturbed


@pytest.fixture(scope="module")
def holes(cube):
    array = zarr.open_array(cube)[:]
    array[np.random.default_rng(0).random(array.shape) < 0.3] = np.nan
    path = cube.with_name("holes.zarr")
    zarr.create_array(path, data=array, chunks=CHUNKS["along all axes"])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("asked", [HOLES, COUNTS], ids=["of what was observed", "of counts"])
def test_one_and_three_workers_and_after_a_kill(asked, cube, holes, bits, alone, one_worker, client, slow, tmp_path):
    data = holes if asked is HOLES else cube
    undisturbed = bits(alone(data, asked, fit=dnmf.cp))
    client.wait_for_workers(3)
    assert bits(dnmf.cp(data, **asked, client=one_worker)) == undisturbed
    assert bits(dnmf.cp(data, **asked, client=client)) == undisturbed
    with slow(client, 0.01):
        die_in_the_third_pass(data, asked, tmp_path / "run.dnmf", client.scheduler.address, door="cp")
    assert bits(dnmf.resume(tmp_path / "run.dnmf", client=client)) == undisturbed


@pytest.mark.slow
def test_three_workers_one_of_which_is_killed(cube, undisturbed, bits, client, kill_workers, slow, tmp_path):
    client.wait_for_workers(3)
    killer = kill_workers(client, 1)
    with slow(client):
        model = dnmf.cp(cube, **FIT, keep="stream", client=client, store=tmp_path / "run.dnmf", callbacks=(killer,))
    killer.check()
    assert bits(model) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("where", ["in process", "on workers"])
def test_killed_and_resumed(cube, undisturbed, bits, client, where, slow, tmp_path):
    store = tmp_path / "run.dnmf"
    if where == "in process":
        die_in_the_third_pass(cube, FIT, store, door="cp")
        assert bits(dnmf.resume(store)) == undisturbed
        return
    client.wait_for_workers(3)
    with slow(client, 0.01):
        die_in_the_third_pass(cube, FIT, store, client.scheduler.address, door="cp")
    assert bits(dnmf.resume(store, client=client)) == undisturbed
