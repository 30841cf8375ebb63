"""A source whose rows are made of those of another one, and what is the same for both."""

import copy
from typing import Any, Self

import numpy as np

from dnmf.sources.kept import Keep
from dnmf.sources.rows import Panel
from dnmf.sources.source import Layout, Source


class OverSource(Source):
    """Hands on what another source says of itself; what is made of its rows is for those who inherit it.

    Parameters
    ----------
    inner : Source
        Where the rows come from.
    """

    def __init__(self, inner: Source):
        self.inner = inner
        self.take_facts(inner)
        self.take_names(inner)
        self.in_memory, self.blocks_are_tasks = inner.in_memory, inner.blocks_are_tasks

    def over(self, inner: Source) -> Self:
        """The same over another source of the same kind, without names."""
        found = copy.copy(self)
        found.inner, found._names = inner, (None, None)
        return found

    def layout(self) -> Layout:
        """That of the source itself."""
        return self.inner.layout()

    def touched_bytes(self, start: int, stop: int, rows: Panel) -> int:
        """Decoded bytes it took to read what the rows are made of."""
        return self.inner.touched_bytes(start, stop, rows)

    def bytes_from_memory(self, start: int, stop: int, rows: Panel) -> int:
        """What of them an earlier task had left in memory."""
        return self.inner.bytes_from_memory(start, stop, rows)

    def fingerprint(self) -> dict[str, Any]:
        """That of the source itself."""
        return self.inner.fingerprint()

    def said(self) -> dict[str, Any]:
        """What was said of the entries of the source itself."""
        return self.inner.said()

    def side_weights(self) -> dict[str, np.ndarray]:
        """Those of the source itself."""
        return self.inner.side_weights()

    def bytes_in_memory(self) -> int:
        """Those of the source itself."""
        return self.inner.bytes_in_memory()

    def stored_arrays(self) -> tuple[Any, ...]:
        """Those of the source itself."""
        return self.inner.stored_arrays()

    def places(self) -> list[str]:
        """Those of the source itself."""
        return self.inner.places()

    def for_rows(self, start: int, stop: int) -> Self:
        """The same for a part of the rows."""
        return self.over(self.inner.for_rows(start, stop))

    def without_names(self) -> Self:
        """The same without names."""
        return self.over(self.inner.without_names())

    def keeping_borders(self, keep: Keep) -> Self:
        """The same over a source that leaves the stored objects at its ends in memory for its neighbours."""
        keeps = getattr(self.inner, "keeping_borders", None)
        return self if keeps is None else self.over(keeps(keep))

    def blocks(self) -> list[Any]:
        """Those of the source itself."""
        return self.inner.blocks()

    def with_blocks(self, computed: list[Any]) -> Self:
        """The same with its blocks computed."""
        return self.over(self.inner.with_blocks(computed))  # type: ignore[attr-defined]

    def place_of_entry(self, row: int, column: int) -> tuple[int, int]:
        """Where the source itself has an entry."""
        return self.inner.place_of_entry(row, column)

    @property
    def nonzeros(self) -> int | None:
        """Stored entries, where the values are sparse and tell."""
        return getattr(self.inner, "nonzeros", None)
