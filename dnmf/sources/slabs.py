"""Neighbouring rows that are read together where only some of them are wanted: arithmetic, nothing is read here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dnmf.sources.source import Layout, even_cuts

SLAB_BYTES = 4 * 2**20  # about; never less than what is stored as one object


@dataclass(frozen=True, eq=False)
class Slabs:
    """Which slabs some chosen rows lie in.

    Attributes
    ----------
    borders : ndarray of int64
        The rows of the source at which slabs begin, and the end of the last one.
    rows : ndarray of int64
        The chosen rows, in the order they are wanted in.
    rises : bool
        Whether that is the order they lie in.
    first : int
        The place of the first of them among all that are chosen.
    """

    borders: np.ndarray
    rows: np.ndarray
    rises: bool
    first: int = 0

    @classmethod
    def of(cls, layout: Layout, rows: np.ndarray) -> "Slabs":
        """Return the slabs of a source with this layout: its cuts, where they are far enough apart."""
        finest = layout.cut_for(in_parts=True)
        begins = np.flatnonzero(np.diff(finest.bytes_before[:-1] // SLAB_BYTES, prepend=-1))
        borders = np.append(finest.cuts[begins], finest.cuts[-1])
        return cls(borders, rows, bool((np.diff(rows) > 0).all()))

    def part(self, start: int, stop: int) -> "Slabs":
        """Those of the chosen rows `start:stop`."""
        low, high = self._ends(start, stop)
        return replace(self, borders=self.borders[low : high + 2], rows=self._chosen(start, stop), first=start)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """The rows of the source from the first to the last slab of the chosen rows `start:stop`."""
        low, high = self._ends(start, stop)
        return int(self.borders[low]), int(self.borders[high + 1])

    def read_for(self, start: int, stop: int) -> Iterator[tuple[int, tuple[int, int], np.ndarray]]:
        """Yield each slab that has some of the chosen rows `start:stop`: its number, its rows, and which of them."""
        chosen = self._chosen(start, stop)
        wanted = chosen if self.rises else np.sort(chosen)
        numbers = self._number(wanted)
        begins = np.flatnonzero(np.diff(numbers, prepend=-1))
        for low, high in zip(begins, [*begins[1:], len(wanted)], strict=True):
            number = int(numbers[low])
            span = int(self.borders[number]), int(self.borders[number + 1])
            yield number, span, wanted[low:high] - span[0]

    def order(self, start: int, stop: int) -> np.ndarray | None:
        """The place of each of the chosen rows `start:stop` among those as they lie; None where it is the same."""
        return None if self.rises else np.argsort(np.argsort(self._chosen(start, stop)))

    def held_before(self, start: int) -> int:
        """The slab of the row that is chosen before `start`, of those of a part; -1 where there is none."""
        before = start - self.first
        return int(self._number(self.rows[before - 1])) if before and self.rises else -1

    def layout(self, layout: Layout) -> tuple[Layout, float]:
        """Return where chosen rows may be cut, and the share of what is read that is chosen.

        Their bytes are those of the slabs, which are decoded whole; of data in memory they are those of the rows.
        """
        before = np.interp(self.borders, layout.cuts, layout.bytes_before)
        numbers, of_slab = self._number(self.rows), np.diff(np.rint(before).astype(np.int64))
        counts = np.bincount(numbers, minlength=len(of_slab))
        of_row = of_slab // np.maximum(np.diff(self.borders) if layout.comes_with_task else counts, 1)
        cuts, step = even_cuts(len(self.rows))
        largest = 0 if layout.comes_with_task else int(of_slab.max())  # one at hand, and one that is read
        stored = layout.beside_as_stored
        found = Layout(
            cuts, np.append(0, np.cumsum(of_row[numbers]))[cuts], step,
            comes_with_task=layout.comes_with_task, object_bytes=max(layout.object_bytes, largest),
            in_place=layout.in_place, beside_bytes=layout.beside_bytes + 2 * largest,
            beside_as_stored=None if stored is None else lambda: stored() + 2 * largest,
            made=layout.made,
        )  # fmt: skip
        read = len(self.rows) if layout.comes_with_task else np.diff(self.borders)[counts > 0].sum()
        return found, len(self.rows) / float(read)

    def _chosen(self, start: int, stop: int) -> np.ndarray:
        return self.rows[start - self.first : stop - self.first]

    def _ends(self, start: int, stop: int) -> tuple[int, int]:
        chosen = self._chosen(start, stop)
        low, high = (chosen[0], chosen[-1]) if self.rises else (chosen.min(), chosen.max())
        return int(self._number(low)), int(self._number(high))

    def _number(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.borders, rows, side="right") - 1
