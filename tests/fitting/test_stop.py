"""When a fit ends: components that stay, and time that is over."""

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf.errors import InputError
from dnmf.fitting.history import reads_within
from dnmf.fitting.moves import moved_most
from dnmf.fitting.stop import PASSES, SECONDS, Deadline

A = np.random.default_rng(0).random((60, 15))


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([[1, 2], [3, 0]], [[2, 4], [1, 0]], 0.0),
        ([[1, 0], [3, 0]], [[0, 1], [3, 0]], 1.0),
        ([[0, 0], [3, 0]], [[0, 0], [3, 0]], 0.0),
        ([[0, 0], [3, 0]], [[1, 0], [3, 0]], 1.0),
        ([[1, 0], [3, 0]], [[0, 0], [3, 0]], 1.0),
        ([[1, 1], [3, 0]], [[1, 0], [3, 0]], 1 - np.sqrt(0.5)),
    ],
)
def test_the_component_that_turned_most_decides_whatever_its_scale(before, after, change):
    assert moved_most(np.array(before, np.float32), np.array(after, np.float32)) == pytest.approx(change, abs=1e-12)


@pytest.mark.parametrize(
    ("seconds", "now", "of_a_pass", "near"),
    [(None, 1e9, 1e9, False), (10, 0, 5, False), (10, 0, 5.1, True), (10, 9, 0.4, False), (10, 11, 0, True)],
)
def test_a_deadline_is_near_where_one_more_pass_is_in_time_and_two_are_not(seconds, now, of_a_pass, near):
    times = [0.0]
    deadline = Deadline(seconds, clock=lambda: times[-1])
    times.append(float(now))
    assert deadline.is_near(of_a_pass) is near


def test_a_fit_whose_time_is_over_is_whole_and_goes_on_as_if_it_had_never_ended(tmp_path):
    in_time = dnmf.fit(A, 3, store=tmp_path / "run.dnmf", max_seconds=1e-9, seed=1)
    assert (in_time.stop_reason, len(in_time.history)) == ("max_seconds", 1)
    assert in_time.read_W().shape == (60, 3)
    went_on, whole = dnmf.resume(tmp_path / "run.dnmf", source=A, max_seconds=1e6), dnmf.fit(A, 3, seed=1)
    assert went_on.stop_reason == whole.stop_reason
    assert np.array_equal(went_on.H, whole.H)
    assert np.array_equal(went_on.read_W(), whole.read_W())


class TwoPasses:
    """A deadline that is near after two passes."""

    def __init__(self, seconds):
        del seconds
        self.asked = 0

    def is_near(self, pass_seconds):
        del pass_seconds
        self.asked += 1
        return self.asked > 2


@pytest.mark.slow
def test_seconds_count_anew_also_where_they_are_as_many_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr("dnmf.workplace.Deadline", TwoPasses)
    passes = [len(dnmf.fit(A, 3, store=tmp_path / "run.dnmf", max_seconds=60, tol=0.0).history)]
    passes += [len(dnmf.resume(tmp_path / "run.dnmf", source=A, max_seconds=60).history) for _ in range(2)]
    assert passes == [3, 5, 7]


def test_a_limit_of_seconds_can_be_lifted(tmp_path):
    model = dnmf.fit(A, 3, store=tmp_path / "run.dnmf", max_seconds=1e-9, tol=0.0, max_passes=6)
    assert model.stop_reason == SECONDS
    gone_on = dnmf.resume(tmp_path / "run.dnmf", source=A, max_seconds=np.inf)
    assert (gone_on.stop_reason, len(gone_on.history)) == (PASSES, 6)


@pytest.mark.parametrize("seconds", [0, -1, -np.inf, np.nan, "60"])
def test_seconds_that_cannot_be_are_refused(seconds):
    with pytest.raises(InputError, match="max_seconds"):
        dnmf.fit(A, 3, max_seconds=seconds)


def test_where_the_error_was_near_its_end_is_said():
    model = dnmf.fit(A, 3, tol=1e-6, init="random")
    near = model.reads_within(0.002)
    assert 1 <= near < model.reads
    assert model.reads_within(0) == [record.reads for record in model.history if record.accepted][-1]
    later = [record for record in model.history if record.accepted and record.reads >= near]
    assert all(record.relative_error <= 1.002 * model.relative_error for record in later)
    assert np.isnan(reads_within(()))
    for share in (-0.1, np.nan, "x", None):
        with pytest.raises(InputError, match="share="):
            model.reads_within(share)


@pytest.mark.broad(1)
@pytest.mark.parametrize("seed", range(4))
def test_without_a_tolerance_a_fit_goes_on_while_rounding_hides_that_the_objective_falls(seed):
    A = np.abs(np.random.default_rng(seed).standard_normal((20, 10)))
    A[:, ::2] *= 1e-3
    dense, sparse = (
        dnmf.fit(data, 4, init="random", seed=seed, tol=0, max_passes=400, dtype="float64")
        for data in (A, scipy.sparse.csr_array(A))
    )
    assert max(dense.history[-1].gradient, sparse.history[-1].gradient) < 1e-10
    np.testing.assert_allclose(sparse.H, dense.H, rtol=1e-7, atol=1e-10)
