"""Counts, missing entries and weights: the same bits wherever a fit runs, and whatever happens to it."""

import numpy as np
import pytest
import scipy.sparse
import zarr
from doomed import die_in_the_third_pass

import dnmf
from dnmf.fitting.events import PassDone

FIT = {"rank": 4, "seed": 3, "tol": 0.0, "max_passes": 4}
SHAPE = (6001, 128)

pytestmark = pytest.mark.usefixtures("many_groups")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Counts, dense (also with holes) and CSR, a mask and weights, in chunks that do not end at the same rows."""
    folder, rng = tmp_path_factory.mktemp("losses"), np.random.default_rng(5)
    W, H = rng.gamma(0.5, 1.0, (SHAPE[0], 4)), rng.gamma(0.5, 1.0, (4, SHAPE[1]))
    counts, hidden = rng.poisson(W @ H).astype(np.float32), rng.random(SHAPE) < 0.1
    dense = {
        "counts": (counts, 64), "holes": (np.where(hidden, np.nan, counts), 64), "mask": (~hidden, 100),
        "weights": (rng.integers(0, 3, SHAPE).astype(np.float32), 80),
    }  # fmt: skip
    for name, (values, rows) in dense.items():
        zarr.create_array(folder / f"{name}.zarr", data=values, chunks=(rows, SHAPE[1]))
    csr = scipy.sparse.csr_array(counts)
    group = zarr.open_group(folder / "csr.zarr", mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(SHAPE)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(csr, name), chunks=(8_000,))
    return folder


KL = {"loss": "kullback-leibler"}
KINDS = {
    "counts in CSR": ("csr", KL),
    "dense counts": ("counts", KL),
    "counts with holes": ("holes", {**KL, "missing": "nan"}),
    "counts with weights": ("csr", {**KL, "weights": "weights"}),
    "holes": ("holes", {"missing": "nan"}),
    "what is stored": ("csr", {"missing": "unstored"}),
    "a mask beside": ("counts", {"mask": "mask"}),
    "a mask beside CSR": ("csr", {"mask": "mask"}),
    "weights beside": ("counts", {"weights": "weights"}),
    "implicit": ("csr", {"implicit": 2.0}),
}
QUICK = ("counts in CSR", "a mask beside")
RESUMED_ON_WORKERS = ("counts in CSR", "counts with weights", "holes", "a mask beside", "implicit")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in KINDS]
)
def kind(request, stores):
    """A store, and the options of a fit that JSON can say."""
    source, options = KINDS[request.param]
    beside = {name: str(stores / f"{name}.zarr") for name in options.keys() & {"mask", "weights"}}
    return str(stores / f"{source}.zarr"), {**FIT, **options, **beside}


@pytest.fixture(scope="module")
def undisturbed(kind, alone, bits):
    """The bits of an undisturbed fit in process, on one thread."""
    return bits(alone(*kind))


@pytest.mark.slow
@pytest.mark.broad(1)
def test_threads_of_this_process(kind, undisturbed, bits, monkeypatch):
    monkeypatch.setattr("dnmf.passes.threads._processors", lambda: 3)
    assert bits(dnmf.fit(kind[0], **kind[1])) == undisturbed


@pytest.mark.slow
def test_three_workers(kind, undisturbed, bits, client, tmp_path):
    assert bits(dnmf.fit(kind[0], **kind[1], client=client, store=tmp_path / "run.dnmf")) == undisturbed


@pytest.mark.slow
def test_one_worker(kind, undisturbed, bits, one_worker):
    assert bits(dnmf.fit(kind[0], **kind[1], client=one_worker)) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("kind", [name for name in KINDS if name not in RESUMED_ON_WORKERS], indirect=True)
def test_a_worker_killed_in_mid_pass(kind, undisturbed, bits, client, kill_workers, slow, tmp_path):
    client.wait_for_workers(3)
    killer = kill_workers(client, 1)
    with slow(client):
        model = dnmf.fit(
            kind[0], **kind[1], keep="stream", client=client, store=tmp_path / "run.dnmf", callbacks=(killer,)
        )
    killer.check()
    assert bits(model) == undisturbed


@pytest.mark.slow
def test_the_driver_killed_and_resumed_in_process_or_on_workers(
    kind, undisturbed, bits, client, slow, tmp_path, request
):
    store, passes = tmp_path / "run.dnmf", []
    if request.node.callspec.params["kind"] not in RESUMED_ON_WORKERS:
        die_in_the_third_pass(*kind, store)
        assert bits(dnmf.resume(store)) == undisturbed
        return
    client.wait_for_workers(3)
    with slow(client, 0.01):
        die_in_the_third_pass(*kind, store, client.scheduler.address)
    assert bits(dnmf.resume(store, client=client, callbacks=(passes.append,))) == undisturbed
    assert [event.record.number for event in passes if isinstance(event, PassDone)] == [3, 4]


@pytest.fixture
def no_room(monkeypatch):
    """Plans as where memory holds the diagonal of curvatures and no more, wherever these tests run."""
    from dnmf.starts import choose

    make_plan = choose.make_plan

    def plan(layout, shape, machine, cuts=None):
        if cuts is None and shape.curvature > shape.rank:
            raise dnmf.errors.BudgetError("as if there was no room")
        return make_plan(layout, shape, machine, cuts)

    with monkeypatch.context() as patched:
        patched.setattr(choose, "make_plan", plan)
        yield patched


@pytest.mark.slow
@pytest.mark.parametrize("said", [KL, {"missing": "nan"}], ids=str)
def test_where_there_is_room_for_a_diagonal_only_a_resume_takes_it_too(said, bits, client, tmp_path, no_room):
    """Elsewhere there is room for more: what the plan of the fit took stays."""
    rng, source = np.random.default_rng(6), str(tmp_path / "data.zarr")
    zarr.create_array(source, data=rng.poisson(2.0, (600, 128)).astype(np.float32), chunks=(64, 128))
    options = {**FIT, **said, "rank": 20, "max_passes": 3, "init": "random"}
    parts, said_of_plans = [tmp_path / f"{number}.dnmf" for number in range(2)], []
    model = dnmf.fit(source, **options, callbacks=(said_of_plans.append,))
    assert any("diagonal" in what for what in said_of_plans[0].gave_up)
    for part in parts:
        dnmf.fit(source, **{**options, "max_passes": 1}, store=part)
    no_room.undo()
    assert bits(dnmf.fit(source, **options)) != bits(model)
    for part, where in zip(parts, (None, client), strict=True):
        assert bits(dnmf.resume(part, max_passes=3, client=where)) == bits(model)
