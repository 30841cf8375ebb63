"""Same data, options and plan give the same bits, wherever a fit runs and whatever happens to it."""

import signal

import pytest
from distributed import Client, LocalCluster
from doomed import run_to_its_death

import dnmf
from dnmf.fitting.events import PassDone

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 5}

DRIVER = """
def die_while_W_is_written():
    while sum(1 for _ in Path(store).glob("raw-*.zarr/c/*/0")) < 5:
        time.sleep(0.002)
    die()

def listen(event):
    number = event.record.number if type(event).__name__ == "PassDone" else -1
    if number == 2 and moment == "in mid-pass":
        die_in_the_next_pass()
    if number == 4 and moment == "while W is written":
        threading.Thread(target=die_while_W_is_written, daemon=True).start()

dnmf.fit(source, rank=4, init="random", seed=3, tol=0.0, max_passes=5, store=store, client=scheduler or None,
         callbacks=(listen,))
"""

pytestmark = pytest.mark.usefixtures("many_groups")
csr_too_when_there_is_time = pytest.mark.parametrize(
    "source", ["dense", pytest.param("csr", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="module", params=["dense", "csr"])
def source(request):
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(scope="module")
def undisturbed(source, alone, bits):
    """The bits of an undisturbed fit in process, on one thread."""
    return bits(alone(source, FIT, tasks=10))


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.broad(1)
def test_threads_of_this_process(source, undisturbed, bits, threads, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: threads)
    assert bits(dnmf.fit(source, **FIT)) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_one_worker_whose_BLAS_may_use_every_processor(source, undisturbed, bits, threads):
    with (
        LocalCluster(n_workers=1, threads_per_worker=threads, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert bits(dnmf.fit(source, **FIT, client=client)) == undisturbed


@pytest.mark.broad(1)
def test_three_workers(source, undisturbed, bits, client, tmp_path):
    assert bits(dnmf.fit(source, **FIT, client=client, store=tmp_path / "run.dnmf")) == undisturbed


@pytest.mark.slow
@csr_too_when_there_is_time
@pytest.mark.parametrize("after_pass", [1, 4], ids=["in a pass", "while W is written"])
def test_a_worker_killed_in_mid_pass(source, undisturbed, bits, client, kill_workers, slow, after_pass, tmp_path):
    client.wait_for_workers(3)
    killer = kill_workers(client, after_pass)
    with slow(client):  # every pass reads: one over rows that are kept could end before it is struck
        model = dnmf.fit(source, **FIT, keep="stream", client=client, store=tmp_path / "run.dnmf", callbacks=(killer,))
    killer.check()
    assert bits(model) == undisturbed


@pytest.mark.slow
def test_all_workers_killed_at_once(source, undisturbed, bits, client, kill_workers, slow, tmp_path):
    client.wait_for_workers(3)
    killer = kill_workers(client, after_pass=2, everyone=True)
    with slow(client):
        model = dnmf.fit(source, **FIT, keep="stream", client=client, store=tmp_path / "run.dnmf", callbacks=(killer,))
    killer.check()
    assert bits(model) == undisturbed


@pytest.mark.slow
@csr_too_when_there_is_time
@pytest.mark.parametrize("moment", ["in mid-pass", "while W is written"])
def test_the_driver_killed_and_resumed_in_process(source, undisturbed, bits, moment, tmp_path):
    store = tmp_path / "run.dnmf"
    run_to_its_death(DRIVER, source, store, "", moment)
    if moment == "while W is written":
        assert list(store.glob("raw-*.zarr"))
    model = dnmf.resume(store)
    assert bits(model) == undisturbed
    assert bits(dnmf.load(store)) == undisturbed
    assert [path.name for path in store.glob("*.zarr")] == [model.W_name]


@pytest.mark.slow
@csr_too_when_there_is_time
def test_the_driver_killed_and_resumed_on_a_cluster(source, undisturbed, bits, client, slow, tmp_path):
    store = tmp_path / "run.dnmf"
    client.wait_for_workers(3)
    with slow(client, 0.01):
        run_to_its_death(DRIVER, source, store, client.scheduler.address, "in mid-pass")
    passes = []
    model = dnmf.resume(store, client=client, callbacks=(passes.append,))
    assert bits(model) == undisturbed
    assert [event.record.number for event in passes if isinstance(event, PassDone)] == [3, 4, 5]


@pytest.mark.broad(1)
@pytest.mark.parametrize("where", ["in process", "on a cluster"])
def test_a_stop_by_a_callback_and_a_resume(source, undisturbed, bits, where, request, tmp_path):
    client = request.getfixturevalue("client") if where == "on a cluster" else None

    def stop(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            raise dnmf.Interrupted(signal.SIGTERM, "enough")

    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(source, **FIT, store=tmp_path / "run.dnmf", callbacks=(stop,))
    assert bits(dnmf.resume(tmp_path / "run.dnmf", client=client)) == undisturbed
