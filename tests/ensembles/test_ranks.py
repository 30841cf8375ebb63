"""Ranks of planted data are found, in shared reads, with the same bits however passes are made."""

import numpy as np
import pytest
import scipy.sparse
import zarr
from study_bits import bits, cap_models, stop_after

import dnmf
from dnmf.ensembles.ranks_options import Cell
from dnmf.errors import CheckpointError, InputError, Interrupted
from dnmf.fitting.events import RanksFinished, RanksPassDone

TRUE, RANKS = 4, range(2, 8)
FEW = {"seeds": 2, "folds": 3}


@pytest.fixture(scope="module")
def A():
    rng = np.random.default_rng(0)
    return rng.random((300, TRUE)) ** 4 @ rng.random((TRUE, 60)) ** 4 * rng.gamma(20, 1 / 20, (300, 60))


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(1)
    return rng.poisson(6 * rng.random((300, TRUE)) ** 4 @ rng.random((TRUE, 60)) ** 4).astype(float)


@pytest.fixture(scope="module")
def found(A):
    return dnmf.ranks(A, RANKS, **FEW)


def compared(one, other):
    assert one.rows == other.rows
    assert (one.suggested, one.reason) == (other.suggested, other.reason)
    assert list(one.models) == list(other.models)
    for cell in one.models:
        assert bits(one.models[cell]) == bits(other.models[cell]), cell


@pytest.mark.slow
def test_the_planted_rank_is_suggested_with_its_reason(found):
    assert found.suggested == TRUE
    assert found.reason.startswith(f"every fold finds all {TRUE} components again")
    assert found.model().rank == TRUE
    by_rank = dict(zip(found.ranks, found.rows, strict=True))
    assert by_rank[TRUE].held_out < min(by_rank[rank].held_out for rank in RANKS if rank != TRUE)
    assert by_rank[TRUE].stability > 0.95 > by_rank[7].stability


@pytest.mark.slow
def test_what_was_found_is_a_table_and_can_be_read(found):
    assert found.table["rank"] == list(RANKS)
    assert set(found.table) >= {"held_out", "held_out_se", "stability", "error", "reads", "cpu_s"}
    lines = str(found).splitlines()
    assert "held-out error" in lines[0]
    assert [line.split()[0] for line in lines[1:-1]] == [str(rank) for rank in RANKS]
    assert lines[-1] == found.verdict == f"rank {TRUE}: {found.reason}"
    assert repr(found) == f"<dnmf.Ranks 2 to 7: suggested 4, {found.reads:.1f} reads>"


def test_the_model_of_a_rank_is_the_best_of_its_seeds(found, A):
    for rank in (2, TRUE):
        model = found.model(rank)
        assert model.rank == rank
        assert model.options.seed in (0, 1)
        assert model.relative_error == pytest.approx(
            dict(zip(found.ranks, found.rows, strict=True))[rank].error, rel=1e-3
        )
        left = A - (model.read_W() * model.d) @ model.H
        assert np.linalg.norm(left) / np.linalg.norm(A) == pytest.approx(model.relative_error, rel=1e-4)


@pytest.mark.slow
def test_all_models_share_every_read(A):
    heard = []
    found = dnmf.ranks(A, [3, TRUE], seeds=2, folds=2, callbacks=[heard.append])
    passes = [event for event in heard if isinstance(event, RanksPassDone)]
    assert passes[0].models == passes[0].total == 2 * (2 + 2 * 2)
    assert found.passes == max(found.table["passes"]) + 1  # and one that writes W
    assert found.reads == pytest.approx(1 + found.passes)  # of the sample, which is all of so little data
    assert isinstance(heard[-1], RanksFinished)


@pytest.mark.parametrize("most", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_in_waves_the_bits_are_the_same(A, most, monkeypatch):
    whole = dnmf.ranks(A, [3, TRUE], seeds=2, folds=2)
    cap_models(monkeypatch, most)
    again = dnmf.ranks(A, [3, TRUE], seeds=2, folds=2)
    assert_same(whole, again)


def assert_same(whole, again):
    for cell in whole.models:
        assert bits(whole.models[cell]) == bits(again.models[cell])
    assert [(row.held_out, row.stability, row.found) for row in whole.rows] == [
        (row.held_out, row.stability, row.found) for row in again.rows
    ]
    assert again.verdict == whole.verdict


@pytest.mark.slow
def test_where_one_has_ended_another_begins(A, monkeypatch):
    whole = dnmf.ranks(A, [3, 4, 5], seeds=2, folds=2)
    cap_models(monkeypatch, 6)
    heard = []
    found = dnmf.ranks(A, [3, 4, 5], seeds=2, folds=2, callbacks=[heard.append])
    passes = [event for event in heard if isinstance(event, RanksPassDone)]
    assert max(event.models for event in passes) <= 6  # of the largest; those with folds take more room
    assert all(event.models >= 3 for event in passes if event.done + event.models < 18)  # while some wait
    assert passes[-1].done == passes[-1].total == 18
    assert_same(whole, found)


KINDS = {
    "dense": lambda A: (A, {}),
    "sparse counts under Kullback–Leibler": lambda A: (
        scipy.sparse.csr_array(np.round(5 * A)),
        {"loss": "kullback-leibler"},
    ),
    "missing entries": lambda A: (
        np.where(np.random.default_rng(2).random(A.shape) < 0.8, A, np.nan),
        {"missing": "nan", "penalty": dnmf.Penalty(l2=1e-3, scale="counts")},
    ),
    "a fraction of what leaves nothing": lambda A: (A, {"penalty": dnmf.Penalty(l1=0.05, scale="fraction")}),
    "columns": lambda A: (scipy.sparse.csc_array(np.where(A > 0.1, A, 0)), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [1, 2, "all"])
def test_stopped_and_resumed_table_and_bits_are_the_same(A, kind, after, tmp_path):
    data, given = KINDS[kind](A)
    of = {"ranks": [3, TRUE], "seeds": 2, "folds": 2, **given}
    whole = dnmf.ranks(data, **of)
    number = whole.passes - 1 if after == "all" else after
    store = tmp_path / "run.dnmf"
    with pytest.raises(Interrupted, match="enough"):
        dnmf.ranks(data, **of, store=store, callbacks=[stop_after(number)])
    resumed = dnmf.resume_ranks(store, source=dnmf.open_source(data, missing=given.get("missing", "refuse")))
    compared(whole, resumed)
    compared(resumed, dnmf.load_ranks(store))
    assert resumed.passes == whole.passes
    assert resumed.reads == pytest.approx(whole.reads)


@pytest.mark.slow
def test_on_workers_and_in_process_bits_are_the_same(A, tmp_path, client):
    path = tmp_path / "A.zarr"
    zarr.create_array(path, data=A, chunks=(50, 60))
    here = dnmf.ranks(str(path), RANKS, **FEW, keep="stream")
    there = dnmf.ranks(str(path), RANKS, **FEW, keep="stream", client=client, store=tmp_path / "there.dnmf")
    compared(here, there)


@pytest.mark.slow
def test_under_other_losses_and_with_missing_entries_the_rank_is_found(counts, A):
    found = dnmf.ranks(counts, [2, 3, TRUE, 5], loss="kullback-leibler", **FEW)
    assert found.suggested == TRUE, str(found)


@pytest.mark.slow
def test_one_command_begins_goes_on_or_is_done(A, tmp_path):
    store, of = tmp_path / "run.dnmf", {"ranks": [2, 3], "seeds": 2, "folds": 2}
    with pytest.raises(Interrupted):
        dnmf.ranks(A, **of, store=store, resume="auto", callbacks=[stop_after(2)])
    found = dnmf.ranks(A, **of, store=store, resume="auto")
    compared(found, dnmf.ranks(A, **of, store=store, resume="auto"))
    with pytest.raises(CheckpointError, match=r"folds: 2 → 3"):
        dnmf.ranks(A, **{**of, "folds": 3}, store=store, resume="auto")


@pytest.mark.slow
def test_models_lie_in_ordinary_stores(A, tmp_path):
    found = dnmf.ranks(A, [2, 3], seeds=2, folds=2, store=tmp_path / "run.dnmf")
    stored = sorted(place.name for place in (tmp_path / "run.dnmf").glob("rank-*.dnmf"))
    assert stored == sorted(f"rank-{rank}-seed-{found.model(rank).options.seed}-fold-0.dnmf" for rank in (2, 3))
    assert dnmf.load(tmp_path / "run.dnmf" / stored[0]).rank == 2


def test_without_folds_nothing_is_suggested(A):
    found = dnmf.ranks(A, [2, 3], seeds=2, folds=0)
    assert found.suggested is None
    assert "nothing was held out" in found.reason
    assert np.isnan(found.table["held_out"]).all()
    with pytest.raises(InputError, match="no rank is suggested"):
        found.model()
    assert found.model(3).rank == 3


@pytest.mark.slow
def test_of_one_seed_there_is_no_stability(A):
    found = dnmf.ranks(A, [2, 3], seeds=[7], folds=2)
    assert np.isnan(found.table["stability"]).all()
    assert list(found.models) == [Cell(2, 7, 0), Cell(3, 7, 0)]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"ranks": []}, "ranks="),
        ({"ranks": 4}, r"such as range\(2, 13\)"),
        ({"ranks": [0, 2]}, "from 1 on"),
        ({"folds": 1}, "from 2 to"),
        ({"folds": 2.5}, "folds=2.5"),
        ({"seeds": 0}, "seeds"),
        ({"max_passes": 1}, "no pass to compare models by"),
        ({"init": "nndsvd"}, "begin on a sample they share"),
        ({"constraints": dnmf.Constraints(fixed_H=np.ones((1, 60)))}, "that are given are the same in all models"),
        ({"ranks": [2, 61]}, "rank"),
    ],
)
def test_what_cannot_be_asked_is_refused(A, asked, told):
    with pytest.raises(InputError, match=told):
        dnmf.ranks(A, **{"ranks": [2, 3], **FEW, **asked})


@pytest.mark.slow
def test_a_store_says_what_it_holds(A, tmp_path):
    store = tmp_path / "run.dnmf"
    dnmf.ranks(A, [2, 3], seeds=2, folds=2, store=store)
    for load in (dnmf.load, dnmf.load_path):
        with pytest.raises(CheckpointError, match="models of several ranks"):
            load(store)


@pytest.mark.parametrize("ranks", [[2, "a"], [[2], [3]], [2, 2.5], [True, 2], [None]])
def test_what_is_no_rank_is_refused(ranks):
    with pytest.raises(InputError, match="ranks=.*give whole numbers from 1 on"):
        dnmf.ranks(np.ones((4, 4)), ranks)


@pytest.mark.parametrize("shape", [(60, 1), (1, 60), (1, 1)])
def test_of_one_row_or_column_nothing_is_held_out(shape):
    with pytest.raises(InputError, match=r"of one row or column nothing can be held out; say folds=0"):
        dnmf.ranks(np.ones(shape), [1])
    assert dnmf.ranks(np.ones(shape), [1], folds=0).suggested is None
