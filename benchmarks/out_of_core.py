"""``python -m benchmarks.out_of_core``: stores many times a worker's memory, on a cluster of one worker.

For a dense and a CSR store: the peak of the worker against what the plan projected, what was spilled, and the speed
of each pass against that of reading and decoding the same panels in such a worker with nothing else to do.
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.large_stores import STORES
from benchmarks.suite import environment

MIB = 2**20
GOAL = 0.7  # of the speed of reading alone


@dataclass(frozen=True)
class Passage:
    """One pass over the store.

    Attributes
    ----------
    wall_s : float
        From its first task to its last.
    bytes_read : int
        Decoded bytes.
    waited_s, computed_s : float
        Seconds the tasks waited for data and computed.
    """

    wall_s: float
    bytes_read: int
    waited_s: float
    computed_s: float


@dataclass(frozen=True)
class Outcome:
    """What was found for one store.

    Attributes
    ----------
    kind : str
        Of the store.
    shape, rank : tuple of int, int
        Of the problem.
    decoded_bytes, stored_bytes, limit_bytes : int
        Of the data in memory and on disk, and the limit of the worker.
    projected_bytes, peak_bytes, spilled_bytes : int
        What the plan said, what the worker's process took at most, what dask wrote to disk.
    restarts : int
        How often the worker was replaced.
    tasks, panels : int
        Of a pass.
    alone : list of (float, float)
        Wall and CPU seconds of reading everything with nothing else to do, before and after the fit.
    passes : list of Passage
        Of the fit.
    cpu_s : float
        CPU seconds of the worker's process during the fit, its start included.
    relative_error : float
        What the fit came to.
    """

    kind: str
    shape: tuple[int, int]
    rank: int
    decoded_bytes: int
    stored_bytes: int
    limit_bytes: int
    projected_bytes: int
    peak_bytes: int
    spilled_bytes: int
    restarts: int
    tasks: int
    panels: int
    alone: list[tuple[float, float]]
    passes: list[Passage]
    cpu_s: float
    relative_error: float

    @property
    def alone_speed(self) -> float:
        """Decoded bytes a second of reading alone, the faster time."""
        return self.decoded_bytes / min(wall for wall, _ in self.alone)

    def share(self, some: Passage) -> float:
        """The speed of a pass as a share of that."""
        return some.bytes_read / some.wall_s / self.alone_speed


@contextmanager
def one_worker(limit_bytes: int, threads: int = 1) -> Iterator[Any]:
    """Yield a client of a new cluster: one worker, its memory limited and watched."""
    from dnmf.cluster import connect

    with connect("local", workers=1, threads=threads, memory_limit=limit_bytes) as client:
        yield client


def read_alone(source: Any, groups: Sequence[Any]) -> tuple[float, float]:
    """Return the wall and CPU seconds it takes to read what the groups of a plan read, ahead as a pass does."""
    from dnmf.passes.visit import read_ahead

    wall, cpu = time.perf_counter(), time.process_time()
    for group in groups:
        for _ in read_ahead(source.for_rows(group.start, group.stop), group):
            pass
    return time.perf_counter() - wall, time.process_time() - cpu


def measure_reading(path: Path, rank: int, limit_bytes: int) -> tuple[float, float]:
    """Return wall and CPU seconds of :func:`read_alone` on a new worker, for the plan a fit would have there."""
    from dnmf import open_source
    from dnmf.options import FitOptions
    from dnmf.resources import Resources
    from dnmf.workplace import Workplace

    with (
        one_worker(limit_bytes) as client,
        Workplace(open_source(path), FitOptions(rank=rank), Resources(client), stored=True) as place,
    ):
        source, groups = place.source, place.engine.plan.groups
        client.submit(read_alone, source, groups[:1], pure=False).result()
        return client.submit(read_alone, source, groups, pure=False).result()


def questions() -> tuple[Callable[[], int], Callable[..., int]]:
    """Two functions to ask a worker; defined in here they travel by value."""

    def peak_bytes() -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

    def spilled_bytes(dask_worker: Any) -> int:
        return sum(dask_worker.data.spilled_total)

    return peak_bytes, spilled_bytes


def measure_fit(path: Path, rank: int, limit_bytes: int, passes: int) -> dict[str, Any]:
    """Return what a fit on a new worker did, as arguments of an :class:`Outcome`."""
    import dnmf
    from dnmf.fitting.events import Planned, Started

    events: list[Any] = []
    with one_worker(limit_bytes) as client:
        pids, cpu = client.run(os.getpid), max(client.run(time.process_time).values())
        model = dnmf.fit(path, rank, max_passes=passes, tol=0.0, store=path.with_suffix(".dnmf"), client=client,
                         callbacks=(events.append,))  # fmt: skip
        peak, spilled = (max(client.run(question).values()) for question in questions())
        restarts = int(client.run(os.getpid) != pids)
        cpu = max(client.run(time.process_time).values()) - cpu
    plan = next(event for event in events if isinstance(event, Planned))
    start = next(event for event in events if isinstance(event, Started))
    before = [start.reads * plan.total_bytes, *(record.bytes_read for record in model.history)]
    return {
        "shape": plan.shape, "decoded_bytes": plan.total_bytes, "limit_bytes": plan.limit_bytes,
        "projected_bytes": plan.projected_bytes, "peak_bytes": peak, "spilled_bytes": spilled, "restarts": restarts,
        "tasks": plan.tasks, "panels": plan.panels, "relative_error": model.relative_error, "cpu_s": cpu,
        "passes": [
            Passage(record.seconds, round(record.bytes_read - earlier), record.read_s, record.compute_s)
            for record, earlier in zip(model.history, before, strict=False)
        ],
    }  # fmt: skip


def measure(kind: str, folder: Path, chosen: argparse.Namespace) -> Outcome:
    """Write a store, read it, factorize it, read it again, and remove it."""
    path = folder / f"{kind}.zarr"
    STORES[kind](path, chosen.times * chosen.limit)
    stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    alone = [measure_reading(path, chosen.rank, chosen.limit)]
    fitted = measure_fit(path, chosen.rank, chosen.limit, chosen.passes)
    alone.append(measure_reading(path, chosen.rank, chosen.limit))
    shutil.rmtree(path)
    return Outcome(kind=kind, rank=chosen.rank, stored_bytes=stored, alone=alone, **fitted)


def _rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of the table: what they are, and a cell for each store."""
    texts: dict[str, Callable[[Outcome], str]] = {
        "rows × columns, rank": lambda one: f"{one.shape[0]:,} × {one.shape[1]:,}, {one.rank}",
        "data, decoded (on disk)": lambda one: f"{_mib(one.decoded_bytes)} ({_mib(one.stored_bytes)})",
        "limit of the worker": lambda one: _mib(one.limit_bytes),
        "peak: projected": lambda one: _mib(one.projected_bytes),
        "peak: measured": lambda one: _mib(one.peak_bytes),
        "spilled, restarts": lambda one: f"{_mib(one.spilled_bytes)}, {one.restarts}",
        "tasks, panels of a pass": lambda one: f"{one.tasks}, {one.panels}",
        "reading alone, before and after": lambda one: ", ".join(_mb_s(one.decoded_bytes, s) for s, _ in one.alone),
        "CPU s a GB: reading alone": lambda one: ", ".join(f"{s / one.decoded_bytes * 1e9:.2f}" for _, s in one.alone),
        "CPU s a GB: fit, of all it read": lambda one: f"{one.cpu_s / sum(p.bytes_read for p in one.passes) * 1e9:.2f}",
        "relative error": lambda one: f"{one.relative_error:.4f}",
    }
    for name, text in texts.items():
        yield name, [text(one) for one in outcomes]
    for number in range(max(len(one.passes) for one in outcomes)):
        yield f"pass {number + 1}: share of reading alone", [_pass_text(one, number) for one in outcomes]


def _mib(count: int) -> str:
    return f"{count / MIB:,.0f} MiB"


def _mb_s(count: int, seconds: float) -> str:
    return f"{count / seconds / 1e6:,.0f} MB/s"


def _pass_text(one: Outcome, number: int) -> str:
    if number >= len(one.passes):
        return ""
    some = one.passes[number]
    return (
        f"**{one.share(some):.0%}** ({_mb_s(some.bytes_read, some.wall_s)}; {some.wall_s:.1f} s, of which waited for "
        f"data {some.waited_s:.1f}, computed {some.computed_s:.1f})"
    )


def markdown(outcomes: Sequence[Outcome], facts: dict[str, Any]) -> str:
    """Return the page: how it was measured, then the table."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    lines = [
        "# Out of core",
        "",
        "Written by `python -m benchmarks.out_of_core`; do not edit. Each store is written for the measurement, laid",
        "out as `dnmf convert` does (chunks of 16 MiB, lz4, a CRC-32C; csr-zstd as anndata and Zarr 3 compress unless",
        "told otherwise), and factorized on a dask cluster of one worker, a process of one thread whose memory is",
        "limited and watched. A thread of its own reads ahead. Reading alone is the same panels through the same",
        "source on such a worker, read ahead in the same way, with nothing computed; shares are of the faster of two.",
        f"The goal is {GOAL:.0%}. MB are 10⁶ decoded bytes; the system may keep what it can of the files in its page",
        "cache. The first pass also checks every value, the last one writes W. Peaks are the process' largest resident",
        "size, code and libraries included.",
        "",
        f"{facts['date']} · Python {facts['python']} · {versions} · {facts['processors']} processors "
        f"({facts['architecture']})",
        "",
        "| | " + " | ".join(one.kind for one in outcomes) + " |",
        "|---" * (len(outcomes) + 1) + "|",
    ]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in _rows(outcomes)]
    return "\n".join(lines) + "\n"


def write(folder: Path, outcomes: Sequence[Outcome], facts: dict[str, Any]) -> None:
    """Write ``OUT_OF_CORE.md`` and ``out_of_core.json`` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"environment": facts, "outcomes": [asdict(one) for one in outcomes]}
    (folder / "out_of_core.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    replace_part(folder / "OUT_OF_CORE.md", markdown(outcomes, facts))


def replace_part(page: Path, text: str, heading: str = "") -> None:
    """Write a part of a page anew: that under a heading of the second level, or what comes before all of them.

    The other parts stay as they are; a part that was not there yet comes last.
    """
    before, *rest = re.split(
        r"^## (.*)$", page.read_text(encoding="utf-8") if page.exists() else "", flags=re.MULTILINE
    )
    parts = {"": before, **dict(zip(rest[::2], rest[1::2], strict=True)), heading: text}
    bodies = (f"{'## ' if name else ''}{name}\n\n{body.strip()}".strip() for name, body in parts.items())
    page.write_text("\n\n".join(bodies).lstrip() + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    from dnmf.options import parse_bytes

    parser = argparse.ArgumentParser(prog="python -m benchmarks.out_of_core", description=__doc__)
    parser.add_argument("--limit", type=parse_bytes, default=1024 * MIB, help="memory of the worker (1GiB)")
    parser.add_argument("--times", type=int, default=8, help="how many times that the data is (8)")
    parser.add_argument("--rank", type=int, default=20)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--only", choices=sorted(STORES), action="append", help="only this kind of store")
    parser.add_argument("--folder", type=Path, help="where the stores are written (the system's temporary folder)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    chosen = parser.parse_args(arguments)
    outcomes = []
    for kind in chosen.only or STORES:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            outcomes.append(measure(kind, Path(folder), chosen))
        print(f"{kind}: done")
    write(chosen.out, outcomes, environment())
    print(f"wrote {chosen.out / 'OUT_OF_CORE.md'}")


if __name__ == "__main__":
    main()
