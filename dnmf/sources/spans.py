"""Rows of a source that are read together where no plan cuts them."""

from collections.abc import Iterator

import numpy as np

from dnmf.sources.source import Layout

BYTES_AT_ONCE = 16 * 2**20


def spans(layout: Layout) -> Iterator[tuple[int, int]]:
    """Yield the first row and the one behind the last of neighbours that decode to 16 MiB at most, or are one piece."""
    at, last = 0, len(layout.cuts) - 1
    while at < last:
        target = layout.bytes_before[at] + BYTES_AT_ONCE
        stop = min(max(int(np.searchsorted(layout.bytes_before, target, side="right")) - 1, at + 1), last)
        yield int(layout.cuts[at]), int(layout.cuts[stop])
        at = stop
