"""Many workers of a dask scheduler in one process, which sleep instead of working.

``python -m benchmarks.sleeping_workers ADDRESS WORKERS THREADS``, a child of :mod:`benchmarks.simulated_cluster`.
A thousand real workers would be a thousand processes. What the scheduler sees of a worker are messages, and these
send the same ones at the same moments: a task that is to run is answered, after the sleep its source asks for, by
a task that is done; inputs that lie elsewhere are claimed at once, as if they had been fetched; heartbeats come as
often as the scheduler asks; a task that waits can be stolen. No data travels between them.
"""

import asyncio
import sys
import time
from collections import deque
from typing import Any

from distributed.batched import BatchedSend
from distributed.comm import CommClosedError, connect
from distributed.core import rpc
from distributed.protocol.pickle import dumps
from distributed.versions import get_versions

from benchmarks.simulated_cluster import SleepingSource
from dnmf.passes.statistics import Statistics

PORT = 8000  # of addresses nobody calls
SEND_EVERY_S = 0.002  # as workers do
NBYTES = 5000
RESULT_TYPE = dumps(Statistics)
METRICS: dict[str, Any] = {
    "bandwidth": {"total": 1e9, "workers": {}, "types": {}},
    "digests_total_since_heartbeat": {},
    "memory": 2**27,
    "spilled_bytes": {"memory": 0, "disk": 0},
    "managed_bytes": 0,
    "task_counts": {},
    "transfer": {},
    "event_loop_interval": 0.02,
    "num_fds": 1,
    "cpu": 0.0,
    "time": 0.0,
}


class SleepingWorker:
    """What a scheduler takes for a worker on a machine of its own.

    Parameters
    ----------
    scheduler : str
        Its address.
    number : int
        Among the workers.
    threads : int
        Tasks it runs at once.
    """

    def __init__(self, scheduler: str, number: int, threads: int):
        self.scheduler, self.number, self.threads = scheduler, number, threads
        self.address = f"tcp://10.0.{number // 256}.{number % 256}:{PORT}"
        self._waiting: deque[tuple[str, int, float]] = deque()
        self._known: dict[str, int] = {}
        self._held: set[str] = set()
        self._out = BatchedSend(interval=SEND_EVERY_S)
        self._comm: Any = None

    async def register(self, versions: dict[str, Any]) -> None:
        """Become known to the scheduler."""
        self._comm = await connect(self.scheduler)
        await self._comm.write({
            "op": "register-worker", "reply": False, "address": self.address, "resolve_address": False,
            "status": "running", "nthreads": self.threads, "name": self.number, "now": time.time(), "resources": {},
            "memory_limit": 2**34, "local_directory": "", "services": {}, "nanny": None, "versions": versions,
            "metrics": METRICS, "extra": {}, "stimulus_id": f"connect-{time.time()}", "server_id": f"s-{self.number}",
        })  # fmt: skip
        answer = await self._comm.read()
        if answer["status"] != "OK":
            raise RuntimeError(f"the scheduler does not take a simulated worker: {answer}")
        self._out.start(self._comm)

    async def serve(self) -> None:
        """Do what the scheduler says until it hangs up."""
        while True:
            try:
                messages = await self._comm.read()
            except CommClosedError:
                return
            for message in messages:
                self._handle(message)
            self._begin()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["op"] == "compute-task":
            self._claim([key for key in message["who_has"] if key not in self._held])
            self._known[message["key"]] = message["run_id"]
            self._waiting.append((message["key"], message["run_id"], _sleep_of(message["run_spec"])))
        elif message["op"] in ("free-keys", "remove-replicas"):
            for key in message["keys"]:
                self._held.discard(key)
                self._known.pop(key, None)
        elif message["op"] == "steal-request":
            self._give_up(message["key"], message["stimulus_id"])

    def _claim(self, keys: list[str]) -> None:
        if keys:
            self._held.update(keys)
            self._out.send({"op": "add-keys", "keys": keys, "stimulus_id": f"claim-{time.time()}"})

    def _give_up(self, key: str, request: str) -> None:
        for task in self._waiting:
            if task[0] == key:
                self._waiting.remove(task)
                self._known.pop(key, None)
                state = "ready"
                break
        else:
            state = "executing" if key in self._known else "memory"
        self._out.send({"op": "steal-response", "key": key, "state": state, "stimulus_id": request})

    def _begin(self) -> None:
        while self._waiting and self.threads:
            self.threads -= 1
            key, run, sleep_s = self._waiting.popleft()
            asyncio.get_running_loop().call_later(sleep_s, self._finish, key, run, time.time())

    def _finish(self, key: str, run: int, began: float) -> None:
        self.threads += 1
        if self._known.get(key) == run:
            del self._known[key]
            self._held.add(key)
            self._out.send({
                "op": "task-finished", "status": "OK", "key": key, "run_id": run, "nbytes": NBYTES,
                "type": RESULT_TYPE, "typename": "Statistics", "metadata": {}, "thread": 1,
                "startstops": [{"action": "compute", "start": began, "stop": time.time()}],
                "stimulus_id": f"finished-{time.time()}",
            })  # fmt: skip
        self._begin()


def _sleep_of(task: Any) -> float:
    """Seconds the source of a visit asks for; other tasks take none."""
    return next((each.sleep_s for each in getattr(task, "args", ()) if isinstance(each, SleepingSource)), 0.0)


async def send_heartbeats(scheduler: str, workers: list[SleepingWorker]) -> None:
    """Let the scheduler hear of each worker as often as it asks for."""
    pause_s = 0.5
    async with rpc(scheduler) as calls:
        while True:
            for worker in workers:
                answer = await calls.heartbeat_worker(
                    address=worker.address, resolve_address=False, now=time.time(), metrics=METRICS, executing={},
                    extensions={},
                )  # fmt: skip
                pause_s = answer.get("heartbeat-interval", pause_s)
                await asyncio.sleep(pause_s / len(workers))


async def serve_all(scheduler: str, count: int, threads: int) -> None:
    """Run so many workers until the scheduler is gone."""
    versions = get_versions()
    workers = [SleepingWorker(scheduler, number, threads) for number in range(count)]
    for worker in workers:
        await worker.register(versions)
    heartbeats = asyncio.create_task(send_heartbeats(scheduler, workers))
    await asyncio.gather(*(worker.serve() for worker in workers))
    heartbeats.cancel()
    await asyncio.gather(heartbeats, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(serve_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
