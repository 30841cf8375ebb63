"""What a plan gives up, one thing after the other, where a worker has too little memory for all.

No result changes, but for the last step: where chunks are read in parts, sums are made of other pieces.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dnmf.memory import PANEL_COPIES
from dnmf.sources.source import Layout

MOST_AHEAD = 3  # panels: a chunk of sparse data may hold several of them
AHEAD_BYTES = 32 * 2**20
IN_PARTS = "chunks are read in parts"
NOTHING_AHEAD, GIVEN_BACK = "nothing is read ahead", "freed memory is given back at once"


@dataclass(frozen=True)
class Pace:
    """How the tasks of one worker go about their panels.

    Attributes
    ----------
    ahead : int
        How many panels each reads ahead of the one in work.
    at_once : int
        How many tasks work at once; others wait, and hold nothing of the data.
    beside_bytes : int
        What each holds of the data beside its panels.
    gives_back : bool
        Whether freed memory goes back to the system at once, rather than being kept for the next array.
    """

    ahead: int = 1
    at_once: int = sys.maxsize
    beside_bytes: int = 0
    gives_back: bool = False

    def reading_bytes(self, layout: Layout, panel: int) -> int:
        """Return what a task holds of the data where its largest panel has so many bytes."""
        panel = layout.held_bytes(panel)
        if layout.in_place:
            return (1 + self.ahead) * panel + self.beside_bytes
        return (PANEL_COPIES - 1 + self.ahead) * (panel + self.beside_bytes)

    def gave_up(self, wished: "Pace") -> tuple[str, ...]:
        """Return in words what this pace is without."""
        texts = []
        if self.at_once < wished.at_once:
            some = "one thread works" if self.at_once == 1 else f"{self.at_once} of {wished.at_once} threads work"
            texts.append(f"{some} at a time")
        if wished.ahead and not self.ahead:
            texts.append(NOTHING_AHEAD)
        if self.gives_back:
            texts.append(GIVEN_BACK)
        return tuple(texts)


def dearly(gave_up: Sequence[str]) -> list[str]:
    """Return what of it makes a pass dearer than fewer models at once would be: others only make it wait a little.

    Examples
    --------
    >>> dearly((NOTHING_AHEAD, "one thread works at a time", GIVEN_BACK))
    ['one thread works at a time']
    """
    return [what for what in gave_up if what not in (NOTHING_AHEAD, GIVEN_BACK)]


def most_panels_ahead(layout: Layout, largest: int, of_thread: int) -> int:
    """Return how many panels a thread reads ahead of the one in work: more than one where they are small.

    Parameters
    ----------
    layout : Layout
        Of the source.
    largest : int
        Bytes of the largest panel.
    of_thread : int
        Bytes a thread may take for panels.
    """
    if not layout.in_place:
        return 1
    return max(1, min(MOST_AHEAD, AHEAD_BYTES // largest, of_thread // largest - 1))


def slower_paces(wished: Pace, layout: Layout, *, gives_back: bool) -> Iterator[Pace]:
    """Yield what to try, the dearest last: freed memory given back, nothing read ahead, fewer tasks at once.

    Before anything is given up, what stored bytes take is looked up rather than bounded, and one panel read ahead
    rather than several. Rows that come with their task are there whether it waits or not: for these it is of no use
    to read less ahead, or to wait.

    Parameters
    ----------
    wished : Pace
        The fastest.
    layout : Layout
        Of the source.
    gives_back : bool
        Whether the process can be made to give freed memory back, where it would keep it.
    """
    if not layout.comes_with_task and layout.beside_as_stored is not None:
        wished = replace(wished, beside_bytes=layout.beside_as_stored())
        yield wished
    while wished.ahead > 1 and not layout.comes_with_task:
        wished = replace(wished, ahead=wished.ahead - 1)
        yield wished
    if gives_back:
        wished = replace(wished, gives_back=True)
        yield wished
    if layout.comes_with_task:
        return
    if wished.ahead:
        yield replace(wished, ahead=0)
    for at_once in range(wished.at_once - 1, 0, -1):
        yield replace(wished, ahead=0, at_once=at_once)


def in_words(gave_up: Sequence[str]) -> str:
    """Return what is done without, and why.

    Examples
    --------
    >>> in_words(["one thread works at a time", "nothing is read ahead"])
    'one thread works at a time, nothing is read ahead: for want of memory'
    """
    return f"{', '.join(gave_up)}: for want of memory"
