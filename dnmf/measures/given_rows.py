"""Rows of a W that lies on disk, for whoever visits the rows of the data: read where they are needed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.model import Model


@dataclass(frozen=True)
class RowsOnDemand:
    """Rows `start:stop` of a stored W, in the place of an array of them: a task takes along where they are.

    Attributes
    ----------
    W : StoredFactor
        All rows.
    start, stop : int
        Which these are.
    held : list or None
        The chunk that was read last, for all parts of one part; None for all rows.
    """

    W: Any
    start: int
    stop: int
    held: list[tuple[int, np.ndarray]] | None = None

    def __getitem__(self, rows: slice) -> "RowsOnDemand":
        low, high, _ = rows.indices(self.stop - self.start)
        held = [] if self.held is None else self.held
        return RowsOnDemand(self.W, self.start + low, self.start + high, held)

    def astype(self, dtype: Any) -> np.ndarray:
        """Read them."""
        step, found = self.W.chunks[0], []
        for at in range(self.start // step * step, self.stop, step):
            chunk = self._chunk(at, step)
            found.append(chunk[max(0, self.start - at) : self.stop - at])
        return np.concatenate(found).astype(dtype)

    def _chunk(self, at: int, step: int) -> np.ndarray:
        """Blocks are smaller than chunks: the same one is asked for many times in a row."""
        held = [] if self.held is None else self.held
        if not held or held[0][0] != at:
            held[:] = [(at, self.W.read(at, min(at + step, len(self.W))))]
        return held[0][1]


def stored_rows(model: Model) -> Any:
    """Return the rows of W as a model has them stored, to be given to a pass: in memory, or read where needed."""
    W = model.stored_W
    return W if isinstance(W, np.ndarray) else RowsOnDemand(W, 0, len(W))
