"""A regularization path: each model is the fit it would be alone, and all of them share a few reads of the data."""

import math
from collections import Counter

import numpy as np
import pytest
import scipy.sparse
import toys
from breadth import quickly
from study_bits import CHEAP, L1, RANK, STRENGTHS, assert_same_bits, bits, factor_of, stop_after

import dnmf
from dnmf import measures
from dnmf.errors import InputError, Interrupted
from dnmf.fitting.events import PassProgress, PathFinished, PathPassDone, Planned, Started
from dnmf.penalty import Penalty, PenaltyWarning

# ---- each model is the one of a fit of its own ----


@pytest.mark.parametrize(
    ("penalty", "strengths"),
    [
        (Penalty(l1=1.0), (0, 0.05, 0.2, 1.0)),
        (Penalty(l2=1.0), (0, 0.05, 1.0)),
        (Penalty(l1=(0.5, 0.0), l2=0.1), (0, 0.3, 2.0)),
        (Penalty(l1=1.0, scale="objective"), (0, 0.1, 2.0, 1e6)),
        (Penalty(l1=1.0, l2=0.5, scale="fraction"), (0, 0.05, 0.2)),
        (Penalty(l1=1e-4, scale="absolute"), (0, 1.0, 3.0)),
        (Penalty(l1=1.0, diagonal=False), (0, 0.05)),
    ],
    ids=["l1", "l2", "both", "objective", "fraction", "absolute", "no diagonal"],
)
@pytest.mark.parametrize("kind", quickly(["csr"], of=["dense", "csr"]))
def test_each_model_is_that_of_a_fit_from_the_one_without_a_penalty_bit_for_bit(planted, penalty, strengths, kind):
    A = scipy.sparse.csr_array(planted) if kind == "csr" else planted
    path = dnmf.path(A, RANK, penalty, strengths, **CHEAP)
    plain = dnmf.fit(A, RANK, penalty=penalty.at(0))
    assert bits(path.model(0)) == bits(plain)
    for strength in strengths[1:]:
        alone = dnmf.fit(A, RANK, H=factor_of(plain), penalty=penalty.at(strength))
        assert bits(path.model(strength)) == bits(alone)
        assert path.model(strength).options == alone.options


@pytest.mark.slow
def test_every_seed_is_a_path_of_its_own(planted):
    path = dnmf.path(planted, RANK, L1, (0, 0.1), seeds=[4, 1], **CHEAP)
    assert (path.seeds, path.strengths) == ((4, 1), (0.0, 0.1))
    for seed in (4, 1):
        alone = dnmf.path(planted, RANK, L1, (0, 0.1), seeds=[seed], **CHEAP)
        for strength in path.strengths:
            assert bits(path.model(strength, seed)) == bits(alone.model(strength))
    assert path.model(0.1).H.tobytes() == path.model(0.1, 4).H.tobytes() != path.model(0.1, 1).H.tobytes()


def test_the_model_without_a_penalty_is_added_where_all_start_from_it(planted):
    assert dnmf.path(planted, RANK, L1, [0.2, 0.1], **CHEAP).strengths == (0.0, 0.1, 0.2)
    assert dnmf.path(planted, RANK, L1, [0.2, 0.1], warm="chain", **CHEAP).strengths == (0.1, 0.2)


def test_a_given_start_is_that_of_every_seed(planted):
    H = np.random.default_rng(3).random((RANK, 80))
    path = dnmf.path(planted, RANK, L1, (0, 0.1), H=H, **CHEAP)
    assert bits(path.model(0)) == bits(dnmf.fit(planted, RANK, H=H))


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["relative", "objective"])
@pytest.mark.parametrize("where", ["in a store", "in memory"])
def test_a_CSC_store_gives_the_path_of_the_matrix(planted, stored_csc, scale, where, tmp_path):
    penalty = Penalty(l1=(1.0, 0.5), scale=scale)
    options = {"dtype": "float64", "tol": 1e-7, "max_passes": 200, "init": "random", **CHEAP}
    store = tmp_path / "p.dnmf" if where == "in a store" else None
    path = dnmf.path(stored_csc, RANK, penalty, (0, 0.1), seeds=2, store=store, **options)
    plain = dnmf.fit(stored_csc, RANK, penalty=penalty.at(0), **{k: v for k, v in options.items() if k != "measures"})
    assert bits(path.model(0)) == bits(plain)
    for model in path.models.values():
        product = (model.read_W() * model.d) @ model.H
        error = np.linalg.norm(planted - product) / np.linalg.norm(planted)
        assert error == pytest.approx(model.relative_error, rel=1e-6)
    again = dnmf.fit(planted, RANK, H=factor_of(path.model(0)), penalty=penalty.at(0.1), dtype="float64", tol=1e-7,
                     max_passes=200)  # fmt: skip
    assert path.model(0.1).relative_error == pytest.approx(again.relative_error, rel=1e-2)


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    "options",
    [{"max_passes": 1}, {"init": "surrogate"}, {"rank": 1}, {"strengths": 0.1}, {"prune": "refit", "tol": 0.0}],
    ids=lambda options: next(iter(options)),
)
def test_the_options_of_a_fit_are_those_of_each_model(planted, options):
    given = {"rank": RANK, "penalty": Penalty(l1=1.0, scale="objective"), "strengths": (0, 0.5), **options}
    path = dnmf.path(planted, **given, **CHEAP)
    alone = {name: value for name, value in given.items() if name not in ("strengths", "penalty")}
    assert bits(path.model(0)) == bits(dnmf.fit(planted, **alone, penalty=given["penalty"].at(0)))
    assert all(row.passes <= given.get("max_passes", 100) for row in path.rows)


def test_a_matrix_of_zeros_has_a_path_of_dead_components():
    path = dnmf.path(np.zeros((50, 6)), 2, L1, (0, 0.1))
    assert [(row.alive, row.relative_error, row.cosine, row.kmeans, row.singular) for row in path.rows] == [
        (0,) * 5
    ] * 2


@pytest.mark.slow
def test_a_penalty_on_one_factor_of_an_objective_is_warned_of_once(planted):
    with pytest.warns(PenaltyWarning) as warned:
        dnmf.path(planted, RANK, Penalty(l1=(1.0, 0.0), scale="objective"), (0, 0.1, 0.2), **CHEAP)
    assert len(warned) == 1
    assert warned[0].filename == __file__


@pytest.mark.slow
def test_a_CSC_store_takes_a_given_start(planted, stored_csc):
    H = np.random.default_rng(3).random((RANK, 80))
    path = dnmf.path(stored_csc, RANK, L1, (0, 0.1), H=H, **CHEAP)
    assert bits(path.model(0)) == bits(dnmf.fit(stored_csc, RANK, H=H))


def test_a_dask_array_gives_the_path_of_the_matrix(planted):
    import dask.array

    blocks = dask.array.from_array(planted, chunks=(100, 80))
    ours, theirs = (dnmf.path(A, RANK, L1, (0, 0.1), dtype="float64", **CHEAP) for A in (blocks, planted))
    for cell in ours.models:
        np.testing.assert_allclose(ours.models[cell].H, theirs.models[cell].H, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_on_a_cluster_the_bits_are_those_in_process(found, stored, client, tmp_path):
    path, _ = found
    there = dnmf.path(stored, RANK, L1, STRENGTHS, seeds=2, store=tmp_path / "p.dnmf", client=client, **CHEAP)
    assert_same_bits(there, path)
    assert there.reads == path.reads


COLUMNS = np.abs(np.random.default_rng(8).normal(size=(2, 80)))
CHAIN = np.eye(80, k=1) + np.eye(80, k=-1)
CONSTRAINED = {
    "given profiles": (L1, {"fixed_H": COLUMNS}),
    "given columns of W": (Penalty(l1=(0.0, 1.0)), {"fixed_W": np.random.default_rng(9).random((600, 1))}),
    "a free factor": (Penalty(l2=1.0), {"free": "W"}),
    "a graph": (Penalty(smooth=0.9), {"graph": CHAIN}),
    "a target": (Penalty(target=1.0, l1=0.1), {"target_H": np.vstack([COLUMNS, COLUMNS[::-1] ** 2])}),
    "bounds": (Penalty(l1=1.0, scale="objective"), {"upper": (2.0, None)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONSTRAINED)
def test_constraints_are_those_of_every_model_also_after_a_stop(planted, name, tmp_path):
    penalty, asked = CONSTRAINED[name]
    options = {"constraints": dnmf.Constraints(**asked), "dtype": "float64"}
    path = dnmf.path(planted, RANK, penalty, (0, 0.1, 0.5), **options, **CHEAP)
    plain = path.model(0)
    for strength in (0.1, 0.5):
        alone = dnmf.fit(planted, RANK, H=factor_of(plain), penalty=penalty.at(strength), **options)
        assert bits(path.model(strength)) == bits(alone)
    with pytest.raises(Interrupted):
        dnmf.path(planted, RANK, penalty, (0, 0.1, 0.5), store=tmp_path / "p.dnmf",
                  callbacks=[stop_after(path.passes - 1)], **options, **CHEAP)  # fmt: skip
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), path)


# ---- reads ----


@pytest.mark.slow
def test_the_reads_are_those_of_the_slowest_strength_not_the_sum(found, stored, monkeypatch):
    from dnmf.sources.stored import StoredArray

    rows, read = [], StoredArray.read
    monkeypatch.setattr(StoredArray, "read", lambda self, *span: rows.append(span[1] - span[0]) or read(self, *span))
    path = dnmf.path(stored, RANK, L1, STRENGTHS, seeds=2, keep="stream", **CHEAP)
    assert sum(rows) / 600 == pytest.approx(path.reads, rel=0.05)
    passes = {strength: max(r.passes for r in path.rows if r.strength == strength) for strength in STRENGTHS}
    assert path.passes == passes[0.0] + max(passes.values())
    assert path.reads < path.passes + 4  # two samples for the starts, and a few rows for their scale
    assert path.reads < sum(row.passes for row in path.rows) / 2
    assert_same_bits(path, found[0])


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_on_real_data_36_models_take_a_few_reads_and_show_the_known_trends(hawaiibirds, kind):
    strengths = (0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
    path = dnmf.path(hawaiibirds, 10, Penalty(**{kind: 1.0}), strengths, seeds=3, **CHEAP)
    assert len(path.rows) == 36
    assert path.reads < sum(model.reads for model in path.models.values()) / 6
    errors, zeros = (
        np.array(path.table()[name]).reshape(12, 3).mean(axis=1) for name in ("relative_error", "sparsity_W")
    )
    assert (np.diff(errors) > -1e-4).all()  # the error never falls with the strength
    assert (np.diff(zeros if kind == "l1" else -zeros) > -2e-3).all()  # L1 makes W sparse, L2 dense
    assert (zeros[-1] == 1.0) if kind == "l1" else (zeros[-1] < 0.01)


@pytest.mark.slow
def test_events_count_the_passes_of_all_models_together(found):
    path, events = found
    kinds = Counter(type(event) for event in events if not isinstance(event, PassProgress))
    assert kinds == {Planned: 1, Started: 1, PathPassDone: path.passes, PathFinished: 1}
    passes = [event for event in events if isinstance(event, PathPassDone)]
    assert [event.number for event in passes] == list(range(1, path.passes + 1))
    assert all(event.committed and event.total == 8 for event in passes)
    assert (passes[0].models, passes[-1].models, passes[-1].done) == (2, 6, 8)
    assert passes[-1].reads == path.reads == events[-1].reads
    assert sum(event.models for event in passes) == sum(row.passes for row in path.rows)


@pytest.mark.slow
def test_the_units_of_fractions_are_found_once(planted, monkeypatch):
    from dnmf.studies import waves

    calls, find = [], waves.find_lambda_max
    monkeypatch.setattr(waves, "find_lambda_max", lambda *given: calls.append(1) or find(*given))
    monkeypatch.setattr("dnmf.starts.start.find_lambda_max", lambda *_: pytest.fail("found again"))
    penalty = Penalty(l1=1.0, scale="fraction")
    for warm in ("unpenalized", "chain"):
        path = dnmf.path(planted, RANK, penalty, (0.1, 0.3, 1.1), seeds=2, warm=warm, **CHEAP)
        assert [row.alive for row in path.rows][-2:] == [0, 0]
    assert len(calls) == 2


# ---- a chain ----


@pytest.mark.slow
def test_a_chain_is_one_fit_after_the_other_bit_for_bit(planted):
    penalty, strengths = Penalty(l1=1.0, scale="objective"), (0.1, 1.0, 3.0)
    path = dnmf.path(planted, RANK, penalty, strengths, warm="chain", dtype="float64", **CHEAP)
    model = dnmf.fit(planted, RANK, penalty=penalty.at(0.1), dtype="float64")
    assert bits(path.model(0.1)) == bits(model)
    for strength in strengths[1:]:
        model = dnmf.fit(planted, RANK, H=factor_of(model), penalty=penalty.at(strength), dtype="float64")
        assert bits(path.model(strength)) == bits(model)


@pytest.mark.parametrize(("prune", "deaths"), [("off", (0.735, 1.675, 4.21)), ("refit", (0.5057, 1.2676, 3.1558))])
@pytest.mark.broad(1)
def test_a_chain_follows_the_toy_through_its_deaths(prune, deaths):
    """As in test_regularization.py, from whose reference path the strengths are."""
    A, H = toys.three_gaussians()
    between = [0.3, 0.6, 0.8, 1.0, 1.4, 2.0, 2.5, 3.5]  # a long step kills what a short one would have spared
    around = [place + step for place in deaths for step in (-0.02, -0.012, -0.006, 0.006)]
    path = dnmf.path(A, 3, Penalty(l1=1.0, scale="objective"), [*between, *around], warm="chain", H=H, dtype="float64",
                     tol=1e-12, max_passes=5000, prune=prune, **CHEAP)  # fmt: skip
    for row in path.rows:
        assert row.alive == 3 - sum(row.strength > place for place in deaths)


@pytest.mark.slow
def test_the_seeds_of_a_chain_share_reads(planted):
    one, three = (dnmf.path(planted, RANK, L1, (0, 0.1, 0.3), seeds=n, warm="chain", **CHEAP) for n in (1, 3))
    for strength in one.strengths:
        assert bits(one.model(strength)) == bits(three.model(strength))
    slowest = [max(row.passes for row in three.rows if row.strength == strength) for strength in three.strengths]
    assert three.passes == sum(slowest)


# ---- what is measured ----


@pytest.mark.broad(1)
@pytest.mark.parametrize("side", ["H", "W"])
def test_the_table_is_what_the_measures_say(planted, side):
    path = dnmf.path(planted, RANK, L1, (0, 0.1, 1.0), seeds=[1, 2], side=side)
    centres = measures.kmeans_centres(planted, RANK, 1)
    first = measures.first_singular_vector(planted)
    assert [(row.strength, row.seed) for row in path.rows] == [(s, seed) for s in (0, 0.1, 1.0) for seed in (1, 2)]
    for row in path.rows:
        model, plain = path.model(row.strength, row.seed), path.model(0, row.seed)
        assert (row.sparsity_W, row.sparsity_H) == measures.sparsity(model)
        for found, expected in (
            (row.robustness, measures.robustness(model, plain, side)),
            (row.cosine, measures.mean_cosine(model, side)),
            (row.cosine_off, measures.mean_cosine(model, side, diagonal=False)),
            (row.kmeans, measures.similarity(model, centres)),
            (row.singular, measures.alike(model, first)),
        ):
            assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)
        last = model.history[-1]
        assert (row.objective, row.relative_error, row.alive) == (last.objective, last.relative_error, last.alive)
        assert (row.passes, row.reason) == (len(model.history), model.stop_reason)
    assert [row.alive for row in path.rows] == [4, 4, 4, 4, 0, 0]


def test_the_table_has_a_column_for_each_measure(found):
    path, _ = found
    table = path.table()
    assert table["strength"] == [row.strength for row in path.rows]
    assert {len(column) for column in table.values()} == {8}
    assert len(pytest.importorskip("pandas").DataFrame(table)) == 8


def test_what_cannot_be_measured_is_left_out_with_a_word(stored_csc, monkeypatch, caplog):
    monkeypatch.setattr("dnmf.fitting.apply.MOST_TURNED_BYTES", 1)  # single rows of a large CSC store cannot be read
    path = dnmf.path(stored_csc, RANK, L1, (0, 0.1))
    assert all(math.isnan(row.kmeans) and row.singular > 0 for row in path.rows)
    assert "k-means" in caplog.text


# ---- what is refused at the door ----


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"strengths": []}, "strengths"),
        ({"strengths": [0, -1]}, "not negative"),
        ({"strengths": [0, math.nan]}, "finite"),
        ({"strengths": "0,1"}, "give numbers"),
        ({"strengths": [0, 2.0]}, "between 0 and 1"),
        ({"penalty": Penalty()}, "no path"),
        ({"penalty": 0.1}, "Penalty"),
        ({"penalty": Penalty(l1=(1, 0), scale="objective"), "strengths": [0, math.inf]}, "finite"),
        ({"seeds": 0}, "at least one"),
        ({"seeds": [1, 1]}, "each seed once"),
        ({"seeds": 1.5}, "how many"),
        ({"seeds": [-1]}, "not negative"),
        ({"warm": "cold"}, "warm='cold'"),
        ({"measures": "some"}, "measures='some'"),
        ({"side": "d"}, "side='d'"),
        ({"tol": -1.0}, "tol"),
        ({"H": np.ones((2, 2))}, "shape"),
        ({"rank": 100}, "rank=100"),
    ],
)
def test_a_bad_option_is_refused_by_name_before_anything_is_read(planted, changed, words):
    given = {"rank": RANK, "penalty": L1, "strengths": (0, 0.1), **changed}
    with pytest.raises(InputError, match=words):
        dnmf.path(planted, **given)


def test_a_model_that_is_not_there_is_named(found):
    with pytest.raises(InputError, match=r"strengths 0, 0.02, 0.1, 0.3; seeds 0, 1"):
        found[0].model(0.5)
    with pytest.raises(InputError, match="seed 7"):
        found[0].model(0.1, 7)
