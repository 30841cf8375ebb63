"""Other rows for a finished fit: what is observed of them is said again, or is what was said of its own data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import choice
from dnmf.errors import InputError
from dnmf.sources.observed import MISSING
from dnmf.sources.opening import open_source
from dnmf.sources.opening_values import How, open_values
from dnmf.sources.side_weights import with_side_weights
from dnmf.sources.source import Source

SAME = "same"
_OBSERVED = {"nan": "what is not NaN", "unstored": "what is stored"}
_GIVEN = {"mask": "a mask of what was observed", "weights": "weights of its entries"}
_BESIDE = {"mask": "a mask", "weights": "weights", "row_weights": "row weights", "column_weights": "column weights"}
_KINDS = {"nan": "dense", "unstored": "sparse"}


class Said(NamedTuple):
    """What is said of other rows, as in :func:`dnmf.open_source`; ``missing="same"``: what was said of the fit's."""

    missing: str = SAME
    mask: Any = None
    weights: Any = None
    row_weights: Any = None
    column_weights: Any = None

    @property
    def of_entries(self) -> bool:
        """Whether there is a mask or weights."""
        return self.mask is not None or self.weights is not None


NOTHING = Said()


def in_words(said: Mapping[str, Any]) -> str:
    """Return which entries count, and what was given of them; `said` as :meth:`Source.said` has it.

    Examples
    --------
    >>> in_words({"missing": "nan", "row_weights": True})
    'what is not NaN, with row weights'
    """
    missing, given = said.get("missing", "refuse"), [name for name in _BESIDE if said.get(name)]
    what = _OBSERVED.get(missing, "all entries")
    if missing not in _OBSERVED and "mask" in given:
        what, given = "the entries of a mask", [name for name in given if name != "mask"]
    return f"{what}, with {' and '.join(_BESIDE[name] for name in given)}" if given else what


@dataclass(frozen=True, repr=False, eq=False)
class Observed:
    """What was said of the entries of the data of a fit, in the user's orientation.

    Attributes
    ----------
    missing : {"refuse", "nan", "unstored"}
        What was not observed: nothing, what is NaN, what is not stored.
    mask, weights, row_weights : bool
        Whether these were given.
    column_weights : ndarray (n,) or None
        Those of the columns, which other rows have too.
    """

    missing: str = "refuse"
    mask: bool = False
    weights: bool = False
    row_weights: bool = False
    column_weights: np.ndarray | None = field(default=None)

    @classmethod
    def of(cls, source: Source) -> "Observed":
        """Return what a source says of itself."""
        return cls.restore(source.said(), source.side_weights().get("column_weights"))

    @classmethod
    def restore(cls, record: dict[str, Any], column_weights: np.ndarray | None) -> "Observed":
        """Return what a record says (:meth:`to_json`, or :meth:`Source.said`), with the weights that go with it."""
        given = {name: bool(record.get(name)) for name in ("mask", "weights", "row_weights")}
        return cls(record.get("missing", "refuse"), **given, column_weights=column_weights)

    def to_json(self) -> dict[str, Any]:
        """All but the weights themselves as plain JSON values."""
        given = {name: True for name in ("mask", "weights", "row_weights") if getattr(self, name)}
        return {"missing": self.missing, **given}

    def said(self) -> dict[str, Any]:
        """What was said, and whether there are weights of columns."""
        given = {} if self.column_weights is None else {"column_weights": True}
        return {**self.to_json(), **given}

    def __str__(self) -> str:
        return in_words(self.said())

    def __repr__(self) -> str:
        return f"<observed: {self}>"

    def open_rows(self, data: Any, said: Said = NOTHING, row_axes: Any = None) -> Source:
        """Return other rows with what is said of them, and what of that of the fit holds for them too.

        A source that says what is observed of it is left as it is. Weights of columns are not given yet. Of an array of
        more axes those make the rows that did of the data of the fit, `row_axes`.

        Raises
        ------
        InputError
            The data cannot be used, what is said does not go with it, or nothing is said where the fit knew what cannot
            be known of other rows.
        """
        choice("missing", said.missing, (SAME, *MISSING))
        missing = self.missing if said.missing == SAME else said.missing
        how = How(as_nan=missing == "nan", row_axes=row_axes)
        source = open_values(data, how, tells=missing != "refuse" or said.of_entries)
        if said.missing == SAME:
            missing = self._inherited(source, said)
        return open_source(
            source, missing=missing, mask=said.mask, weights=said.weights, row_weights=said.row_weights,
            column_weights=said.column_weights,
        )  # fmt: skip

    def weighs_columns(self, source: Source, said: Said = NOTHING) -> bool:
        """Whether columns of other rows count what those of the fit did: nobody gives them other weights."""
        given = said.column_weights is not None or "column_weights" in source.side_weights()
        return self.column_weights is not None and not given

    def weighted(self, source: Source) -> Source:
        """Return rows whose columns count as those of the fit."""
        return with_side_weights(source, column_weights=self.column_weights)

    def _inherited(self, source: Source, said: Said) -> str:
        """What is missing of rows of which that is not said."""
        of_source = source.said()
        if of_source.get("missing", "refuse") != "refuse" or "mask" in of_source or "weights" in of_source:
            return "refuse"  # nothing beside what it says
        goes = self.missing == "refuse" or source.sparse == (self.missing == "unstored")
        if not said.of_entries:
            self._refuse_not_said(source, goes=goes)
        return self.missing if goes else "refuse"

    def _refuse_not_said(self, source: Source, *, goes: bool) -> None:
        given = [name for name in ("mask", "weights") if getattr(self, name)]
        if given:
            raise InputError(
                f"{source.address}: the fit was given {' and '.join(_GIVEN[name] for name in given)}, and nothing is "
                f"said of these rows; give theirs, {' and '.join(f'{name}=' for name in given)} (here or in "
                "dnmf.open_source), or say what of them was not observed: missing='nan' or missing='unstored', or, to "
                "Model.transform and --missing, 'refuse' where all of them was observed"
            )
        if not goes:
            kind, other = ("sparse", "unstored") if source.sparse else ("dense", "nan")
            raise InputError(
                f"{source.address}: of the {_KINDS[self.missing]} data of the fit {_OBSERVED[self.missing]} was "
                f"observed, and this is {kind}; say which of these entries were: missing={other!r}, mask=, or "
                "missing='refuse' where all of them was observed"
            )


EVERYTHING = Observed()
