"""What many seeds agree on is a model as any other, with the same bits however it came about."""

import numpy as np
import pytest
import scipy.sparse
import zarr
from study_bits import bits, cap_models, stop_after

import dnmf
from dnmf.ensembles.agreement import agree
from dnmf.errors import CheckpointError, InputError, Interrupted

RANK = 4


@pytest.fixture(scope="module")
def planted_components():
    return np.random.default_rng(5).random((RANK, 60)) ** 4


@pytest.fixture(scope="module")
def A(planted_components):
    rng = np.random.default_rng(0)
    return rng.random((300, RANK)) ** 4 @ planted_components * rng.gamma(20, 1 / 20, (300, 60))


@pytest.fixture(scope="module")
def found(A):
    return dnmf.consensus(A, RANK, seeds=8)


def unit(H):
    return H / np.linalg.norm(H, axis=1, keepdims=True)


def test_planted_components_are_agreed_on(found, planted_components):
    cosines = unit(found.H) @ unit(planted_components).T
    assert (cosines.max(axis=1) > 0.99).all()
    assert sorted(cosines.argmax(axis=1)) == list(range(RANK))
    assert found.share_kept == 1.0
    assert found.silhouette > 0.95
    assert found.agreement.sizes.tolist() == [4] * RANK  # of the better half of eight models


def test_it_is_a_model(found, A, tmp_path):
    left = A - (found.read_W() * found.d) @ found.H
    assert np.linalg.norm(left) / np.linalg.norm(A) == pytest.approx(found.relative_error, rel=1e-4)
    assert np.allclose(found.transform(A[:5]).compute(), found.read_W(0, 5), rtol=1e-3, atol=1e-6)
    assert dnmf.load(found.save(tmp_path / "m.dnmf").path).H.tobytes() == found.H.tobytes()
    assert repr(found).startswith("<dnmf.Consensus 300 × 60, rank 4 of 8 seeds: silhouette ")


def test_medians_belong_to_the_components_of_the_model(found):
    assert (np.einsum("qj,qj->q", unit(found.agreement.H), unit(found.H)) > 0.99).all()
    turned = found.reordered([3, 1, 0, 2])
    assert np.array_equal(turned.agreement.H, found.agreement.H[[3, 1, 0, 2]])
    assert np.array_equal(turned.stability, found.stability[[3, 1, 0, 2]])


def test_it_explains_as_much_as_the_best_of_its_models(found):
    assert found.relative_error <= found.errors.min() * (1 + 1e-4)


@pytest.mark.slow
def test_models_in_a_worse_minimum_do_not_count(A):
    entire = dnmf.consensus(A, RANK + 1, seeds=9, best=1, max_passes=6)
    half = dnmf.consensus(A, RANK + 1, seeds=9, max_passes=6)
    assert np.array_equal(half.errors, entire.errors)
    assert entire.counted == tuple(range(9))
    assert len(half.counted) == 5
    assert max(half.errors[list(half.counted)]) <= min(np.delete(half.errors, half.counted))
    assert len(half.spectra) == len(half.distances) == 5 * (RANK + 1)
    assert len(dnmf.consensus(A, RANK, seeds=3, best=0.1, max_passes=2).counted) == 2


@pytest.mark.parametrize("wrong", [0, 1.5, "half", np.nan])
def test_a_share_of_the_models_is_one(A, wrong):
    with pytest.raises(InputError, match="best=.*a share of the models above 0"):
        dnmf.consensus(A, RANK, best=wrong)


def test_components_far_from_others_are_left_out():
    rng = np.random.default_rng(1)
    components = rng.random((3, 40)) ** 4
    spectra = [components * rng.gamma(50, 1 / 50, components.shape) for _ in range(10)]
    spectra[4] = rng.random((3, 40)) ** 4
    agreed = agree(spectra, 0.5, 0)
    assert not agreed.kept[12:15].any()
    assert agreed.kept.sum() == 27
    assert agreed.share_kept == pytest.approx(0.9)
    assert (agree(spectra, 2.0, 0).kept).all()


def test_of_one_component_it_is_said_how_near_all_are_to_the_middle(A):
    assert dnmf.consensus(A, 1, seeds=3).silhouette == pytest.approx(1.0, abs=1e-3)


def test_dead_components_count_as_none():
    rng = np.random.default_rng(1)
    components = rng.random((3, 40)) ** 4
    spectra = [components * rng.gamma(50, 1 / 50, components.shape) for _ in range(6)]
    spectra[0] = np.where(np.arange(3)[:, None] == 1, 0, spectra[0])
    agreed = agree(spectra, 0.5, 0)
    assert not agreed.kept[1]
    assert np.isfinite(agreed.H).all()
    assert agreed.H.sum(axis=1) == pytest.approx(np.ones(3))


def test_where_too_little_is_alike_that_is_said():
    rng = np.random.default_rng(2)
    with pytest.raises(InputError, match=r"density=0.1: only \d of 8 components .* fewer than the rank 4"):
        agree([rng.random((RANK, 30)) ** 6 for _ in range(2)], 0.1, 0)


KINDS = {
    "dense": lambda A: (A, {}),
    "counts": lambda A: (scipy.sparse.csr_array(np.round(5 * A)), {"loss": "kullback-leibler"}),
    "missing": lambda A: (np.where(np.random.default_rng(2).random(A.shape) < 0.8, A, np.nan), {"missing": "nan"}),
    "columns": lambda A: (scipy.sparse.csc_array(np.where(A > 0.1, A, 0)), {}),
}


def same(one, other):
    assert bits(one) == bits(other)
    assert one.agreement.labels.tolist() == other.agreement.labels.tolist()
    assert one.spectra.tobytes() == other.spectra.tobytes()
    assert (one.reads, one.of_all[1]) == (pytest.approx(other.reads), other.of_all[1])


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_resumed_the_bits_are_the_same(A, kind, tmp_path):
    data, given = KINDS[kind](A)
    store, of = tmp_path / "c.dnmf", {"seeds": 3, **given}
    with pytest.raises(Interrupted):
        dnmf.consensus(data, RANK, **of, store=store, callbacks=[stop_after(2)])
    with pytest.raises(CheckpointError, match="resume_consensus"):
        dnmf.load_consensus(store)
    source = dnmf.open_source(data, missing=given.get("missing", "refuse"))
    resumed = dnmf.resume_consensus(store, source=source)
    same(resumed, dnmf.consensus(data, RANK, **of))
    same(resumed, dnmf.load_consensus(store))
    assert dnmf.load(store / "rank-4-seed-0-agreed-1.dnmf").H.tobytes() == resumed.H.tobytes()


def test_in_waves_the_bits_are_the_same(A, found, monkeypatch):
    cap_models(monkeypatch, 3)
    again = dnmf.consensus(A, RANK, seeds=8)
    assert again.H.tobytes() == found.H.tobytes()
    assert again.read_W().tobytes() == found.read_W().tobytes()


@pytest.mark.slow
def test_on_workers_and_in_process_bits_are_the_same(A, client, tmp_path):
    path = tmp_path / "A.zarr"
    zarr.create_array(path, data=A, chunks=(50, 60))
    here = dnmf.consensus(str(path), RANK, seeds=3)
    there = dnmf.consensus(str(path), RANK, seeds=3, client=client, store=tmp_path / "there.dnmf")
    assert here.H.tobytes() == there.H.tobytes()
    assert here.read_W().tobytes() == there.read_W().tobytes()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"density": 0}, "density=0"),
        ({"density": "much"}, "density='much'"),
        ({"seeds": []}, "seeds"),
        ({"seeds": 1}, "one model agrees with none"),
        ({"max_passes": 1}, "no pass to compare models by"),
        ({"init": "nndsvd"}, "begin on a sample they share"),
        ({"constraints": dnmf.Constraints(fixed_H=np.ones((1, 60)))}, "are given are the same"),
    ],
)
def test_what_cannot_be_asked_is_refused(A, asked, told):
    with pytest.raises(InputError, match=told):
        dnmf.consensus(A, RANK, **{"seeds": 2, **asked})


@pytest.fixture(scope="module")
def of_ranks(A):
    return dnmf.ranks(A, [3, RANK], seeds=6, folds=2)


@pytest.mark.slow
def test_ranks_have_what_a_consensus_needs(A, of_ranks, planted_components):
    found = of_ranks.consensus(RANK, A)
    cosines = unit(found.H) @ unit(planted_components).T
    assert (cosines.max(axis=1) > 0.99).all()
    assert found.reads <= 2.5  # nothing is fitted again
    assert found.agreement.sizes.tolist() == [3] * RANK
    assert found.seeds == tuple(range(6))
    assert found.relative_error <= found.errors.min() * (1 + 1e-4)


@pytest.mark.slow
def test_in_a_store_ranks_know_their_data_and_give_the_same_bits(A, of_ranks, tmp_path):
    path = tmp_path / "A.zarr"
    zarr.create_array(path, data=A, chunks=(50, 60))
    dnmf.ranks(path, [3, RANK], seeds=6, folds=2, store=tmp_path / "r.dnmf")
    stored = dnmf.load_ranks(tmp_path / "r.dnmf").consensus(RANK)
    here = dnmf.ranks(path, [3, RANK], seeds=6, folds=2).consensus(RANK, path)
    same(stored, here)


@pytest.mark.slow
def test_without_data_there_is_no_consensus_of_ranks(A, of_ranks, tmp_path):
    anndata = pytest.importorskip("anndata")
    with pytest.raises(InputError, match="give it, source="):
        of_ranks.consensus(RANK)
    with pytest.raises(InputError, match="rank 7 was not tried"):
        of_ranks.consensus(7, A)
    columns = tmp_path / "columns.zarr"
    anndata.AnnData(scipy.sparse.csc_matrix(np.where(A > 0.1, A, 0))).write_zarr(columns)
    with pytest.raises(InputError, match="use dnmf.consensus, which turns a small matrix"):
        dnmf.ranks(columns, [2], seeds=2, folds=0).consensus(2, columns)


@pytest.mark.parametrize("rank", [2, 4])
def test_fewer_different_components_than_the_rank_are_refused(rank):
    few = np.zeros((60, 4))
    few[:30, 0], few[30:, 1] = 1, 2
    few = few if rank == 4 else np.outer(np.arange(1.0, 61), [0, 0, 1, 0])
    with pytest.raises(InputError, match="of the components of all models differ from each other.*try a lower rank"):
        dnmf.consensus(few, rank, seeds=4)


def test_any_seed_that_a_fit_takes_is_taken(A):
    assert dnmf.consensus(A, 2, seeds=3, seed=2**33, max_passes=5).rank == 2


@pytest.mark.slow
def test_a_consensus_is_no_fit_that_a_limit_has_ended(A, tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=np.asarray(A))
    found = dnmf.consensus(path, 3, seeds=4, max_passes=5, store=tmp_path / "c.dnmf")
    (store,) = (tmp_path / "c.dnmf").glob("*agreed-1.dnmf")
    assert found.stop_reason == dnmf.load(store).stop_reason == "a step from the medians of many models"
    np.testing.assert_array_equal(dnmf.resume(store, max_passes=60).H, found.H)  # there is nothing to go on with
    np.testing.assert_array_equal(dnmf.load_consensus(tmp_path / "c.dnmf").H, found.H)


def test_a_component_that_few_models_have_is_told():
    three, two = np.eye(3, 6), np.vstack([np.eye(3, 6)[:2], np.eye(3, 6)[:1]])
    agreement = agree([three, two, two, three], 2.0, 0)
    of_each = dict(zip(agreement.H.argmax(axis=1).tolist(), agreement.found_in.tolist(), strict=True))
    assert of_each == {0: 4, 1: 4, 2: 2}


@pytest.mark.parametrize("change", ["fewer rows", "other names", "other values", "fewer columns"])
def test_ranks_make_no_consensus_of_other_data(A, change):
    data, names = np.asarray(A), [f"g{j}" for j in range(A.shape[1])]
    ranks = dnmf.ranks(data, [2, 3], seeds=2, folds=0, max_passes=5, column_names=names)
    other = {
        "fewer rows": lambda: (data[:-5], names), "other names": lambda: (data[:, ::-1], names[::-1]),
        "other values": lambda: (2 * data, names), "fewer columns": lambda: (data[:, :-1], names[:-1]),
    }[change]()  # fmt: skip
    with pytest.raises(InputError, match=r"the data of these ranks|in the fit|these ranks were made of"):
        ranks.consensus(3, dnmf.open_source(other[0], column_names=other[1]))


@pytest.mark.slow
def test_where_too_little_is_alike_the_same_models_are_clustered_again(A, tmp_path):
    path, store = tmp_path / "a.zarr", tmp_path / "c.dnmf"
    zarr.create_array(path, data=np.asarray(A))
    asked = {"seeds": 4, "max_passes": 5, "store": store}
    with pytest.raises(InputError, match="density=1e-09: only"):
        dnmf.consensus(path, 3, density=1e-9, **asked)
    passes = []
    again = dnmf.consensus(path, 3, density=2.0, **asked, resume="auto", callbacks=[passes.append])
    assert again.share_kept == 1
    assert again.asked.density == dnmf.load_consensus(store).asked.density == 2.0
    assert not [each for each in passes if type(each).__name__ == "ConsensusPassDone" and each.models == 4]
    np.testing.assert_array_equal(again.H, dnmf.consensus(path, 3, density=2.0, **{**asked, "store": None}).H)
    with pytest.raises(CheckpointError, match="holds a consensus with other options .density"):
        dnmf.consensus(path, 3, density=1.0, **asked, resume="auto")
