"""From pass to pass: what is accepted, what is taken back, when it stops."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dnmf.fitting.fit import Fit
from dnmf.fitting.state import Initial
from dnmf.fitting.step import advance, first_state, reconsider
from dnmf.options import FitOptions
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.statistics import Statistics
from dnmf.passes.terms import Terms
from dnmf.passes.visit import visit_group
from dnmf.passes.work import Work
from dnmf.penalty import Penalty
from dnmf.plan import Group
from dnmf.schemes.facts import ALL_OBSERVED
from dnmf.schemes.of_options import scheme_of
from dnmf.sources import open_source

pytestmark = pytest.mark.numeric

SOURCE_BYTES = 1000
A = np.random.default_rng(0).random((80, 20))


def one_pass(state, options) -> Statistics:
    work = Work((solve_for_rows(state.H, Terms(*options.penalty.on_W)),), options.dtype, check=state.squares < 0)
    return visit_group(open_source(A), Group(0, 80, ((0, 80),)), work)


def after_pass(state, options, source_bytes):
    fit = Fit(state, options, scheme_of(options, ALL_OBSERVED))
    return advance(fit, one_pass(state, options), source_bytes).state


def under(state, options):
    return reconsider(Fit(state, options, scheme_of(options, ALL_OBSERVED))).state


def fitted(options, passes):
    state = first_state(Initial(np.random.default_rng(1).random((4, 20))), options)
    for _ in range(passes):
        state = after_pass(state, options, SOURCE_BYTES)
    return state


OPTIONS = FitOptions(4, dtype="float64", tol=0.0, max_passes=1000)


@pytest.mark.parametrize("penalty", [Penalty(), Penalty(l1=0.05, l2=0.05, scale="objective")], ids=lambda p: p.scale)
@pytest.mark.parametrize("extrapolate", [True, False])
def test_the_objective_of_accepted_passes_never_rises(penalty, extrapolate):
    history = fitted(replace(OPTIONS, penalty=penalty, extrapolate=extrapolate), 60).history
    objectives = [record.objective for record in history if record.accepted]
    slack = 1e-14 * 0.5 * (A**2).sum()
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(objectives))


def test_extrapolation_reaches_further_in_as_many_passes():
    assert fitted(OPTIONS, 25).objective < fitted(replace(OPTIONS, extrapolate=False), 25).objective


def test_a_risen_objective_is_taken_back_to_the_plain_update():
    state = fitted(OPTIONS, 5)
    assert state.extrapolated
    worse = replace(state, H=np.random.default_rng(9).random((4, 20)))
    after = after_pass(worse, OPTIONS, SOURCE_BYTES)
    assert not after.history[-1].accepted
    assert (state.plain == after.H).all()
    assert after.objective == state.objective
    assert after.beta < state.beta
    assert not after.extrapolated


def test_a_penalty_of_scale_absolute_is_never_extrapolated():
    options = replace(OPTIONS, penalty=Penalty(l1=1e-4, scale="absolute"))
    assert not any(record.extrapolated for record in fitted(options, 6).history)


def test_it_stops_when_neither_the_objective_nor_the_components_move():
    options = replace(OPTIONS, tol=1e-2)
    state = fitted(options, 1)
    while not state.reason:
        state = after_pass(state, options, SOURCE_BYTES)
    assert state.reason == "tol: the components no longer move"
    assert max(state.history[-1].decrease, state.history[-1].change) <= 1e-2
    assert all(max(record.decrease, record.change) > 1e-2 for record in state.history[:-1] if record.accepted)
    assert state.factor is state.plain


def test_how_far_a_component_turned_is_said_of_accepted_passes():
    history = fitted(OPTIONS, 6).history
    assert history[0].change == np.inf
    assert all(0 < record.change < 1 for record in history[1:] if record.accepted)


def test_it_stops_at_a_stationary_point():
    flat = replace(OPTIONS, tol=1e-2)
    state = fitted(OPTIONS, 150)
    near = replace(state, objective=state.objective * 1.1, reason="", extrapolated=False, H=state.plain)
    after = after_pass(near, flat, SOURCE_BYTES)
    assert "gradient" in after.reason


def test_the_last_pass_is_known_one_pass_before():
    options = replace(OPTIONS, max_passes=3)
    assert fitted(options, 1).reason == ""
    assert fitted(options, 2).reason == "max_passes"
    assert first_state(Initial(np.ones((4, 20))), replace(OPTIONS, max_passes=1)).reason == "max_passes"


def test_a_restored_state_obeys_new_limits():
    stopped = fitted(replace(OPTIONS, max_passes=3), 2)
    assert under(stopped, replace(OPTIONS, max_passes=9)).reason == ""
    assert under(fitted(OPTIONS, 2), replace(OPTIONS, max_passes=3)).reason == "max_passes"


def test_new_limits_lead_to_the_bits_of_an_uninterrupted_fit():
    straight = fitted(OPTIONS, 8)
    stopped = fitted(replace(OPTIONS, max_passes=6), 5)
    assert stopped.reason
    state = under(stopped, OPTIONS)
    for _ in range(3):
        state = after_pass(state, OPTIONS, SOURCE_BYTES)
    assert state.H.tobytes() == straight.H.tobytes()
    assert [r.objective for r in state.history] == [r.objective for r in straight.history]


def test_a_plain_pass_that_rises_ends_the_fit_at_the_best_one():
    state = fitted(OPTIONS, 5)
    worse = replace(state, H=np.random.default_rng(9).random((4, 20)), extrapolated=False)
    after = after_pass(worse, OPTIONS, SOURCE_BYTES)
    assert after.reason == "the objective no longer falls"
    assert not after.history[-1].accepted
    assert (after.factor == state.best).all()
    assert after.objective == state.objective


def test_reads_count_the_start():
    state = first_state(Initial(np.random.default_rng(1).random((4, 20)), 500), OPTIONS)
    after = after_pass(state, OPTIONS, A.nbytes)
    assert after.history[0].reads == pytest.approx((500 + A.nbytes) / A.nbytes)
