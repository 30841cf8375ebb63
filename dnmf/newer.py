"""What a newer dnmf wrote: fields that this one does not know, and that may decide the result."""

from collections.abc import Iterable
from dataclasses import fields
from importlib import metadata

from dnmf.errors import NewerError


def refuse_newer(kind: type, names: Iterable[str]) -> None:
    """Return when a dataclass has all the fields that a record of it names.

    Raises
    ------
    NewerError
        It has not.

    Examples
    --------
    >>> from dnmf.penalty import Penalty
    >>> refuse_newer(Penalty, ["l1", "l2"])
    """
    known = {each.name for each in fields(kind)}
    if unknown := [name for name in names if name not in known]:
        raise NewerError(
            f"{', '.join(unknown)} of {kind.__name__} is not known to dnmf {metadata.version('dnmf')}; install one "
            "that is as new as what wrote it"
        )
