"""What a path has on disk, and how it goes on from there: with the same bits, or not at all."""

import math
from dataclasses import replace

import numpy as np
import pytest
import toys
import zarr
from breadth import quickly
from naive import nnls
from study_bits import CHEAP, L1, RANK, assert_same_bits, bits, cap_models, factor_of, stop_after

import dnmf
from dnmf.errors import CheckpointError, Interrupted
from dnmf.fitting.events import PathPassDone
from dnmf.passes.rows_out import missing_chunks
from dnmf.paths.grid import Cell
from dnmf.penalty import Penalty
from dnmf.studies.state import StudyState
from dnmf.studies.study import folder_of


@pytest.mark.parametrize(
    "init", ["surrogate", *(pytest.param(init, marks=pytest.mark.slow) for init in ("nndsvda", "sample"))]
)
@pytest.mark.slow
def test_models_that_begin_after_a_stop_begin_as_they_would_have(planted, tmp_path, monkeypatch, init):
    cap_models(monkeypatch, 1)
    options = {"strengths": [0, 0.1], "seeds": 2, "init": init, "max_passes": 3, "measures": "cheap"}
    whole = dnmf.path(planted, 3, Penalty(l1=1.0), **options)
    with pytest.raises(dnmf.Interrupted):
        dnmf.path(planted, 3, Penalty(l1=1.0), **options, store=tmp_path / "p.dnmf", callbacks=[stop_after(2)])
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), whole)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_model_of_a_path_goes_on_under_new_limits_like_any_other(found, stored, tmp_path):
    import shutil

    path, _ = found
    shutil.copytree(path.path / folder_of(Cell(0.1, 0)), tmp_path / "one.dnmf")
    more = dnmf.resume(tmp_path / "one.dnmf", tol=0.0, max_passes=30)
    alone = dnmf.fit(stored, RANK, H=factor_of(path.model(0)), penalty=L1.at(0.1), tol=0.0, max_passes=30)
    assert bits(more) == bits(alone)


@pytest.mark.slow
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
@pytest.mark.slow
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


@pytest.mark.slow
def test_a_start_that_was_given_is_still_known_after_a_stop(planted, tmp_path, monkeypatch):
    cap_models(monkeypatch, 1)
    H = np.random.default_rng(3).random((RANK, 80))
    options = {"H": H, "seeds": 2, "measures": "cheap"}
    whole = dnmf.path(planted, RANK, L1, (0, 0.1), **options)
    with pytest.raises(Interrupted):
        dnmf.path(planted, RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", callbacks=[stop_after(1)], **options)
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), whole)


@pytest.mark.slow
def test_a_path_can_go_on_where_a_pass_holds_fewer_models(planted, tmp_path, monkeypatch):
    options = {"seeds": 2, "measures": "cheap"}
    whole = dnmf.path(planted, RANK, L1, (0, 0.1, 0.3), **options)
    with pytest.raises(Interrupted):
        dnmf.path(planted, RANK, L1, (0, 0.1, 0.3), store=tmp_path / "p.dnmf", callbacks=[stop_after(6)], **options)
    cap_models(monkeypatch, 3)
    assert_same_bits(dnmf.resume_path(tmp_path / "p.dnmf", source=planted), whole)


@pytest.mark.slow
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
    with pytest.raises(CheckpointError, match=r"holds a regularization path already with other .*strengths: .* seed"):
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


@pytest.mark.slow
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


@pytest.mark.slow
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
