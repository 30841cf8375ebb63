"""Solvers by name, rows exact or not: the same bits wherever a fit runs, and whatever happens to it."""

import pytest
from doomed import die_in_the_third_pass

import dnmf

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 5}

pytestmark = pytest.mark.usefixtures("many_groups")

ASKED = [
    {"solver": solver, "sweeps": 2, "exact_rows": exact_rows}
    for solver in ("hals", "mu", "admm")
    for exact_rows in (True, False)
] + [{"solver": "bpp"}, {"solver": "als", "exact_rows": False}, {"solver": "mu", "loss": "kullback-leibler"}]
QUICK = ({"solver": "mu", "sweeps": 2, "exact_rows": False},)


@pytest.fixture(
    scope="module",
    params=[pytest.param(asked, marks=() if asked in QUICK else pytest.mark.slow, id=str(asked)) for asked in ASKED],
)
def options(request):
    return {**FIT, **request.param}


@pytest.fixture(scope="module")
def undisturbed(dense_store, options, alone, bits):
    """The bits of an undisturbed fit in process, on one thread."""
    return bits(alone(dense_store, options))


@pytest.mark.broad(1)
def test_threads_of_this_process(dense_store, options, undisturbed, bits, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 3)
    assert bits(dnmf.fit(dense_store, **options)) == undisturbed


@pytest.mark.slow
def test_one_worker(dense_store, options, undisturbed, bits, one_worker):
    assert bits(dnmf.fit(dense_store, **options, client=one_worker)) == undisturbed


@pytest.mark.slow
def test_three_workers(dense_store, options, undisturbed, bits, client, tmp_path):
    assert bits(dnmf.fit(dense_store, **options, client=client, store=tmp_path / "run.dnmf")) == undisturbed


@pytest.mark.slow
def test_killed_and_resumed_in_process_or_on_three_workers(
    dense_store, options, undisturbed, bits, client, slow, tmp_path
):
    store = tmp_path / "run.dnmf"
    if options.get("exact_rows", True):
        die_in_the_third_pass(dense_store, options, store)
        assert bits(dnmf.resume(store)) == undisturbed
        return
    client.wait_for_workers(3)
    with slow(client, 0.01):
        die_in_the_third_pass(dense_store, options, store, client.scheduler.address)
    assert bits(dnmf.resume(store, client=client)) == undisturbed
