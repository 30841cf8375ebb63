"""Tasks that memory has no room for together wait for each other."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from dnmf.giving_way import Pace
from dnmf.passes import visit
from dnmf.passes.turns import Turns
from dnmf.passes.visitors.given import UseGivenRows
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.sources import open_source


class Crowd:
    """Counts who is inside, and the most there ever were."""

    def __init__(self, turns):
        self.turns, self.lock = turns, threading.Lock()
        self.inside, self.most, self.broken = [], 0, 0

    def enter(self, limit, until=None):
        with self.turns.turn(limit):
            with self.lock:
                self.inside.append(limit)
                self.most = max(self.most, len(self.inside))
                self.broken += len(self.inside) > min(self.inside)
            if until is not None:
                until()
            with self.lock:
                self.inside.remove(limit)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_so_many_are_inside_at_once_and_no_more(limit):
    crowd, together = Crowd(Turns()), threading.Barrier(limit)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(crowd.enter, limit, lambda: together.wait(20)) for _ in range(4 * limit)]:
            done.result(60)
    assert crowd.most == limit
    assert crowd.broken == 0


def test_whoever_must_be_alone_is_and_all_get_their_turn():
    crowd = Crowd(Turns())
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(crowd.enter, (1, 2, 8)[number % 3]) for number in range(300)]:
            done.result(60)
    assert crowd.broken == 0
    assert crowd.turns._inside == []


def test_a_turn_ends_with_an_error_too():
    turns = Turns()
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), turns.turn(1):
            raise ValueError("inside")
    with turns.turn(1):
        pass


def test_a_task_that_waits_holds_no_rows_and_its_seconds_do_not_count(monkeypatch):
    source, read, now = open_source(np.ones((20, 3))), [], [0.0]
    monkeypatch.setattr(visit, "TURNS", Turns())
    monkeypatch.setattr(visit, "time", SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: now[0]))
    monkeypatch.setattr(type(source), "read", lambda _self, *span: read.append(span) or np.ones((10, 3)))
    group, work = Group(0, 10, ((0, 10),), Pace(at_once=1)), Work((UseGivenRows(1),), "float64")
    with ThreadPoolExecutor(1) as pool:
        with visit.TURNS.turn(1):
            waiting = pool.submit(visit.visit_group, source, group, work, np.ones((10, 1)))
            while not visit.TURNS._waiting:
                time.sleep(0.001)
            assert read == []
            now[0] = 1000.0
        done = waiting.result(60)
    assert read == [(0, 10)]
    assert done.read_s + done.compute_s == 0
