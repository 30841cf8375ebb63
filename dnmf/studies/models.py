"""The models of a study on disk."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic

from dnmf import checkpoint
from dnmf.api import load
from dnmf.checkpoint.newest import name_in_current
from dnmf.checkpoint.others import first_of_others
from dnmf.errors import CheckpointError
from dnmf.model import Model
from dnmf.places import remove_tree
from dnmf.studies.study import C, Cell, folder_of, folders_like


class StoredModels(Mapping[C, Model], Generic[C]):
    """The models of a study on disk, each loaded when it is first asked for.

    Parameters
    ----------
    folder : pathlib.Path
        The store of the study.
    cells : sequence of cells
        Which there are.
    finished : str
        The kind of the study where it is finished: once its store holds another one, what was not loaded yet is gone.
    """

    def __init__(self, folder: Path, cells: Sequence[C], *, finished: str = ""):
        self._folder, self._cells, self._kind = folder, {cell: cell for cell in cells}, finished
        self._loaded = dict[C, Model]()
        self._generation = name_in_current(folder) if finished else None

    def __getitem__(self, key: Any) -> Model:
        cell = self._cells[tuple(key)]  # type: ignore[index]  # cells are tuples
        if cell not in self._loaded:
            try:
                model = load(self._folder / folder_of(cell))
            finally:  # after it was read: it may have been replaced in the meantime
                self._refuse_another()
            self._loaded[cell] = model
        return self._loaded[cell]

    def _refuse_another(self) -> None:
        if self._generation is not None and name_in_current(self._folder) != self._generation:
            raise CheckpointError(
                f"{self._folder}: another {self._kind} was written here since; load it with dnmf.load_{self._kind}"
            )

    def __iter__(self) -> Iterator[C]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)


def remove_other_models(folder: Path, cells: Sequence[Cell]) -> None:
    """Remove the models of a study that was overwritten: those in the store at `folder` that are not of these cells."""
    kept = {folder_of(cell) for cell in cells}
    for place in folder.glob(folders_like(cells[0])):
        is_other = place.name not in kept and not place.is_symlink() and checkpoint.exists(place)
        if is_other and first_of_others(place, wholly=True) is None:
            remove_tree(place)
