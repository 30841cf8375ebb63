"""What is said of a path where a run was expected and none is."""

from pathlib import Path

from dnmf.errors import CheckpointError
from dnmf.sources.formats import format_of


def refuse_what_is_no_run(root: Path, *, is_store: bool) -> None:
    """Return where there is a store; data is told from nothing and from other directories.

    Raises
    ------
    CheckpointError
        There is none; the message says what is there.
    """
    if is_store:
        return
    if not root.exists():
        raise CheckpointError(f"{root}: there is nothing at this path")
    found = format_of(root)
    if found.use != "neither":
        raise CheckpointError(
            f"{root}: is data ({found.name}), not a run; a run is what dnmf.fit(…, store=…) (dnmf fit … --store) makes "
            "of data"
        )
    raise CheckpointError(f"{root} is not a dnmf store: it has no generation and no lock of dnmf")
