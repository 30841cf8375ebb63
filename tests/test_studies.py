"""Models that share passes are cells of a grid: each is the fit it would be alone, of whatever rank the others are."""

import numpy as np
import pytest
import zarr
from study_bits import assert_same_bits, bits, cap_models, stop_after
from toy_study import KIND, Cell, Ranks, Toy

import dnmf
from dnmf import record
from dnmf.constraints import checked_constraints
from dnmf.errors import BudgetError, CheckpointError, Interrupted
from dnmf.fitting.events import StudyFinished, StudyPassDone
from dnmf.memory import Machine, Together
from dnmf.options import FitOptions
from dnmf.passes.threads import InProcess
from dnmf.penalty import Penalty
from dnmf.resources import Resources
from dnmf.sources import open_source
from dnmf.starts import choose
from dnmf.starts.choose import plan_for_many
from dnmf.studies.face import fit_study, load_study, resume_study
from dnmf.studies.study import folder_of

RANKS, SEEDS = (2, 4), (0, 1)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(record.STUDIES, KIND, "a toy")


@pytest.fixture(scope="module")
def stored(planted, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "planted.zarr"
    zarr.create_array(path, data=planted, chunks=(64, 80))
    return str(path)


def grid(ranks=RANKS, strengths=(0.0, 0.3), seeds=SEEDS, scale="relative", **options):
    fit = FitOptions(max(ranks), **{"init": "random", "penalty": Penalty(l1=1.0, scale=scale), **options})
    return Ranks(fit, ranks, strengths, seeds)


def found_in(A, study, store=None, callbacks=(), **more):
    source = dnmf.open_source(A)
    resources = Resources(callbacks=tuple(callbacks))
    return fit_study(Toy(), study, source, resources, constraints=checked_constraints(None), store=store, **more)


def resumed(store, source=None):
    return resume_study(Toy(), store, Resources(), source=source, force=False, function="resume_toy")


@pytest.fixture(scope="module")
def whole(planted):
    return found_in(planted, grid())


@pytest.mark.slow
def test_each_model_is_the_fit_it_would_be_alone_bit_for_bit(whole, planted):
    for cell, model in whole.models.items():
        penalty = Penalty(l1=1.0).at(cell.strength)
        before = whole.models[cell._replace(strength=0.0)]
        start = {"H": before.h_scale[:, None] * before.H} if cell.strength else {"init": "random"}
        assert bits(model) == bits(dnmf.fit(planted, cell.rank, seed=cell.seed, penalty=penalty, **start)), cell


def as_if_without_room(make_plan):
    """Plans as where no curvature of columns has room beyond its diagonal."""

    def plan(layout, shape, machine, cuts=None):
        if shape.curvature > shape.rank:
            raise BudgetError("as if there was no room")
        return make_plan(layout, shape, machine, cuts)

    return plan


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize(("room", "ranks"), [(True, (1, 4)), (False, (2, 4))])
def test_the_plan_says_of_all_ranks_whether_curvatures_are_on_their_diagonal(room, ranks, loss, planted, monkeypatch):
    if not room:
        monkeypatch.setattr(choose, "make_plan", as_if_without_room(choose.make_plan))
    holes = np.where(np.random.default_rng(3).random(planted.shape) < 0.2, np.nan, planted)
    source, plans = dnmf.open_source(holes, missing="nan"), []
    how = {"loss": loss, "penalty": Penalty(), "init": "random", "max_passes": 4, "tol": 0.0}
    found = found_in(source, grid(ranks, (0.0,), (0,), **how), callbacks=[plans.append])
    assert any("diagonal" in what for what in plans[0].gave_up) is not room
    for cell, model in found.models.items():
        assert bits(model) == bits(dnmf.fit(source, cell.rank, **how)), cell


def test_models_of_unlike_ranks_share_every_pass(planted):
    events = []
    found = found_in(planted, grid(), callbacks=[events.append])
    passes = [event for event in events if isinstance(event, StudyPassDone)]
    longest = [max(len(m.history) for cell, m in found.models.items() if cell.strength == s) for s in (0.0, 0.3)]
    assert found.passes == len(passes) == sum(longest)
    assert {passes[0].models, passes[longest[0]].models} == {4}
    assert (passes[-1].done, passes[-1].total) == (8, 8)
    assert events[-1] == StudyFinished(8, found.passes, found.reads)


@pytest.mark.parametrize("scale", ["relative", pytest.param("fraction", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_stopped_between_any_passes_and_resumed_the_bits_are_the_same(stored, scale, tmp_path):
    study = grid(scale=scale, max_passes=3, tol=0.0)
    whole = found_in(stored, study)
    for number in range(1, whole.passes + 1):
        store = tmp_path / f"{number}.dnmf"
        with pytest.raises(Interrupted):
            found_in(stored, study, store, [stop_after(number)])
        found = resumed(store)
        assert_same_bits(found, whole)
        assert found.passes == whole.passes
        assert_same_bits(load_study(Toy(), store), whole)


@pytest.mark.broad(2)
@pytest.mark.parametrize("scale", ["relative", "fraction"])
@pytest.mark.parametrize("most", [1, 3])
def test_in_waves_the_bits_are_the_same(planted, monkeypatch, most, scale):
    study, events = grid(scale=scale, max_passes=5), []
    whole = found_in(planted, study)
    cap_models(monkeypatch, most)
    in_waves = found_in(planted, study, callbacks=[events.append])
    assert_same_bits(in_waves, whole)
    assert [in_waves.models[cell].units for cell in whole.models] == [model.units for model in whole.models.values()]
    assert max(event.models for event in events if isinstance(event, StudyPassDone)) == most


@pytest.mark.slow
def test_where_a_pass_serves_fewer_after_a_stop_the_bits_are_the_same(whole, planted, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        found_in(planted, grid(), tmp_path / "s.dnmf", [stop_after(3)])
    cap_models(monkeypatch, 2)
    assert_same_bits(resumed(tmp_path / "s.dnmf", planted), whole)


def test_a_model_waits_for_no_other_than_the_one_it_starts_from():
    study = grid(seeds=(0, 1, 2))
    first = study.next_wave([], models_per_pass=4)
    assert first == study.cells[:4]
    then = study.next_wave(first, models_per_pass=4)
    assert then == [Cell(4, 0.0, 1), Cell(4, 0.0, 2), Cell(2, 0.3, 0), Cell(2, 0.3, 1)]


@pytest.mark.parametrize(
    ("ranks", "models_per_pass", "served", "as_many_as"),
    [
        ((16,), 3, 3, 3),
        ((8, 16), 3, 4, 5),  # 3 × ½ and 1
        ((8, 16), 1, 2, 5),
        ((4, 8), 2, 2, 6),  # rows of factors are padded to 8 numbers
        ((24, 16, 8), 1, 1, 6),
    ],
)
def test_small_models_take_a_smaller_share_of_a_pass(ranks, models_per_pass, served, as_many_as):
    study = grid(ranks, strengths=(0.0,), seeds=(0, 1, 2))
    assert len(study.next_wave([], models_per_pass)) == served
    assert study.largest_models == as_many_as


def test_only_what_others_start_from_is_kept(planted):
    kept = []

    class Watching(Toy):
        def result(self, study, models, run, resources):
            kept.append(dict(run.state.starts))
            return super().result(study, models, run, resources)

    study = grid(max_passes=3)
    fit_study(Watching(), study, dnmf.open_source(planted), Resources(), constraints=checked_constraints(None))
    assert kept == [{}]


@pytest.mark.slow
def test_a_store_holds_one_thing(stored, tmp_path):
    store = tmp_path / "s.dnmf"
    found = found_in(stored, grid(max_passes=2), store)
    assert bits(dnmf.load(store / folder_of(Cell(4, 0.3, 1)))) == bits(found.models[4, 0.3, 1])
    for call in (
        lambda: dnmf.fit(stored, 2, store=store),
        lambda: dnmf.path(stored, 2, Penalty(l1=1), 0.1, store=store),
        lambda: dnmf.load_path(store),
        lambda: dnmf.load(store),
    ):
        with pytest.raises(CheckpointError, match="holds a toy"):
            call()
    with pytest.raises(CheckpointError, match=r"holds a toy already with other options \(seeds"):
        found_in(stored, grid(seeds=(3,), max_passes=2), store)
    found_in(stored, grid(seeds=(3,), max_passes=2), store, overwrite=True)
    assert sorted(place.name for place in store.glob("rank-*")) == sorted(
        folder_of(Cell(rank, strength, 3)) for rank in RANKS for strength in (0.0, 0.3)
    )
    with pytest.raises(CheckpointError, match="another toy was written here"):
        found.models[2, 0.0, 0]


def test_a_plan_has_room_for_all_starts_of_a_fit_and_for_one_W(monkeypatch):
    machine = Machine(2, 2**29, 0, starts=True)
    monkeypatch.setattr(InProcess, "machine", lambda *_: machine)
    source = open_source(np.ones((300, 20_000), np.float32))

    def planned(count, written=1, **options):
        return plan_for_many(
            InProcess(2), source, FitOptions(10, init="random", **options), Together(count, written), kept_rows=0,
            memory_bytes=None,
        )  # fmt: skip

    (alone, _, _), (many, _, together), (_, _, fewer) = planned(1), planned(4, restarts=4), planned(500, restarts=500)
    assert together == 4
    assert many.need.statistics == 4 * alone.need.statistics
    assert many.need.workspace < planned(4, written=4)[0].need.workspace  # of a study every model writes a W
    assert 4 < fewer < 500
