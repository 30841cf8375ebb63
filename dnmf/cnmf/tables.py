"""Tables as cNMF writes and reads them: text with tabs as pandas has it, and the same as arrays in an .npz file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnmf.places import Place

Labels = Sequence[Any] | np.ndarray
ROWS_AT_ONCE = 2**14


@dataclass(frozen=True)
class Frame:
    """A table with names.

    Attributes
    ----------
    values : ndarray (rows, columns)
        Numbers, or text.
    index, columns : sequence
        Of its rows and columns.
    """

    values: np.ndarray
    index: Labels
    columns: Labels

    def to_text(self, path: Place) -> None:
        """Write what ``pandas.read_csv(path, sep="\\t", index_col=0)`` reads."""
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, delimiter="\t", lineterminator="\n")
            lines.writerow(["", *_plain(self.columns)])
            for low in range(0, len(self.values), ROWS_AT_ONCE):
                some = slice(low, low + ROWS_AT_ONCE)
                rows = zip(_plain(self.index[some]), self.values[some].tolist(), strict=True)
                lines.writerows([name, *row] for name, row in rows)

    def to_npz(self, path: Place) -> None:
        """Write what ``pandas.DataFrame(**numpy.load(path))`` reads; names are text, so that nothing is unpickled."""
        content = io.BytesIO()
        np.savez_compressed(
            content, data=_stored(self.values), index=_stored(self.index), columns=_stored(self.columns)
        )
        path.write_bytes(content.getvalue())


def _plain(labels: Labels) -> list[Any]:
    return np.asarray(labels).tolist()


def _stored(labels: Labels) -> np.ndarray:
    """Numbers as they are, anything else as text of one width."""
    found = np.asarray(labels)
    return found if found.dtype.kind in "iuf" else found.astype(f"U{max(map(len, found.ravel().tolist()), default=1)}")
