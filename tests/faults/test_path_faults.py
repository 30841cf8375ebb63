"""A path whose process is killed goes on with the same bits, wherever it was and wherever it goes on."""

import pytest
from doomed import run_to_its_death
from study_bits import cap_models, stop_after

import dnmf
from dnmf.studies.study import folder_of

STRENGTHS = (0.0, 0.1, 0.4)
PATH = {"rank": 4, "penalty": dnmf.Penalty(l1=1.0), "strengths": STRENGTHS, "seeds": 2, "init": "random", "tol": 0.0,
        "max_passes": 5, "measures": "cheap"}  # fmt: skip

DRIVER = """
def die_while_W_is_written():
    while sum(1 for _ in Path(store).glob("strength-0.4-seed-1.dnmf/raw-*.zarr/c/*/0")) < 5:
        time.sleep(0.002)
    die()

def die_when_a_model_is_written():
    while sum(1 for _ in Path(store).glob("strength-0.*-seed-*.dnmf/CURRENT")) < 5:  # two of them without a penalty
        time.sleep(0.001)
    die()

def listen(event):
    number = event.number if type(event).__name__ == "PathPassDone" else -1
    if number == 7 and moment == "in mid-pass":
        die_in_the_next_pass()
    if number == 2 and moment == "before the first models":
        die_in_the_next_pass()
    if number == 9 and moment == "while W is written":
        threading.Thread(target=die_while_W_is_written, daemon=True).start()
    if number == 9 and moment == "between two models":
        threading.Thread(target=die_when_a_model_is_written, daemon=True).start()

dnmf.path(source, 4, dnmf.Penalty(l1=1.0), (0.0, 0.1, 0.4), seeds=2, init="random", tol=0.0, max_passes=5,
          measures="cheap", keep="stream", store=store, client=scheduler or None, callbacks=(listen,))
"""

pytestmark = [pytest.mark.usefixtures("many_groups"), pytest.mark.slow]


@pytest.fixture(scope="module")
def undisturbed(dense_store, alone, bits):
    """The bits of an undisturbed path in process."""
    return bits_of_all(alone(dense_store, PATH, fit=dnmf.path, tasks=10), bits)


def bits_of_all(path, bits):
    return {cell: bits(model) for cell, model in path.models.items()}


@pytest.mark.parametrize(
    "moment",
    [
        "in mid-pass",
        "while W is written",
        "before the first models",
        "between two models",
    ],
)
def test_the_driver_killed_and_resumed_in_process(dense_store, undisturbed, bits, moment, tmp_path):
    store = tmp_path / "p.dnmf"
    run_to_its_death(DRIVER, dense_store, store, "", moment)
    if moment == "while W is written":
        assert list(store.glob("strength-*/raw-*.zarr"))
    path = dnmf.resume_path(store)
    assert bits_of_all(path, bits) == undisturbed
    assert bits_of_all(dnmf.load_path(store), bits) == undisturbed
    for cell, model in path.models.items():
        assert [array.name for array in (store / folder_of(cell)).glob("*.zarr")] == [model.W_name]


def test_the_driver_killed_and_resumed_on_a_cluster(dense_store, undisturbed, bits, client, slow, tmp_path):
    store = tmp_path / "p.dnmf"
    client.wait_for_workers(3)
    with slow(client, 0.01):
        run_to_its_death(DRIVER, dense_store, store, client.scheduler.address, "in mid-pass")
    assert bits_of_all(dnmf.resume_path(store, client=client), bits) == undisturbed


def test_a_worker_killed_in_mid_pass(dense_store, undisturbed, bits, client, kill_workers, slow, tmp_path):
    client.wait_for_workers(3)
    killer = kill_workers(client, after_pass=7)
    with slow(client):
        path = dnmf.path(dense_store, **PATH, keep="stream", client=client, store=tmp_path / "p.dnmf",
                         callbacks=(killer,))  # fmt: skip
    killer.check()
    assert bits_of_all(path, bits) == undisturbed


def test_in_waves_on_a_cluster_after_a_stop_in_process(dense_store, undisturbed, bits, client, tmp_path, monkeypatch):
    with pytest.raises(dnmf.Interrupted):
        dnmf.path(dense_store, **PATH, store=tmp_path / "p.dnmf", callbacks=(stop_after(8),))
    cap_models(monkeypatch, 3)
    assert bits_of_all(dnmf.resume_path(tmp_path / "p.dnmf", client=client), bits) == undisturbed
