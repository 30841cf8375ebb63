"""Workers that leave a scheduler unasked are heard of, by all who listen through one client."""

import gc
import threading
import time
import weakref

import pytest
from distributed import Client, LocalCluster

from dnmf.connections.departures import TOPIC, Departures, host_of
from dnmf.connections.topics import topic_of


def event(worker, processing=(), computed=(), *, expected=False, action="remove-worker"):
    said = {"action": action, "worker": worker, "processing-tasks": processing, "lost-computed-tasks": computed}
    return {**said, "expected": expected}


@pytest.fixture(scope="module")
def scheduler():
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def client(scheduler):
    with Client(scheduler, set_as_default=False) as connected:
        yield connected


def until_heard(client, heard, what):
    """Say something until it was heard: what is said before the scheduler knows who listens goes by."""
    deadline = time.monotonic() + 60
    while not heard.wait(0.05):
        assert time.monotonic() < deadline
        client.log_event(TOPIC, what)


def tell(client, *events):
    """Have them told by the scheduler, and return when all were heard through the client."""
    first, last = threading.Event(), threading.Event()
    heard = {"the first one": first, "the last one": last}
    topic = topic_of(client, TOPIC)
    topic.listen(listener := lambda said: heard[said].set() if said in ("the first one", "the last one") else None)
    until_heard(client, first, "the first one")
    for one in events:
        client.log_event(TOPIC, one)
    until_heard(client, last, "the last one")
    topic.leave(listener)


def test_workers_that_leave_unasked_are_heard_of_with_what_they_leave_to_others(client):
    departures = Departures(client, "01")
    departures.begin()
    tell(
        client,
        event(
            "tcp://10.0.0.1:5",
            ["dnmf-visit-1-0123", "dnmf-visit-1-4567", "theirs", "dnmf-work-0-0123", "dnmf-ahead-0-0123"],
            ["dnmf-add-0-1-0123", "dnmf-add-0-1-4567"],
        ),
        event("tcp://10.0.0.2:5", expected=True),  # retired
        event("tcp://10.0.0.3:5", action="add-worker"),
        "a text of somebody",
    )
    assert departures.untold == [("tcp://10.0.0.1:5", 2)]
    (left,) = departures.taken()
    assert left.host == "10.0.0.1"
    assert departures.untold == departures.taken() == []
    departures.end()


def test_executors_of_one_client_share_what_is_heard_until_each_lets_go(client):
    first, second = Departures(client, "01"), Departures(client, "01")
    first.begin()
    second.begin()
    tell(client, event("tcp://a:1"))
    first.end()
    tell(client, event("tcp://b:1"))
    assert [one.worker for one in first.untold] == ["tcp://a:1"]
    assert [one.worker for one in second.untold] == ["tcp://a:1", "tcp://b:1"]
    second.end()
    again = Departures(client, "01")
    again.begin()
    tell(client, event("tcp://c:1"))
    assert [one.worker for one in again.untold] == ["tcp://c:1"]
    again.end()


def test_a_program_that_listens_itself_goes_on_and_nothing_is_heard_here(client):
    heard = threading.Event()
    client.subscribe_topic(TOPIC, lambda event: heard.set())
    departures = Departures(client, "01")
    departures.begin()
    until_heard(client, heard, event("tcp://a:1"))
    assert departures.untold == []
    departures.end()
    heard.clear()
    for number in range(3):  # what would silence it is on its way before these
        client.log_event(TOPIC, number)
    until_heard(client, heard, event("tcp://b:1"))


class Connected:
    """A client that only says whether it is subscribed to the topic."""

    status = "running"

    def __init__(self):
        self._event_handlers, self.hears = {}, False

    def subscribe_topic(self, name, handler):
        self._event_handlers[name], self.hears = handler, True

    def unsubscribe_topic(self, name):
        self.hears = False


@pytest.mark.parametrize("first", ["the program", "the fit"])
def test_a_fit_that_ends_leaves_a_program_its_topic_whoever_listened_first(first):
    client = Connected()
    topic = topic_of(client, TOPIC)
    if first == "the fit":
        topic.listen(print)
    client.subscribe_topic(TOPIC, max)
    if first == "the program":
        topic.listen(print)
    topic.leave(print)
    assert client.hears
    assert client._event_handlers == {TOPIC: max}


def test_one_that_listens_while_another_one_leaves_is_not_left_deaf():
    class Meanwhile(Connected):
        def unsubscribe_topic(self, name):
            other.start()
            other.join(0.2)  # it is done where nothing holds it
            super().unsubscribe_topic(name)

    client = Meanwhile()
    topic = topic_of(client, TOPIC)
    other = threading.Thread(target=topic.listen, args=(max,))
    topic.listen(print)
    topic.leave(print)
    other.join()
    assert client.hears


def test_a_client_is_forgotten_when_it_is_closed(scheduler):
    connected = Client(scheduler, set_as_default=False)
    departures = Departures(connected, "01")
    departures.begin()
    departures.end()
    connected.close()
    topic = weakref.ref(topic_of(connected, TOPIC))
    del departures, connected
    deadline = time.monotonic() + 30
    while topic() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    assert topic() is None


@pytest.mark.parametrize(
    ("address", "host"),
    [("tcp://10.0.0.1:80", "10.0.0.1"), ("tls://[::1]:5", "::1"), ("inproc://1/2/3", "1"), ("", "")],
)
def test_the_host_of_an_address(address, host):
    assert host_of(address) == host
