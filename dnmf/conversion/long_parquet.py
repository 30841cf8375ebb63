"""Long tables in Parquet files, read batch by batch with pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dnmf.conversion.long_blocks import LongBlock
from dnmf.conversion.long_columns import Asked, asked_columns, found_columns, no_such_columns
from dnmf.conversion.reading import reading
from dnmf.errors import InputError

ROWS_AT_ONCE = 8192


class LongParquet:
    """A long table in a Parquet file.

    Parameters
    ----------
    path : Path
        Of one file.
    asked : tuple or None
        Its columns, by name or number; None to tell them by what they are called.

    Attributes
    ----------
    columns : LongColumns
        Which they are.

    Raises
    ------
    InputError
        The columns are not there, it cannot be read, or pyarrow is not installed.
    """

    def __init__(self, path: Path, asked: Asked):
        self.path = path
        with reading(path):
            names = _opened(path).schema_arrow.names
        found = found_columns(names) if asked is None else asked_columns(names, asked)
        if found is None:
            raise no_such_columns(path, names, asked)
        self.columns = found

    def blocks(self) -> Iterator[LongBlock]:
        """Yield the entries, some rows at a time.

        Raises
        ------
        InputError
            It cannot be read.
        """
        first = 0
        with reading(self.path):
            file = _opened(self.path)
            wanted = [file.schema_arrow.names[at] for at in self.columns.wanted]
            batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=wanted)
        while parts := self._next(batches, wanted):
            yield self._block(parts, first)
            first += len(parts[0])

    def _next(self, batches: Iterator[Any], wanted: list[str]) -> list[list[Any]]:
        """The columns of the next batch that has rows; nothing at the end."""
        with reading(self.path):
            batch = next((batch for batch in batches if batch.num_rows), None)
            return [] if batch is None else [batch.column(name).to_pylist() for name in wanted]

    def _block(self, parts: list[list[Any]], first: int) -> LongBlock:
        axes = len(self.columns.keys)
        keys = tuple([_text(name) for name in part] for part in parts[:axes])
        return LongBlock(keys, parts[axes] if len(parts) > axes else None, lambda at: f"{self.path}: row {first + at}")


def is_long_parquet(path: Path) -> bool:
    """Whether a file is a long table by what its columns are called; not where nothing is installed that reads it."""
    try:
        with reading(path):
            return found_columns(_opened(path).schema_arrow.names) is not None
    except InputError:
        return False


def _text(name: Any) -> str:
    """A name as text; one that is not there is empty."""
    if isinstance(name, bytes):
        return name.decode("utf-8", "backslashreplace")
    return "" if name is None else str(name)


def _opened(path: Path) -> Any:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found]
    except ImportError as error:
        raise InputError(f"{path}: a Parquet file is read with pyarrow: pip install 'dnmf[parquet]'") from error
    return parquet.ParquetFile(path)
