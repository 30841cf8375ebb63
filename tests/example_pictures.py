"""Models and paths made by hand, so that pictures are tested without a fit."""

from dataclasses import dataclass

import numpy as np

from dnmf.fitting.history import PassRecord
from dnmf.model import Model
from dnmf.options import FitOptions

NAN = float("nan")


def history(errors, *, alive=None, undone=()):
    """A record for each error; the passes numbered in `undone` were taken back."""
    alive = alive or [3] * len(errors)
    return tuple(
        PassRecord(
            number=number,
            objective=50 * error**2,
            loss=50 * error**2,
            relative_error=error,
            decrease=0.1,
            gradient=error / 10,
            accepted=number not in undone,
            extrapolated=number > 1,
            alive=left,
            bytes_read=1000 * number,
            reads=number + 0.5,
            seconds=0.25,
            read_s=0.1,
            compute_s=0.2,
        )
        for number, (error, left) in enumerate(zip(errors, alive, strict=True), 1)
    )


def example_model(rank=3, rows=40, columns=12, *, seed=0, dead=(), names=True, **changes):
    """A model of random factors; `dead` components are zero."""
    rng = np.random.default_rng(seed)
    W, H = rng.random((rows, rank)), rng.random((rank, columns)) * (rng.random((rank, columns)) < 0.7)
    H[:, 0] += 0.1
    d = np.sort(1 + 9 * rng.random(rank))[::-1].copy()
    W, H = W / W.sum(axis=0), H / H.sum(axis=1, keepdims=True)
    for number in dead:
        W[:, number], H[number], d[number] = 0, 0, 0
    given = dict(
        history=history([0.5, 0.4, 0.35], alive=[rank - len(dead)] * 3),
        stop_reason="tol: the objective hardly falls",
        column_names=np.array([f"column {at}" for at in range(columns)]) if names else None,
        address="example.zarr",
    )
    return Model(W, d, H, np.ones(rank), d, FitOptions(rank), **{**given, **changes})


class RowsThatCount:
    """A W of many rows that knows how many of them were read."""

    def __init__(self, rows, rank):
        self.shape, self.chunks, self.read = (rows, rank), (65536, rank), 0

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(self.shape[0])
        self.read += stop - start
        return np.full((stop - start, self.shape[1]), 1.0 / self.shape[0], np.float32)


@dataclass(frozen=True)
class Row:
    """One fit of a regularization path."""

    strength: float
    seed: int = 0
    objective: float = 1.0
    relative_error: float = 0.5
    alive: int = 3
    sparsity_W: float = 0.1
    sparsity_H: float = 0.2
    robustness: float = NAN
    cosine: float = 0.4
    cosine_off: float = 0.3
    kmeans: float = NAN
    singular: float = NAN
    passes: int = 5
    reason: str = "tol"


def example_path(strengths=(0.0, 0.01, 0.1, 1.0), seeds=3):
    """Rows whose sparsity of H rises with the strength, a little different for each seed."""
    return [Row(s, seed, sparsity_H=0.2 + s / 2 + 0.01 * seed) for s in strengths for seed in range(seeds)]
