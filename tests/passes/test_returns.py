"""Workers say which tasks of a pass are done: each of a few, of very many one for its neighbours."""

import pytest

from dnmf.passes import returns
from dnmf.passes.executor import ignore
from dnmf.passes.returns import MOST_WORDS, Returns


class Scheduler:
    """A client, and the worker of it, of which one hears what the other says."""

    status, id = "running", "Client-1"

    def __init__(self):
        self.words = 0

    def subscribe_topic(self, topic, handler):
        self._handler = handler

    def unsubscribe_topic(self, topic):
        pass

    def log_event(self, topic, word):
        self.words += 1
        self._handler((0.0, word))


@pytest.fixture
def scheduler(monkeypatch):
    made = Scheduler()
    monkeypatch.setattr(returns, "get_worker", lambda: made)
    return made


@pytest.mark.parametrize("tasks", [1, 7, MOST_WORDS, MOST_WORDS + 1, 3000])
def test_every_task_is_told_of_once_in_few_words(scheduler, tasks):
    heard, done = Returns(scheduler), []
    to = heard.expect(done.append, tasks)
    for number in [*range(tasks), *range(tasks)]:  # some are run again
        to.say(number)
    heard.tell()
    assert done == list(range(tasks - tasks % to.every))  # the last ones are told of by the end of the pass
    assert len(done) > tasks - max(1, 0.02 * tasks)
    assert scheduler.words <= 2 * MOST_WORDS


def test_what_an_earlier_pass_says_late_is_not_heard(scheduler):
    heard, done = Returns(scheduler), []
    earlier = heard.expect(done.append, 3)
    now = heard.expect(done.append, 3)
    earlier.say(0)
    now.say(2)
    heard.tell()
    assert done == [2]


def test_what_is_done_once_more_counts_when_a_pass_is_run_again_and_is_not_told_of(scheduler):
    heard, done = Returns(scheduler), []
    to = heard.expect(done.append, 3)
    for number in (0, 1):
        to.say(number)
    heard.tell()
    assert heard.count == 2
    heard.begin_again()
    assert heard.count == 0
    for number in (1, 2):
        to.say(number)
    heard.tell()
    assert (heard.count, done) == (2, [0, 1, 2])


def test_it_is_known_how_far_a_pass_is_though_nobody_wants_to_know(scheduler):
    heard = Returns(scheduler)
    heard.expect(ignore, 10).say(3)
    heard.tell()
    assert (heard.count, heard.expected) == (1, False)


def test_nobody_can_know_how_far_a_pass_is_that_waits_for_tasks_of_others(scheduler):
    heard, done = Returns(scheduler), []
    heard.expect(done.append, 10, counts=False).say(3)
    heard.tell()
    assert (heard.count, done) == (None, [3])


def test_nobody_speaks_where_nobody_wants_to_know_or_can(scheduler):
    assert Returns(scheduler).expect(ignore, 10, counts=False) is None
