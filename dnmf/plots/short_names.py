"""Long names cut to what fits in a picture, so that those that differ still do."""

import unicodedata
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

import numpy as np

MOST = 28  # usual letters, beside an axis
WIDE, WIDE_LETTERS = 1.6, "MW@%—…"
GIVING_WAY = ((0.4, 2), (0.2, 1), (0.0, 0))  # share of the room for a beginning, letters around one that differs


def shortened(text: str, most: float = MOST) -> str:
    """Return a name that fits beside an axis.

    Examples
    --------
    >>> shortened("Black-crowned Night-Heron", 12)
    'Black-crown…'
    """
    text = " ".join(text.split())
    return text if _fits(text, most) else _beginning(text, most - 1).rstrip() + "…"


def told_apart(names: Iterable[str], most: float = MOST) -> dict[str, str]:
    """Return for each name a text that fits: its beginning, or where others begin alike what tells it from them.

    Names that differ by more than white space get different texts; a number where nothing else is left.

    Examples
    --------
    >>> names = ["site-packages/scipy/linalg/decomp.py", "site-packages/scipy/linalg/lapack.py", "os.py"]
    >>> list(told_apart(names, 22).values())
    ['site-pac…lg/decomp.py', 'site-pac…lg/lapack.py', 'os.py']
    >>> list(told_apart([f"the one and only sample of {day}, in the morning" for day in ("May", "June")], 20).values())
    ['the one …f May, i…', 'the one …f June, …']
    """
    given = {name: " ".join(name.split()) for name in names}
    texts = {name: shortened(name, most) for name in given.values()}
    begin_alike = [name for alike in _alike(texts) for name in alike]
    texts.update({name: _around(name, places, most) for name, places in _where_they_differ(begin_alike).items()})
    for alike in _alike(texts):
        marks = {name: f" ({number})" for number, name in enumerate(alike, 1)}
        texts.update({name: _beginning(texts[name], most - len(mark)) + mark for name, mark in marks.items()})
    return {name: texts[whole] for name, whole in given.items()}


def _alike(texts: dict[str, str]) -> list[list[str]]:
    """The names that have the same text, where there are several."""
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(text, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _where_they_differ(names: list[str]) -> dict[str, list[int]]:
    """The places of the letters that tell each name from those that are the same up to there."""
    places: dict[str, list[int]] = {name: [] for name in names}
    groups = [names] if names else []
    while groups:
        names = groups.pop()
        first, by_letter = _first_that_differs(min(names), max(names)), dict[str, list[str]]()
        for name in names:
            places[name].append(first)
            by_letter.setdefault(name[first : first + 1], []).append(name)
        groups += [alike for alike in by_letter.values() if len(alike) > 1]
    return places


def _first_that_differs(low: str, high: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))


def _around(name: str, places: list[int], most: float) -> str:
    """The beginning of a name and the letters around some places, as many as fit."""
    for head, around in GIVING_WAY:
        kept = np.zeros(len(name), bool)
        kept[: len(_beginning(name, head * most)) if head else 0] = True
        for place in places:
            kept[max(0, place - around) : place + 1 + around] = True
        if _fits(_only(name, kept), most):
            return _only(name, _filled(name, kept, most))
    return shortened(name, most)


def _filled(name: str, kept: np.ndarray, most: float) -> np.ndarray:
    """What is kept and what follows its last part, then what goes before that, as far as there is room."""
    kept, last = kept.copy(), int(np.flatnonzero(kept)[-1])
    start = max(np.flatnonzero(~kept[:last]), default=-1)
    room = most - sum(map(_width, _only(name, kept)))
    for at in (*range(last + 1, len(name)), *range(start, -1, -1)):
        kept[at] = True
        closes_a_gap = kept[at - 1] if at < last else at == len(name) - 1
        room -= _width(name[at]) - (WIDE if closes_a_gap else 0.0)
        if room < 0:
            kept[at] = False
            break
    return kept


def _only(name: str, kept: np.ndarray) -> str:
    """The letters of a name that are kept, a gap in the place of others."""
    parts = groupby(zip(name, kept.tolist(), strict=True), key=itemgetter(1))
    return "".join("".join(letter for letter, _ in part) if is_kept else "…" for is_kept, part in parts)


def _fits(text: str, most: float) -> bool:
    return len(text) <= most and sum(map(_width, text)) <= most


def _beginning(text: str, most: float) -> str:
    """As many letters as fit, one at least."""
    widths = np.cumsum([_width(letter) for letter in text[: int(most) + 1]])
    return text[: max(1, int(np.searchsorted(widths, most, side="right")))]


def _width(letter: str) -> float:
    """How wide a letter is, measured by usual ones."""
    return WIDE if letter in WIDE_LETTERS or unicodedata.east_asian_width(letter) in "WF" else 1.0
