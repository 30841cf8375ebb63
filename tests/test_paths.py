"""A regularization path: each model is the fit it would be alone, and all of them share a few reads of the data."""

import math
import signal
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import toys
import zarr
from breadth import quickly
from naive import nnls

import dnmf
from dnmf import measures
from dnmf.errors import BudgetError, CheckpointError, InputError, Interrupted
from dnmf.fitting.events import PassProgress, PathFinished, PathPassDone, Planned, Started
from dnmf.memory import Machine
from dnmf.options import FitOptions
from dnmf.passes.rows_out import missing_chunks
from dnmf.passes.threads import InProcess
from dnmf.paths.grid import Cell
from dnmf.penalty import Penalty, PenaltyWarning
from dnmf.starts.choose import plan_for_many
from dnmf.studies.state import StudyState
from dnmf.studies.study import folder_of

RANK, STRENGTHS = 4, (0.0, 0.02, 0.1, 0.3)
L1 = Penalty(l1=1.0)
CHEAP = {"measures": "cheap"}


@pytest.fixture(scope="module")
def stored(planted, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "planted.zarr"
    zarr.create_array(path, data=planted, chunks=(64, 80), config={"write_empty_chunks": True})
    return str(path)


@pytest.fixture(scope="module")
def stored_csc(planted, tmp_path_factory):
    """The same matrix by columns, as AnnData stores it."""
    path = tmp_path_factory.mktemp("data") / "csc.zarr"
    matrix = scipy.sparse.csc_array(planted)
    group = zarr.open_group(path, mode="w").create_group("X")
    group.attrs.update({"encoding-type": "csc_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(4_000,), config={"write_empty_chunks": True})
    return str(path)


@pytest.fixture(scope="module")
def found(stored, tmp_path_factory):
    """A path of two seeds in a store, and its events."""
    events, store = [], tmp_path_factory.mktemp("run") / "p.dnmf"
    path = dnmf.path(stored, RANK, L1, STRENGTHS, seeds=2, store=store, callbacks=[events.append])
    return path, events


def factor_of(model):
    return model.h_scale[:, None] * model.H


def bits(model):
    history = np.array([(record.objective, record.gradient) for record in model.history])
    return [values.tobytes() for values in (model.read_W(), model.d, model.H, history)]


@pytest.mark.parametrize(
    "init", ["surrogate", *(pytest.param(init, marks=pytest.mark.slow) for init in ("nndsvda", "sample"))]
)
def test_models_that_begin_after_a_stop_begin_as_they_would_have(planted, tmp_path, monkeypatch, init):
    def one_at_a_time(*args, **options):
        return *plan_for_many(*args, **options)[:2], 1

    def stop(event):
        if isinstance(event, PathPassDone) and event.number == 2:
            raise dnmf.Interrupted(signal.SIGTERM, "enough")

    monkeypatch.setattr("dnmf.workplace.plan_for_many", one_at_a_time)
    options = {"strengths": [0, 0.1], "seeds": 2, "init": init, "max_passes": 3, "measures": "cheap"}
    whole = dnmf.path(planted, 3, Penalty(l1=1.0), **options)
    with pytest.raises(dnmf.Interrupted):
        dnmf.path(planted, 3, Penalty(l1=1.0), **options, store=tmp_path / "p.dnmf", callbacks=[stop])
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), whole)


def assert_same_bits(one, other):
    assert list(one.models) == list(other.models)
    for cell in one.models:
        assert bits(one.models[cell]) == bits(other.models[cell]), cell


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


def test_a_penalty_on_one_factor_of_an_objective_is_warned_of_once(planted):
    with pytest.warns(PenaltyWarning) as warned:
        dnmf.path(planted, RANK, Penalty(l1=(1.0, 0.0), scale="objective"), (0, 0.1, 0.2), **CHEAP)
    assert len(warned) == 1
    assert warned[0].filename == __file__


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


def test_a_chain_is_one_fit_after_the_other_bit_for_bit(planted):
    penalty, strengths = Penalty(l1=1.0, scale="objective"), (0.1, 1.0, 3.0)
    path = dnmf.path(planted, RANK, penalty, strengths, warm="chain", dtype="float64", **CHEAP)
    model = dnmf.fit(planted, RANK, penalty=penalty.at(0.1), dtype="float64")
    assert bits(path.model(0.1)) == bits(model)
    for strength in strengths[1:]:
        model = dnmf.fit(planted, RANK, H=factor_of(model), penalty=penalty.at(strength), dtype="float64")
        assert bits(path.model(strength)) == bits(model)


@pytest.mark.parametrize(("prune", "deaths"), [("off", (0.735, 1.675, 4.21)), ("refit", (0.5057, 1.2676, 3.1558))])
def test_a_chain_follows_the_toy_through_its_deaths(prune, deaths):
    """As in test_regularization.py, from whose reference path the strengths are."""
    A, H = toys.three_gaussians()
    between = [0.3, 0.6, 0.8, 1.0, 1.4, 2.0, 2.5, 3.5]  # a long step kills what a short one would have spared
    around = [place + step for place in deaths for step in (-0.02, -0.012, -0.006, 0.006)]
    path = dnmf.path(A, 3, Penalty(l1=1.0, scale="objective"), [*between, *around], warm="chain", H=H, dtype="float64",
                     tol=1e-12, max_passes=5000, prune=prune, **CHEAP)  # fmt: skip
    for row in path.rows:
        assert row.alive == 3 - sum(row.strength > place for place in deaths)


def test_the_seeds_of_a_chain_share_reads(planted):
    one, three = (dnmf.path(planted, RANK, L1, (0, 0.1, 0.3), seeds=n, warm="chain", **CHEAP) for n in (1, 3))
    for strength in one.strengths:
        assert bits(one.model(strength)) == bits(three.model(strength))
    slowest = [max(row.passes for row in three.rows if row.strength == strength) for strength in three.strengths]
    assert three.passes == sum(slowest)


# ---- what is on disk ----


def test_each_model_lies_in_a_store_of_its_own_with_its_W(found, planted):
    path, _ = found
    for cell, model in path.models.items():
        alone = dnmf.load(path.path / folder_of(cell))
        assert bits(alone) == bits(model)
        assert [array.name for array in alone.path.glob("*.zarr")] == [alone.W_name]
        assert missing_chunks(str(alone.path / alone.W_name)) == 0
        np.testing.assert_allclose(alone.transform(planted).compute(), alone.read_W(), rtol=2e-3, atol=1e-6)
    plain = path.model(0)
    expected = nnls(factor_of(plain) @ factor_of(plain).T, planted @ factor_of(plain).T)
    np.testing.assert_allclose(plain.read_W() * plain.w_scale, expected, rtol=1e-2, atol=1e-3)


def test_a_model_of_a_path_goes_on_under_new_limits_like_any_other(found, stored, tmp_path):
    import shutil

    path, _ = found
    shutil.copytree(path.path / folder_of(Cell(0.1, 0)), tmp_path / "one.dnmf")
    more = dnmf.resume(tmp_path / "one.dnmf", tol=0.0, max_passes=30)
    alone = dnmf.fit(stored, RANK, H=factor_of(path.model(0)), penalty=L1.at(0.1), tol=0.0, max_passes=30)
    assert bits(more) == bits(alone)


def test_a_path_is_loaded_as_it_was_returned(found):
    path, _ = found
    loaded = dnmf.load_path(path.path)
    assert list(map(repr, loaded.rows)) == list(map(repr, path.rows))  # NaN is not itself
    assert (loaded.reads, loaded.passes, loaded.options) == (path.reads, path.passes, path.options)
    assert_same_bits(loaded, path)
    assert bits(dnmf.resume_path(path.path).model(0.1, 1)) == bits(path.model(0.1, 1))
    assert "4 strengths × 2 seeds" in repr(loaded)


def test_a_path_in_memory_is_saved_and_loaded(planted, tmp_path):
    path = dnmf.path(planted, RANK, L1, (0, 0.1), **CHEAP)
    saved = path.save(tmp_path / "p.dnmf")
    assert isinstance(path.model(0).stored_W, np.ndarray)
    assert_same_bits(dnmf.load_path(tmp_path / "p.dnmf"), path)
    assert [row.strength for row in saved.rows] == [0.0, 0.1]
    assert math.isnan(saved.rows[0].kmeans)
    with pytest.raises(CheckpointError, match="already"):
        path.save(tmp_path / "p.dnmf")


def stop_after(number):
    def stop(event):
        if isinstance(event, PathPassDone) and event.number == number:
            raise Interrupted(15, "enough")

    return stop


@pytest.mark.slow
@pytest.mark.parametrize("warm", ["unpenalized", "chain"])
@pytest.mark.parametrize("penalty", [L1, Penalty(l1=2.0, scale="fraction")], ids=["rule", "fraction"])
def test_stopped_after_any_pass_and_resumed_the_bits_are_the_same(planted, tmp_path, warm, penalty):
    options = {"seeds": 2, "warm": warm, "measures": "cheap"}
    whole = dnmf.path(planted, RANK, penalty, (0, 0.1, 0.3), **options)
    for number in range(1, whole.passes + 1, 5):
        store = tmp_path / f"{number}.dnmf"
        with pytest.raises(Interrupted):
            dnmf.path(planted, RANK, penalty, (0, 0.1, 0.3), store=store, callbacks=[stop_after(number)], **options)
        resumed = dnmf.resume_path(store, source=planted)
        assert_same_bits(resumed, whole)
        assert resumed.passes == whole.passes


@pytest.mark.slow
def test_a_path_whose_components_died_begins_again_with_the_strongest_also_after_a_stop(hawaiibirds, tmp_path):
    penalty, options = Penalty(l1=1.0, scale="fraction"), {"warm": "chain", "init": "random", "measures": "cheap"}
    whole = dnmf.path(hawaiibirds, 3, penalty, [0.9, 0.95, 1], **options)
    assert [row.alive for row in whole.rows] == [1, 1, 0]
    assert 0 in [record.alive for record in whole.model(0.9).history]
    for number in range(1, 7):
        store = tmp_path / f"{number}.dnmf"
        with pytest.raises(Interrupted):
            dnmf.path(hawaiibirds, 3, penalty, [0.9, 0.95, 1], store=store, callbacks=[stop_after(number)], **options)
        assert_same_bits(dnmf.resume_path(store, source=hawaiibirds), whole)


def write_as_before(patch):
    """Let states of paths be written with an axis for the models, and with starts by seed."""
    scalars, arrays = StudyState.scalars, StudyState.arrays

    def named_as_before(self):
        found = scalars(self)
        wave = [{**entry, "spare": "spare" in entry.pop("rows")} for entry in found["wave"]]
        return {**found, "wave": wave, "starts": [cell.seed for cell in self.starts]}

    def stacked(self):
        return {
            name: values if name == "strongest" else values.reshape(-1, RANK, values.shape[1])
            for name, values in arrays(self).items()
        }

    patch.setattr(StudyState, "scalars", named_as_before)
    patch.setattr(StudyState, "arrays", stacked)


@pytest.mark.parametrize("warm", ["unpenalized", "chain"])
@pytest.mark.parametrize("scale", quickly(["fraction"], of=["fraction", "objective"]))
def test_a_path_that_an_earlier_version_began_goes_on_with_the_same_bits(planted, tmp_path, monkeypatch, warm, scale):
    asked = (planted, RANK, Penalty(l1=1.0, scale=scale), (0.1, 0.3, 0.5))
    options = {"seeds": [4, 1], "warm": warm, "max_passes": 3, "init": "random", **CHEAP}
    whole = dnmf.path(*asked, **options)
    for number in range(1, whole.passes, 2):
        with monkeypatch.context() as patch:
            write_as_before(patch)
            with pytest.raises(Interrupted):
                dnmf.path(*asked, store=tmp_path / f"{number}.dnmf", callbacks=[stop_after(number)], **options)
        assert_same_bits(dnmf.resume_path(tmp_path / f"{number}.dnmf", source=planted), whole)


def test_a_start_that_was_given_is_still_known_after_a_stop(planted, tmp_path, monkeypatch):
    cap_models(monkeypatch, 1)
    H = np.random.default_rng(3).random((RANK, 80))
    options = {"H": H, "seeds": 2, "measures": "cheap"}
    whole = dnmf.path(planted, RANK, L1, (0, 0.1), **options)
    with pytest.raises(Interrupted):
        dnmf.path(planted, RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", callbacks=[stop_after(1)], **options)
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), whole)


def test_a_path_can_go_on_where_a_pass_holds_fewer_models(planted, tmp_path, monkeypatch):
    options = {"seeds": 2, "measures": "cheap"}
    whole = dnmf.path(planted, RANK, L1, (0, 0.1, 0.3), **options)
    with pytest.raises(Interrupted):
        dnmf.path(planted, RANK, L1, (0, 0.1, 0.3), store=tmp_path / "p.dnmf", callbacks=[stop_after(6)], **options)
    cap_models(monkeypatch, 3)
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), whole)


def test_what_was_not_measured_before_a_stop_is_measured_by_the_resume(stored, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dnmf.paths.doors.measured_rows", fails)
        with pytest.raises(KeyboardInterrupt):
            dnmf.path(stored, RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", **CHEAP)
    with pytest.raises(CheckpointError, match="not finished"):
        dnmf.load_path(tmp_path / "p.dnmf")
    events = []
    resumed = dnmf.resume_path(tmp_path / "p.dnmf", callbacks=[events.append])
    assert not any(isinstance(event, PathPassDone) for event in events)
    assert len(resumed.rows) == 2


def test_a_store_holds_one_thing(found, stored, tmp_path):
    path, _ = found
    with pytest.raises(CheckpointError, match=r"holds a path already with other options \(strengths: .* seed"):
        dnmf.path(stored, RANK, L1, (0, 0.1), store=path.path)
    with pytest.raises(CheckpointError, match="choose another store"):
        dnmf.fit(stored, RANK, store=path.path)
    with pytest.raises(CheckpointError, match="load_path"):
        dnmf.load(path.path)
    with pytest.raises(CheckpointError, match="resume_path"):
        dnmf.resume(path.path)
    dnmf.fit(stored, RANK, store=tmp_path / "run.dnmf", max_passes=1)
    with pytest.raises(CheckpointError, match="single run"):
        dnmf.path(stored, RANK, L1, (0, 0.1), store=tmp_path / "run.dnmf")
    with pytest.raises(CheckpointError, match="single run"):
        dnmf.load_path(tmp_path / "run.dnmf")


def test_a_path_over_data_that_changed_is_refused_unless_forced(planted, tmp_path):
    data = zarr.create_array(tmp_path / "a.zarr", data=planted, chunks=(64, 80))
    with pytest.raises(Interrupted):
        dnmf.path(tmp_path / "a.zarr", RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", callbacks=[stop_after(1)])
    data[:64] = planted[64:128]
    with pytest.raises(CheckpointError, match="force"):
        dnmf.resume_path(tmp_path / "p.dnmf")
    path = dnmf.resume_path(tmp_path / "p.dnmf", force=True)
    changed = np.vstack([planted[64:128], planted[64:]])
    for model in path.models.values():
        product = (model.read_W() * model.d) @ model.H
        error = np.linalg.norm(changed - product) / np.linalg.norm(changed)
        assert error == pytest.approx(model.relative_error, rel=1e-4)


def test_data_that_lay_in_memory_must_be_given_again(planted, tmp_path):
    with pytest.raises(Interrupted):
        dnmf.path(planted, RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", callbacks=[stop_after(1)])
    with pytest.raises(CheckpointError, match=r"dnmf.resume_path\(.*source="):
        dnmf.resume_path(tmp_path / "p.dnmf")


# ---- memory ----


def cap_models(monkeypatch, most):
    def capped(*given, **options):
        plan, machine, models = plan_for_many(*given, **options)
        return plan, machine, min(models, most)

    monkeypatch.setattr("dnmf.workplace.plan_for_many", capped)


def test_in_waves_the_bits_are_the_same(found, stored, monkeypatch):
    path, _ = found
    cap_models(monkeypatch, 4)
    events = []
    again = dnmf.path(stored, RANK, L1, STRENGTHS, seeds=2, callbacks=[events.append], **CHEAP)
    assert_same_bits(again, path)
    assert max(event.models for event in events if isinstance(event, PathPassDone)) == 4
    assert path.reads < again.reads


class OfBytes(InProcess):
    """A machine of so many bytes, of which the process takes none."""

    def __init__(self, memory):
        super().__init__(1)
        self.memory = memory

    def machine(self, memory_bytes, kernels):
        return Machine(1, self.memory, 0)


def planned(memory, wanted):
    source = dnmf.open_source(np.zeros((6000, 3000), np.float32))
    return plan_for_many(OfBytes(memory), source, FitOptions(20), wanted, kept_rows=0, memory_bytes=None)


def test_a_pass_serves_as_many_models_as_memory_holds():
    served = []
    for memory in (2**27, 2**28, 2**29, 2**33):
        plan, machine, models = planned(memory, 40)
        assert plan.need.total <= 0.7 * machine.memory_bytes
        served.append(models)
    assert served == sorted(served)
    assert served[-1] == 40
    assert 1 <= served[0] < served[1] < 40


def test_where_all_fit_the_data_is_cut_as_for_one():
    assert planned(2**33, 40)[0].groups == planned(2**33, 1)[0].groups


def test_what_does_not_fit_even_once_is_refused_with_numbers(stored, tmp_path):
    with pytest.raises(BudgetError, match=r"a worker would need .* MiB"):
        planned(2**22, 5)
    with pytest.raises(BudgetError, match="a worker would need"):
        dnmf.path(stored, RANK, L1, (0, 0.1), memory_limit="64MiB", store=tmp_path / "p.dnmf")
    assert dnmf.path(stored, RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", **CHEAP).rows


def test_every_W_of_a_path_without_a_store_counts(stored, client, monkeypatch):
    monkeypatch.setattr("dnmf.workplace.MOST_GATHERED_BYTES", 5 * 600 * RANK * 4)
    assert len(dnmf.path(stored, RANK, L1, (0, 0.1, 0.2), client=client, **CHEAP).rows) == 3
    with pytest.raises(BudgetError, match="store="):
        dnmf.path(stored, RANK, L1, (0, 0.1, 0.2), seeds=2, client=client)


# ---- what is measured ----


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


# ---- a fit that tries to do without a component ----


def test_a_fit_resumed_while_it_tries_to_do_without_a_component_has_the_same_bits(tmp_path):
    A, H = toys.three_gaussians()
    options = {"H": H, "penalty": Penalty(l1=1.0, scale="objective"), "dtype": "float64", "tol": 1e-8,
               "max_passes": 500, "prune": "refit"}  # fmt: skip
    whole = dnmf.fit(A, 3, **options)
    first_trial = next(record.number for record in whole.history if record.trial)

    def stop(event):
        if getattr(event, "record", None) and event.record.number == first_trial - 1:
            raise Interrupted(15, "enough")

    with pytest.raises(Interrupted):
        dnmf.fit(A, 3, store=tmp_path / "run.dnmf", callbacks=[stop], **options)
    resumed = dnmf.resume(tmp_path / "run.dnmf", source=A)
    assert [replace(r, seconds=0, read_s=0, compute_s=0) for r in resumed.history] == [
        replace(r, seconds=0, read_s=0, compute_s=0) for r in whole.history
    ]
    assert bits(resumed) == bits(whole)
