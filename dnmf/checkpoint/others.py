"""What somebody else put into the parts of a store that go when a run is replaced."""

import re
from pathlib import Path

from dnmf.checkpoint.files import explained
from dnmf.checkpoint.generations import MANIFEST, DamageError, generation_names, read_content, unseal
from dnmf.checkpoint.locks import LOCK
from dnmf.checkpoint.newest import CURRENT
from dnmf.checkpoint.notes import NOTE
from dnmf.errors import CheckpointError
from dnmf.places import below
from dnmf.sources import texts
from dnmf.sources.stored_factor import ROW_NAMES
from dnmf.written import comes_and_goes, is_chunk

OF_AN_ATTEMPT = re.compile(r"(raw|W)-[0-9a-f]{12}\.zarr")  # the array of a factor in a store
_OF_A_STUDY = re.compile(r"[a-z]+-.+-seed-.+\.dnmf")  # a model in the store of a path, or of another study
_OF_A_STORE = (LOCK, CURRENT, NOTE, f"{NOTE}.tmp")
_OF_AN_ARRAY = ("zarr.json", f"{ROW_NAMES}{texts.SUFFIX}")
_OF_A_GENERATION = (MANIFEST, f"{MANIFEST}.tmp", f"{CURRENT}.tmp")


def refuse_others(root: Path, *, wholly: bool = False) -> None:
    """Return when nobody put anything into what goes with the run in a store; beside its parts, unless it goes wholly.

    Raises
    ------
    CheckpointError
        Somebody did; the message names it.
    """
    with explained(f"{root} cannot be read"):
        found = first_of_others(root, wholly=wholly)
    if found is not None:
        raise CheckpointError(
            f"{found}: is not dnmf's, and would go when the run in {root} is replaced; move it elsewhere first"
        )


def first_of_others(root: Path, *, wholly: bool) -> Path | None:
    """Return something in a store that dnmf did not write; what lies beside its parts counts if it goes wholly."""
    generations = set(generation_names(root))
    for path in sorted(root.iterdir()):
        found = None
        if path.name in generations:
            found = _in_generation(path)
        elif OF_AN_ATTEMPT.fullmatch(path.name):
            found = in_array(path)
        elif _OF_A_STUDY.fullmatch(path.name):
            is_store = (
                path.is_dir() and not path.is_symlink() and bool(generation_names(path) or (path / LOCK).exists())
            )
            found = first_of_others(path, wholly=True) if is_store else path
        elif wholly and path.name not in _OF_A_STORE and not comes_and_goes(path.name):
            found = path
        if found is not None:
            return found
    return None


def in_array(array: Path) -> Path | None:
    """Return something in the array of a factor that is no part of it."""
    for part, _ in below(array):
        if not (is_chunk(part) or comes_and_goes(part.rpartition("/")[2]) or part in _OF_AN_ARRAY):
            return array / part
    return None


def _in_generation(folder: Path) -> Path | None:
    try:
        known = unseal(folder / MANIFEST, read_content(folder / MANIFEST))["arrays"]
    except DamageError:  # it was never finished
        known = {path.stem for path in folder.iterdir() if path.suffix in (".npy", texts.SUFFIX)}
    own = {*_OF_A_GENERATION, *(f"{name}{suffix}" for name in known for suffix in (".npy", texts.SUFFIX))}
    others = (path for path in sorted(folder.iterdir()) if path.name not in own)
    return next((path for path in others if not comes_and_goes(path.name)), None)
