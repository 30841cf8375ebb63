"""A fit, from the caller's side: the invariants of the model, whatever the data comes in."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import zarr

import dnmf
from dnmf.fitting.events import Finished, PassDone, PassProgress, Planned, Started

pytestmark = pytest.mark.numeric

PENALTIES = {
    "none": None,
    "objective": dnmf.Penalty(l1=(0.05, 0.02), l2=(0.1, 0.1), scale="objective"),
    "absolute": dnmf.Penalty(l1=(1e-5, 1e-4), l2=(1e-4, 1e-4), scale="absolute"),
}


def rebuilt(model):
    return (model.read_W().astype(np.float64) * model.d) @ model.H.astype(np.float64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_model_keeps_its_promises(planted, penalty, dtype):
    model = dnmf.fit(planted, 5, dtype=dtype, penalty=PENALTIES[penalty], max_passes=6)
    W, tolerance = model.read_W(), 1e-5 if dtype == "float32" else 1e-12
    assert W.shape == (600, 5)
    assert model.H.shape == (5, 80)
    assert (W >= 0).all()
    assert (model.H >= 0).all()
    assert (model.d > 0).all()
    np.testing.assert_allclose(W.sum(axis=0), 1, atol=tolerance)
    np.testing.assert_allclose(model.H.sum(axis=1), 1, atol=tolerance)
    loss, size = 0.5 * np.linalg.norm(planted - rebuilt(model)) ** 2, 0.5 * np.linalg.norm(planted) ** 2
    assert model.history[-1].loss == pytest.approx(loss, rel=1e-5)
    assert model.relative_error == pytest.approx(np.sqrt(loss / size), rel=1e-5)


def test_the_objective_with_its_penalties_equals_a_dense_recomputation(planted):
    penalty = PENALTIES["objective"]
    model = dnmf.fit(planted, 5, dtype="float64", penalty=penalty, max_passes=6)
    H = model.h_scale[:, None] * model.H
    W = model.read_W() * (model.d / model.h_scale)
    dense = 0.5 * ((planted - W @ H) ** 2).sum()
    dense += 0.05 * W.sum() + 0.05 * (W**2).sum() + 0.02 * H.sum() + 0.05 * (H**2).sum()
    assert model.history[-1].objective == pytest.approx(dense, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_objective_never_rises_between_accepted_passes(planted, dtype):
    model = dnmf.fit(planted, 5, dtype=dtype, init="random", tol=0, max_passes=40)
    objectives = [record.objective for record in model.history if record.accepted]
    slack = (1e-7 if dtype == "float32" else 1e-14) * 0.5 * (planted**2).sum()
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(objectives))
    assert model.history[-1].accepted


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(planted):
    first, again, other = (dnmf.fit(planted, 5, seed=seed, max_passes=3) for seed in (0, 0, 1))
    assert first.read_W().tobytes() == again.read_W().tobytes()
    assert first.H.tobytes() != other.H.tobytes()


def test_a_given_H_costs_no_read_and_a_given_W_costs_one(planted):
    rng = np.random.default_rng(0)
    from_H = dnmf.fit(planted, 5, H=rng.random((5, 80)), max_passes=3, tol=0)
    from_W = dnmf.fit(planted, 5, W=rng.random((600, 5)), max_passes=3, tol=0)
    assert from_H.reads == pytest.approx(3)
    assert from_W.reads == pytest.approx(4)


def test_rows_and_columns_of_zeros_are_zero_in_the_factors(planted):
    A = planted.copy()
    A[17], A[:, 5] = 0, 0
    model = dnmf.fit(A, 5, max_passes=4)
    assert (model.read_W()[17] == 0).all()
    assert (model.H[:, 5] == 0).all()
    assert np.isfinite(model.read_W()).all()


@pytest.mark.slow
def test_a_wide_rank_and_a_rank_of_one_work(planted):
    full = dnmf.fit(planted[:30, :12], 12, max_passes=5)
    assert np.isfinite(full.relative_error)
    _u, s, _vt = np.linalg.svd(planted, full_matrices=False)
    best = np.sqrt(1 - s[0] ** 2 / (s**2).sum())
    assert dnmf.fit(planted, 1, tol=1e-9).relative_error == pytest.approx(best, rel=1e-3)


def test_names_are_carried_and_columns_are_compared_at_transform(planted):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(planted, columns=[f"gene{i}" for i in range(80)], index=[f"cell{i}" for i in range(600)])
    model = dnmf.fit(frame, 5, max_passes=3)
    assert list(model.column_names[:2]) == ["gene0", "gene1"]
    assert list(model.row_names[:2]) == ["cell0", "cell1"]
    with pytest.raises(dnmf.InputError, match="column 0 is named 'gene79'"):
        model.transform(frame.iloc[:, ::-1])


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_training_rows_are_transformed_to_W(planted, penalty):
    model = dnmf.fit(planted, 5, dtype="float64", penalty=PENALTIES[penalty], max_passes=5)
    np.testing.assert_allclose(model.transform(planted).compute(), model.read_W(), rtol=1e-9, atol=1e-15)
    half = model.transform(scipy.sparse.csr_array(planted[:100])).compute()
    np.testing.assert_allclose(half, model.read_W()[:100], rtol=1e-6, atol=1e-12)


def test_a_model_is_saved_loaded_and_never_overwritten(planted, tmp_path):
    model = dnmf.fit(planted, 5, max_passes=3)
    saved = model.save(tmp_path / "copy.dnmf")
    loaded = dnmf.load(tmp_path / "copy.dnmf")
    for other in (saved, loaded):
        assert other.read_W().tobytes() == model.read_W().tobytes()
        assert other.H.tobytes() == model.H.tobytes()
        assert (other.d == model.d).all()
        assert other.history == model.history
    with pytest.raises(dnmf.CheckpointError, match="holds a run already"):
        model.save(tmp_path / "copy.dnmf")


def test_events_come_in_order_and_say_what_happened(planted, tmp_path):
    told = []
    model = dnmf.fit(planted, 5, max_passes=3, tol=0, store=tmp_path / "run.dnmf", callbacks=[told.append])
    events = [event for event in told if not isinstance(event, PassProgress)]
    assert [type(event) for event in events] == [Planned, Started, PassDone, PassDone, PassDone, Finished]
    assert [event.record for event in events[2:5]] == list(model.history)
    assert all(event.committed for event in events[2:5])
    assert events[-1].reason == "max_passes"


def test_a_fit_that_gets_no_better_ends_also_without_a_tolerance():
    exact = np.outer(np.arange(1.0, 41), np.arange(1.0, 13))
    model = dnmf.fit(exact, 1, tol=0, dtype="float64", max_passes=50)
    assert model.stop_reason == "the objective no longer falls"
    assert len(model.history) < 50


def test_a_stored_CSC_is_planned_under_the_shape_it_has_to_its_user(planted, tmp_path):
    csc, attributes = scipy.sparse.csc_array(planted), {"encoding-type": "csc_matrix", "shape": list(planted.shape)}
    group = zarr.open_group(tmp_path / "csc.zarr", mode="w", attributes=attributes)
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(csc, name))
    events = []
    dnmf.fit(str(tmp_path / "csc.zarr"), 3, max_passes=1, callbacks=[events.append])
    assert events[0].shape == planted.shape


def test_a_stored_fit_can_be_loaded_and_resuming_it_just_loads(planted, tmp_path):
    model = dnmf.fit(planted, 5, max_passes=3, store=tmp_path / "run.dnmf")
    for other in (dnmf.load(tmp_path / "run.dnmf"), dnmf.resume(tmp_path / "run.dnmf")):
        assert other.read_W().tobytes() == model.read_W().tobytes()
    assert model.W.chunks[1] == (5,)


def test_an_interrupted_fit_goes_on_to_the_same_bits(planted, tmp_path):
    whole = dnmf.fit(planted, 5, init="random", tol=0, max_passes=8)

    def stop_at_four(event):
        if isinstance(event, PassDone) and event.record.number == 4:
            raise dnmf.Interrupted(15, "stop")

    store = tmp_path / "run.dnmf"
    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(planted, 5, init="random", tol=0, max_passes=8, store=store, callbacks=[stop_at_four])
    with pytest.raises(dnmf.CheckpointError, match="4 passes are committed"):
        dnmf.load(store)
    resumed = dnmf.resume(store, source=planted)
    assert resumed.read_W().tobytes() == whole.read_W().tobytes()
    assert resumed.H.tobytes() == whole.H.tobytes()
    assert [r.objective for r in resumed.history] == [r.objective for r in whole.history]


def test_a_used_store_is_refused_with_the_options_that_differ(planted, tmp_path):
    dnmf.fit(planted, 5, max_passes=2, store=tmp_path / "run.dnmf")
    with pytest.raises(dnmf.CheckpointError, match=r"rank: 5 → 4.*max_passes: 2 → 3"):
        dnmf.fit(planted, 4, max_passes=3, store=tmp_path / "run.dnmf")


def test_resuming_with_changed_data_is_refused(planted, tmp_path):
    def stop(event):
        if isinstance(event, PassDone):
            raise dnmf.Interrupted(15, "stop")

    store = tmp_path / "run.dnmf"
    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(planted, 5, tol=0, store=store, callbacks=[stop])
    with pytest.raises(dnmf.CheckpointError, match="not what the fit began with .other values"):
        dnmf.resume(store, source=planted + 1)
    assert dnmf.resume(store, source=planted + 1e-9, force=True, max_passes=3).shape == planted.shape


def test_a_run_that_met_bad_data_is_begun_anew_once_the_data_is_mended(planted, tmp_path):
    bad = planted.copy()
    bad[500, 3] = -1
    with pytest.raises(dnmf.InputError, match="row 500, column 3"):
        dnmf.fit(bad, 5, H=np.ones((5, 80)), max_passes=3, store=tmp_path / "run.dnmf")
    model = dnmf.fit(planted, 5, max_passes=3, store=tmp_path / "run.dnmf")
    assert dnmf.load(tmp_path / "run.dnmf").H.tobytes() == model.H.tobytes()


@pytest.mark.slow
def test_a_chunk_of_zeros_in_W_is_written_like_any_other(tmp_path):
    A = np.zeros((40_000, 30))
    A[:5000] = np.random.default_rng(0).random((5000, 30))
    model = dnmf.fit(A, 4, max_passes=2, store=tmp_path / "run.dnmf")
    assert model.W.npartitions > 1
    assert (model.W[5000:].compute() == 0).all()
    assert dnmf.load(tmp_path / "run.dnmf").save(tmp_path / "copy.dnmf").shape == A.shape


@pytest.mark.slow
def test_blocks_of_a_dask_array_are_computed_once_a_pass(planted):
    import dask.array as da

    seen = []

    def counted(block):
        seen.append(block.shape)
        return block

    lazy = da.from_array(planted, chunks=(20, 80)).map_blocks(counted, dtype=float, meta=np.empty((0, 0)))
    dnmf.fit(lazy, 5, init="random", max_passes=2, tol=0)
    assert seen.count((20, 80)) == 2 * 30


@pytest.mark.slow
def test_a_persisted_dask_array_is_factorized_where_its_blocks_are(planted, client):
    import dask.array as da

    lazy = da.from_array(planted, chunks=(100, 80))
    persisted = client.persist(lazy)
    model = dnmf.fit(persisted, 5, max_passes=3, client=client)
    assert model.relative_error == pytest.approx(dnmf.fit(planted, 5, max_passes=3).relative_error, rel=1e-4)


@pytest.mark.broad(2)
@pytest.mark.parametrize("seed", range(40, 48))
def test_the_objective_never_rises_with_more_components_than_there_are(seed):
    rng = np.random.default_rng(seed)
    A = rng.random((200, 4)) @ rng.random((4, 8)) + 1e-3 * rng.random((200, 8))
    model = dnmf.fit(A, 8, dtype="float64", init="random", seed=seed, tol=0, max_passes=40)
    objectives = [record.objective for record in model.history if record.accepted]
    slack = 1e-14 * 0.5 * (A**2).sum()
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(objectives))
    assert model.history[-1].accepted


def test_an_absolute_penalty_on_a_csc_store_is_refused(planted, tmp_path):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(scipy.sparse.csc_matrix(planted)).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(dnmf.InputError, match="convert the matrix to CSR"):
        dnmf.fit(tmp_path / "a.h5ad", 5, penalty=PENALTIES["absolute"])


@pytest.mark.slow
def test_a_finished_fit_goes_on_under_new_limits_as_if_it_had_never_ended(planted, tmp_path):
    whole = dnmf.fit(planted, 5, init="random", tol=0, max_passes=9)
    dnmf.fit(planted, 5, init="random", tol=0, max_passes=4, store=tmp_path / "run.dnmf")
    longer = dnmf.resume(tmp_path / "run.dnmf", source=planted, max_passes=9)
    assert longer.read_W().tobytes() == whole.read_W().tobytes()
    assert [r.objective for r in longer.history] == [r.objective for r in whole.history]
    assert len(list((tmp_path / "run.dnmf").glob("W-*.zarr"))) == 1


def test_another_shape_is_refused_even_by_force(planted, tmp_path):
    def stop(event):
        if isinstance(event, PassDone):
            raise dnmf.Interrupted(15, "stop")

    with pytest.raises(dnmf.Interrupted):
        dnmf.fit(planted, 5, tol=0, store=tmp_path / "run.dnmf", callbacks=[stop])
    with pytest.raises(dnmf.CheckpointError, match="shape"):
        dnmf.resume(tmp_path / "run.dnmf", source=planted[:, :70], force=True)


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_the_last_pass_over_sparse_float32_is_not_taken_for_a_rise(seed):
    """Its sums are float64, those of the pass before were float32: the same H differs by rounding alone."""
    rng = np.random.default_rng(seed)
    A = rng.gamma(0.5, size=(300, 4)) @ rng.gamma(0.5, size=(4, 25)) + 0.05 * rng.random((300, 25))
    A[rng.random((300, 25)) < 0.4] = 0
    assert len(dnmf.fit(scipy.sparse.csr_array(A), 3, max_passes=2).history) == 2


ORDERED = {
    "dense": np.asarray,
    "sparse": scipy.sparse.csr_array,
    "by columns": scipy.sparse.csc_array,
}


@pytest.mark.broad(2)
@pytest.mark.parametrize("kind", ORDERED)
@pytest.mark.parametrize("where", ["memory", "store"])
def test_the_strongest_component_comes_first(planted, tmp_path, kind, where):
    store = tmp_path / "run.dnmf" if where == "store" else None
    model = dnmf.fit(ORDERED[kind](planted), 6, dtype="float64", store=store, max_passes=4)
    assert (np.diff(model.d) <= 0).all()
    assert model.order is None
    error = np.linalg.norm(planted - (model.read_W() * model.d) @ model.H) / np.linalg.norm(planted)
    assert error == pytest.approx(model.relative_error, rel=1e-9)
    np.testing.assert_allclose(model.transform(planted[:40]).compute(), model.read_W(0, 40), rtol=1e-9, atol=1e-12)


def test_dead_components_come_last(planted):
    model = dnmf.fit(planted, 6, penalty=dnmf.Penalty(l1=0.9), max_passes=8)
    assert 0 < model.alive < 6
    assert (model.d[: model.alive] > 0).all()
    assert not model.d[model.alive :].any()


def test_a_component_that_is_given_or_pulled_keeps_its_place(planted):
    plain = dnmf.fit(planted, 4, dtype="float64", max_passes=6)
    weakest = plain.H[-1:]
    held = dnmf.fit(planted, 4, constraints=dnmf.Constraints(fixed_H=weakest), dtype="float64", max_passes=6)
    np.testing.assert_allclose(held.H[0], weakest[0], atol=1e-12)
    assert (np.diff(held.d[1:]) <= 0).all()
    target = np.full((4, 80), np.nan)
    target[2] = weakest
    pulled = dnmf.fit(planted, 4, constraints=dnmf.Constraints(target_H=target), penalty=dnmf.Penalty(target=1.0),
                      dtype="float64", max_passes=6)  # fmt: skip
    cosines = pulled.H @ weakest[0] / np.linalg.norm(pulled.H, axis=1) / np.linalg.norm(weakest)
    assert cosines.argmax() == 2
    assert (np.diff(pulled.d[[0, 1, 3]]) <= 0).all()
