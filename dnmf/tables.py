"""What a model says of itself in small tables: its strongest columns or rows, and a summary for notebooks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, NamedTuple, TypeVar, overload

import numpy as np

from dnmf.amounts import percent
from dnmf.errors import InputError
from dnmf.sources.joined_labels import JoinedLabels
from dnmf.sources.label_values import in_short
from dnmf.sources.names import names_to_show

NAMED_IN_SUMMARY = 5
Listed = TypeVar("Listed")


class Entry(NamedTuple):
    """One of the strongest entries of a component.

    Attributes
    ----------
    component : int
        0 is the strongest component.
    place : int
        0 is the strongest entry of the component.
    number : int
        The column (or row) of the matrix.
    name : str
        Its name; its number where there are no names.
    share : float
        Of the component: its row of H, or column of W, sums to one.
    """

    component: int
    place: int
    number: int
    name: str
    share: float


class Listing(Sequence[Listed]):
    """Entries in order, all of one kind.

    Attributes
    ----------
    entries : tuple
        All of them.
    fields : tuple of str
        What each of them has.
    """

    entries: tuple[Listed, ...]
    fields: ClassVar[tuple[str, ...]]

    @overload
    def __getitem__(self, index: int) -> Listed: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Listed, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def to_pandas(self) -> Any:
        """Return the entries as a pandas DataFrame with a column for each field."""
        try:
            import pandas
        except ImportError as error:
            raise InputError("a DataFrame needs pandas: pip install pandas") from error
        return pandas.DataFrame(list(self.entries), columns=list(self.fields))


@dataclass(frozen=True, repr=False)
class Table(Listing[Entry]):
    """The strongest columns or rows of each component: a sequence of :class:`Entry`, by component and place.

    Attributes
    ----------
    entries : tuple of Entry
        All of them.
    what : str
        What they are, ``"column"``, ``"row"``, or the name of an axis.
    """

    fields = Entry._fields
    entries: tuple[Entry, ...]
    what: str

    def of(self, component: int) -> list[Entry]:
        """Return the entries of one component; none where it is zero."""
        return [entry for entry in self.entries if entry.component == component]

    @property
    def title(self) -> str:
        """What they are, in words."""
        return f"strongest {self.what}s" if self.what in ("column", "row") else f"strongest along {self.what}"

    def names(self) -> dict[int, list[str]]:
        """Return the names by component."""
        return {component: [entry.name for entry in some] for component, some in self._by_component()}

    def _by_component(self) -> Iterator[tuple[int, list[Entry]]]:
        for component in dict.fromkeys(entry.component for entry in self.entries):
            yield component, self.of(component)

    def __repr__(self) -> str:
        lines = [f"component  {self.title} (share of the component)"]
        for component, some in self._by_component():
            lines.append(f"{component:>9}  " + ", ".join(f"{entry.name} {percent(entry.share)}" for entry in some))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(component, _in_a_line(some)) for component, some in self._by_component()]
        return as_html(("component", self.title), rows)


def strongest(values: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the entries farthest from zero, at most `count`, the first number first among equals."""
    kept = np.flatnonzero(values)
    if len(kept) > 4 * count:  # sorts few of many
        least = -np.partition(-np.abs(values[kept]), count - 1)[count - 1]
        kept = kept[np.abs(values[kept]) >= least]
    order: np.ndarray = kept[np.lexsort((numbers[kept], -np.abs(values[kept])))][:count]
    return order


def top_entries(blocks: Any, names: np.ndarray | JoinedLabels | None, count: int) -> list[Entry]:
    """Return the strongest entries of each component.

    Parameters
    ----------
    blocks : iterable of (int, ndarray (k, some))
        The components over some columns or rows after others, and the number of the first of these.
    names : ndarray of text, JoinedLabels or None
        Of all columns or rows.
    count : int
        How many of each component, at most; those that are zero are none.
    """
    kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for first, block in blocks:
        for component, values in enumerate(block):
            before, their_numbers = kept.get(component, (np.empty(0), np.empty(0, np.int64)))
            some = strongest(values, np.arange(len(values)), count)
            both = np.concatenate([before, values[some].astype(np.float64)])
            numbers = np.concatenate([their_numbers, first + some])
            best = strongest(both, numbers, count)
            kept[component] = both[best], numbers[best]
    called = _called([int(number) for _, numbers in kept.values() for number in numbers], names)
    return [
        Entry(component, place, int(number), called[int(number)], float(share))
        for component, (shares, numbers) in kept.items()
        for place, (share, number) in enumerate(zip(shares, numbers, strict=True))
    ]


def _called(numbers: Sequence[int], names: np.ndarray | JoinedLabels | None) -> dict[int, str]:
    """What columns or rows are called, by number: their names, dates in short, or where they only count these."""
    shown, some = names if isinstance(names, JoinedLabels) else names_to_show(names), list(dict.fromkeys(numbers))
    texts = some if shown is None else in_short([str(shown[number]) for number in some])
    return {number: str(text) for number, text in zip(some, texts, strict=True)}


def summary_html(model: Any) -> str:
    """Return a model in HTML: its sizes, how well it fits, and the strongest columns of each component."""
    m, n = model.shape
    return summary_of(f"dnmf.Model {m:,} × {n:,}", model)


def summary_of(title: str, model: Any) -> str:
    """Return what a model is called in HTML, how well it fits, and what its components are made of."""
    total, tables = float(model.d.sum()) or 1.0, model.strongest(NAMED_IN_SUMMARY)
    rows = [
        (number, f"{d:.3e}", f"{d / total:.1%}", *(_in_a_line(table.of(number)) for table in tables))
        for number, d in enumerate(model.d)
    ]
    heads = ("component", "weight d", "share", *(table.title for table in tables))
    title = f"{title}, rank {model.rank}"
    return f"<p><b>{escape(title)}</b><br>{escape(model.summary)}</p>" + as_html(heads, rows)


def _in_a_line(entries: Sequence[Entry]) -> str:
    return ", ".join(f"{entry.name} ({percent(entry.share)})" for entry in entries)


def as_html(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in HTML."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
