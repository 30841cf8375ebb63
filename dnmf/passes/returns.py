"""Which tasks of a pass are done, as the workers say it: a few bytes for each, while its result stays where it is.

Futures of the tasks would say it too, but hold every result on a worker until this process lets go of it. A word costs
scheduler and client a third of what a task does; of very many tasks one of some neighbours speaks for all of them.
"""

import contextlib
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from distributed import Client, get_worker

from dnmf.connections.topics import Topic, topic_of
from dnmf.passes.executor import Done, ignore

MOST_WORDS = 100  # of a pass: as exact as a share is shown


@dataclass(frozen=True)
class Address:
    """Where the tasks of a pass say that they are done: a topic of the scheduler, the mark of the pass, and who speaks.

    Of so many neighbours as `every` says the last one speaks.
    """

    topic: str
    mark: str
    every: int = 1

    def say(self, number: int) -> None:
        """Say on a worker that a task is done, where it is one that speaks."""
        if (number + 1) % self.every:
            return
        with contextlib.suppress(ValueError):  # called where there is no worker
            get_worker().log_event(self.topic, [self.mark, number])


class Returns:
    """Hears of tasks that are done, and tells of them in the thread that waits for the pass.

    Parameters
    ----------
    client : distributed.Client
        Of the workers.
    """

    def __init__(self, client: Client):
        self._client, self._mark = client, ""
        self._topic: Topic | None = None
        self._done: Done = ignore
        self._heard: deque[int] = deque()  # filled by the thread of the client
        self._told: set[int] = set()
        self._known: set[int] = set()
        self._counts, self._every = True, 1

    def expect(self, done: Done, tasks: int, *, counts: bool = True) -> Address | None:
        """Return where the `tasks` of the next pass say that they are done; None where nobody wants to know.

        With `counts` it is known how far the pass is, though nobody be told of it. Without, what is waited for takes
        tasks of others besides, which say nothing.
        """
        self._mark, self._done, self._told, self._counts = uuid.uuid4().hex, done, set(), counts
        self._every = max(1, -(-tasks // MOST_WORDS))
        self.begin_again()
        if done is ignore and not counts:
            return None
        name = f"dnmf-{self._client.id}"  # one for all fits of a client: a scheduler forgets no topic
        if self._topic is None:
            topic = topic_of(self._client, name)
            topic.listen(self._hear)
            self._topic = topic
        return Address(name, self._mark, self._every)

    @property
    def expected(self) -> bool:
        """Whether somebody wants to know."""
        return self._done is not ignore

    @property
    def count(self) -> int | None:
        """How many tasks are known to be done since the pass began, or began again; None where nobody can know."""
        return len(self._known) if self._counts else None

    def begin_again(self) -> None:
        """Take note that the pass is run once more: what is done once more counts, and is not told of again."""
        self._heard.clear()
        self._known.clear()

    def tell(self) -> None:
        """Tell of the tasks that were heard of, or spoken for; one that was run again is told of once."""
        while self._heard:
            last = self._heard.popleft()
            for number in range(last + 1 - self._every, last + 1):
                self._known.add(number)
                if number not in self._told:
                    self._told.add(number)
                    self._done(number)

    def close(self) -> None:
        """Hear no more."""
        self._done, topic, self._topic = ignore, self._topic, None
        if topic is not None:
            topic.leave(self._hear)

    def _hear(self, said: Any) -> None:
        mark, number = said
        if mark == self._mark:
            self._heard.append(number)
