"""What a model of many nodes is given: data, a cluster, and what was measured of one machine."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dnmf.memory import Machine
from dnmf.sources.source import Layout, even_cuts

GB = 1e9
WORKER = Machine(threads=16, memory_bytes=64 * 2**30, base_bytes=200 * 2**20)
CHUNK_BYTES = 16 * 2**20  # what dnmf convert writes


@dataclass(frozen=True)
class Matrix:
    """Data of a size nobody has to have.

    Attributes
    ----------
    name : str
        For the tables.
    rows, columns : int
        Of the matrix.
    row_bytes : int
        Decoded.
    kind : {"dense", "sparse"}
        Which measured constants apply.
    codec : {"raw", "lz4", "zstd"}
        How it is stored.
    """

    name: str
    rows: int
    columns: int
    row_bytes: int
    kind: str
    codec: str = "lz4"

    @property
    def total_gb(self) -> float:
        """Decoded."""
        return self.rows * self.row_bytes / GB

    def layout(self) -> Layout:
        """Where it may be cut: at its chunks if dense, at every row (or every 2^j-th) if sparse."""
        unit = max(1, CHUNK_BYTES // self.row_bytes) if self.kind == "dense" else 1
        cuts, step = even_cuts(self.rows, unit)
        stored = step * self.row_bytes if self.kind == "dense" else 2 * CHUNK_BYTES
        return Layout(cuts, cuts * self.row_bytes, step, object_bytes=stored)


@dataclass(frozen=True)
class Cluster:
    """Nodes that are alike, one worker each. Nothing of this was measured: put in yours.

    Attributes
    ----------
    nodes : int
        Workers.
    cores : int
        Threads of each.
    store_gb_s : float
        What one node reads from where the data lies, compressed bytes.
    network_gb_s : float
        What one node sends, and at the same time receives.
    shared_gb_s : float
        What the store gives all nodes together.
    memory_bytes : int
        Of each.
    """

    nodes: int
    cores: int = 16
    store_gb_s: float = 1.0
    network_gb_s: float = 1.25
    shared_gb_s: float = math.inf
    memory_bytes: int = WORKER.memory_bytes

    @property
    def slots(self) -> int:
        """Threads in all."""
        return self.nodes * self.cores


@dataclass(frozen=True)
class Constants:
    """What was measured, in CPU seconds.

    Attributes
    ----------
    decode : dict
        Seconds a decoded GB, by kind and codec.
    stored : dict
        Stored bytes a decoded byte, by kind and codec.
    compute : dict
        Seconds a decoded GB, by kind and rank.
    start_s : float
        Of a task, before the first visit begins: client and scheduler.
    run_s, run_s_per_worker : float
        Of a task, while visits run: scheduler, and what is added for each worker there is.
    level_s : float
        Of a level of the tree when nothing else runs: an end is heard of, the next addition begins.
    add_s : float
        To add a GB of statistics to another.
    wire_s : float
        To send and receive a GB between workers.
    update_s : float
        Of the update of H, for each of n·k².
    """

    decode: dict[str, dict[str, float]]
    stored: dict[str, dict[str, float]]
    compute: dict[str, dict[str, float]]
    start_s: float
    run_s: float
    run_s_per_worker: float
    level_s: float
    add_s: float
    wire_s: float
    update_s: float

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Constants":
        """The constants in a record that may hold more."""
        return cls(**{each.name: record[each.name] for each in fields(cls)})

    def compute_s(self, kind: str, rank: int) -> float:
        """Seconds a decoded GB: a line through the measured ranks, or its ends."""
        ranks = sorted(int(measured) for measured in self.compute[kind])
        return float(np.interp(rank, ranks, [self.compute[kind][str(measured)] for measured in ranks]))
