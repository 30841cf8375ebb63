"""Where a scheduler is: its address, or the file that it wrote it to."""

import json
import os
from pathlib import Path

from dnmf.errors import ClusterError
from dnmf.locations import local_path


def scheduler_address(given: str, what: str = "client") -> str:
    """Return the address that was given itself, or that a scheduler file holds; nothing is asked there.

    Parameters
    ----------
    given : str
        ``tcp://host:8786``, ``host:8786``, or the path of a scheduler file.
    what : str
        What it is called in messages.

    Raises
    ------
    ClusterError
        It is neither.

    Examples
    --------
    >>> scheduler_address("tcp://host:8786")
    'tcp://host:8786'
    """
    if given and "://" not in given and os.path.isfile(file := local_path(given, what)):
        return _address_in(Path(file), what)
    if ":" not in given:
        raise ClusterError(
            f"{what} {given!r}: neither a scheduler file that exists nor an address such as tcp://host:8786; "
            "workers on this machine are --scheduler local, in Python dnmf.cluster.connect('local')"
        )
    return given


def _address_in(file: Path, what: str) -> str:
    try:
        address = json.loads(file.read_bytes())["address"]
    except (OSError, ValueError, KeyError, TypeError):
        address = None
    if not isinstance(address, str):
        raise ClusterError(f"{what} {str(file)!r}: not a scheduler file; dask scheduler --scheduler-file writes one")
    return address
