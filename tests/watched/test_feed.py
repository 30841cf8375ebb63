"""A fit tells its scheduler how far it is, waits for nothing, and is stopped by nothing."""

import asyncio
import json
import math
import threading
import time

import dask
import pytest
from example_events import PLANNED, a_pass, the_end
from tornado.ioloop import IOLoop

from dnmf.fitting.events import PassProgress
from dnmf.watched import feed as feeds
from dnmf.watched.feed import Feed

FACTS = {"source": "a.zarr", "rank": 3}


class Listener:
    """A client whose scheduler writes down what it is told."""

    def __init__(self):
        self.id, self.status, self.heard, self.registered = "c", "running", [], 0
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def _run(self):
        asyncio.set_event_loop(asyncio.new_event_loop())
        self.loop = IOLoop.current()
        self.loop.add_callback(self._ready.set)
        self.loop.start()

    async def register_plugin(self, plugin):
        self.registered += 1

    async def log_event(self, topic, message):
        self.heard.append(json.loads(json.dumps(message, allow_nan=False)))

    @property
    def told(self):
        return [told for message in self.heard for told in message["told"]]


class Unknowing(Listener):
    async def register_plugin(self, plugin):
        raise ModuleNotFoundError("No module named 'dnmf'")


class Deaf(Listener):
    async def log_event(self, topic, message):
        raise OSError("gone")


class Frozen(Listener):
    async def log_event(self, topic, message):
        await asyncio.sleep(3600)


@pytest.fixture
def listener():
    client = Listener()
    yield client
    client.loop.add_callback(client.loop.stop)


def progress(rows):
    return PassProgress("pass", 1, rows, 1000, 1.0)


def test_everything_but_older_progress_is_told_in_order(listener):
    feed = Feed(listener, FACTS)
    feed.say(store="a.dnmf")
    for event in (PLANNED, *map(progress, range(500)), a_pass(1, decrease=math.inf), progress(3), the_end(1)):
        feed(event)
    feed.close()
    assert listener.registered == 1
    kinds = [told["type"] for told in listener.told]
    assert [kind for kind in kinds if kind != "progress"] == ["facts", "facts", "planned", "pass", "finished"]
    assert kinds[-2:] == ["progress", "finished"]
    assert {(message["run"], message["client"]) for message in listener.heard} == {(feed._mark, "c")}
    assert listener.told[0]["source"] == "a.zarr"


@pytest.mark.slow
def test_many_events_are_few_messages(listener):
    began, feed = time.monotonic(), Feed(listener, FACTS)
    while time.monotonic() - began < 1.0:
        feed(a_pass(1))
        feed(progress(1))
    feed.close()
    assert len(listener.heard) <= 2 + (time.monotonic() - began) / feeds.EVERY_S


def test_two_fits_have_marks_of_their_own(listener):
    for _ in range(2):
        Feed(listener, FACTS).close()
    assert len({message["run"] for message in listener.heard}) == 2


@pytest.mark.parametrize(
    ("error", "told"), [(OSError("/a/path"), "OSError"), (KeyboardInterrupt(), "KeyboardInterrupt")]
)
def test_a_fit_that_did_not_finish_says_why_without_what_the_error_says(listener, error, told):
    Feed(listener, FACTS).close(error)
    assert listener.told[-1] == {"type": "failed", "error": told}


def test_where_no_plugin_is_taken_it_is_told_all_the_same():
    client = Unknowing()
    Feed(client, FACTS).close()
    assert [told["type"] for told in client.told] == ["facts", "finished"]


@pytest.mark.slow
@pytest.mark.parametrize("client", [Deaf, Frozen])
def test_a_scheduler_that_does_not_answer_holds_up_nothing(client):
    feed, began = Feed(client(), FACTS), time.monotonic()
    for number in range(1000):
        feed(a_pass(number))
    assert time.monotonic() - began < 10  # a thousand round trips that hang would take weeks
    began = time.monotonic()
    feed.close()
    assert time.monotonic() - began < feeds.LAST_WORD_S + 10


def test_a_client_that_is_closed_is_told_nothing(listener):
    listener.status = "closed"
    feed = Feed(listener, FACTS)
    feed(PLANNED)
    feed.close()
    assert listener.heard == []


def test_nothing_is_told_where_nobody_listens_or_it_is_not_wanted(listener):
    assert Feed(None, FACTS).callbacks == ()
    with dask.config.set({feeds.OFF: False}):
        assert Feed(listener, FACTS).callbacks == ()
    assert listener.heard == []
