"""How long a pass is waited for that does not get on, by a clock that the test moves."""

import pytest

from dnmf.errors import ClusterError
from dnmf.passes.patience import MOST_LOST, MOST_LOST_OF_EACH, Patience

RUNNING, PAUSED = (
    {"tcp://a:1": {"status": "running"}},
    {"tcp://a:1": {"status": "paused", "metrics": {"memory": 2**30}}},
)


def running(count):
    return {f"tcp://a:{port}": {"status": "running"} for port in range(count)}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def patience(clock, told):
    return Patience("the cluster", 120.0, lambda *found: told.append(found), clock)


def test_a_pass_with_a_worker_that_runs_is_waited_for_as_long_as_it_takes(patience, clock, told):
    for clock.now in range(0, 10**6, 1000):
        patience.look(RUNNING, lost=0, done=0)
    assert told == []


@pytest.mark.parametrize(("workers", "found"), [({}, "none is left"), (PAUSED, "tcp://a:1: paused, 1.0 GiB")])
def test_a_pass_that_stands_still_is_told_of_and_given_up_in_the_end(patience, clock, told, workers, found):
    for clock.now in (5, 65, 125):
        patience.look(workers, lost=0, done=0)
    assert told == [(len(workers), float(seconds), 120.0) for seconds in (0, 60, 120)]
    clock.now = 126
    with pytest.raises(ClusterError, match=rf"no worker has been running for 120 s \({found}\)"):
        patience.look(workers, lost=0, done=0)


def test_a_worker_that_comes_back_in_between_is_enough(patience, clock):
    for clock.now in range(0, 1000, 100):
        patience.look(RUNNING if clock.now % 200 else {}, lost=0, done=0)


def test_workers_that_die_faster_than_the_pass_gets_on_are_an_error(patience):
    most = MOST_LOST + MOST_LOST_OF_EACH
    patience.look(RUNNING, lost=0, done=0)
    patience.look(RUNNING, lost=most, done=0)
    with pytest.raises(ClusterError, match=rf"{most + 1} workers died and not one task more was done.*resume"):
        patience.look(RUNNING, lost=most + 1, done=0)


def test_workers_may_die_as_often_as_they_like_while_the_pass_gets_on(patience):
    for number in range(500):
        patience.look(RUNNING, lost=number * MOST_LOST, done=number)


def test_where_nobody_can_know_how_far_a_pass_is_deaths_are_no_sign(patience):
    for lost in range(500):
        patience.look(RUNNING, lost=lost, done=None)


def test_there_is_more_patience_with_many_workers(patience):
    patience.look(running(100), lost=0, done=0)
    patience.look(running(100), lost=MOST_LOST + 100 * MOST_LOST_OF_EACH, done=0)


@pytest.mark.parametrize("workers", [20, 64])
def test_all_workers_may_be_lost_at_once_and_come_back(patience, workers):
    for lost in range(0, 3 * workers, workers):
        patience.look(running(workers), lost=lost, done=0)
        patience.look({}, lost=lost + workers, done=0)
    with pytest.raises(ClusterError, match="not one task more was done"):
        patience.look(running(workers), lost=MOST_LOST + MOST_LOST_OF_EACH * workers + 1, done=0)


def test_so_may_those_that_the_scheduler_says_to_have_left_a_moment_late(patience):
    patience.look(running(20), lost=0, done=0)
    patience.look({}, lost=2, done=5)
    patience.look({}, lost=20, done=5)


def test_those_lost_before_anybody_counted_workers_are_no_sign(patience):
    patience.look({}, lost=64, done=0)
    patience.look(running(5), lost=64, done=0)


def test_patience_is_that_with_the_workers_there_were_since_the_pass_got_on(patience):
    patience.look(running(100), lost=0, done=0)
    patience.look(RUNNING, lost=99, done=1)
    patience.look(RUNNING, lost=99, done=2)
    with pytest.raises(ClusterError, match="16 workers died"):
        patience.look(RUNNING, lost=115, done=2)
