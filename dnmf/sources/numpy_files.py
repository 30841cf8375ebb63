"""Files of numpy that lie behind arrays: those that are mapped into memory, and those that tasks load."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.sources.marks import Marks, marks_of_files


@dataclass(frozen=True, eq=False)
class NumpyFile:
    """One file; what is lost of it is no zeros, so that only a change need be looked for.

    Attributes
    ----------
    path : str
        Absolute.
    number : int or None
        Of the file that is mapped (its inode): another one in its place, or none, changes nothing of what is mapped.
    before : Marks
        What it was like.
    """

    path: str
    number: int | None
    before: Marks
    inner = ""
    lies_in_memory = False

    @classmethod
    def at(cls, path: Any, *, is_mapped: bool = False) -> "NumpyFile":
        """Return the file at a path."""
        place = Path(path).absolute()
        return cls(str(place), _number(place) if is_mapped else None, marks_of_files([place]))

    @property
    def address(self) -> str:
        """The path."""
        return self.path

    def marks(self) -> Marks:
        """What changes when it is written to; see :mod:`dnmf.sources.marks`."""
        place = Path(self.path)
        if self.number is not None and _number(place) != self.number:
            return self.before
        return marks_of_files([place])

    def fingerprint(self) -> dict[str, Any]:
        """JSON values that change when it does."""
        size, written, _ = self.marks().values[0].tolist() if len(self.marks()) else (0, 0, 0)
        return {"bytes": size, "changed": written}

    def refuse_absent(self) -> None:
        """Return: who loads what is not there is told by numpy."""


def _number(place: Path) -> int | None:
    return place.stat().st_ino if place.exists() else None


def mapped_file(values: Any) -> NumpyFile | None:
    """Return the file that an array shows, None where it is not mapped, or nobody knows from where."""
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap) and values.filename is not None and Path(values.filename).is_file():
            values.flush()  # else what was written before may count as written during a fit
            return NumpyFile.at(values.filename, is_mapped=True)
        values = values.base
    return None
