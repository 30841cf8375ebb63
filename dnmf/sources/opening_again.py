"""The data of a run that goes on, with what was said of its entries when it began."""

from typing import Any

from dnmf.errors import InputError
from dnmf.sources.opening import BESIDE, open_beside, open_source
from dnmf.sources.side_weights import AXES
from dnmf.sources.source import Source


def open_again(data: Any, missing_chunks: str, said: dict[str, Any]) -> Source:
    """Return the source of a run that goes on, with what was `said` of its entries when it began.

    Parameters
    ----------
    data : str, path, array, …
        As for :func:`open_source`; what says by itself what of it is observed is left as it is.
    missing_chunks : {"error", "zeros"}
        As there.
    said : dict
        :meth:`Source.said` of the source that the run began with.

    Raises
    ------
    InputError
        As there, or a mask or weights were objects, so that they have to be given again.
    """
    if not said or (isinstance(data, Source) and data.has_missing):
        return open_source(data, missing_chunks=missing_chunks)
    beside = {what: said[what] for what in (*BESIDE, *AXES) if what in said}
    for what, where in beside.items():
        if where["data"] is None:
            raise InputError(
                f"the {what} of the data was not read from a path; give the data with it again: "
                f"source=dnmf.open_source(…, {what}=…)"
            )
    parts: dict[str, Any] = {
        what: where["data"] if what in AXES else open_beside(what, where["data"], where["missing_chunks"])
        for what, where in beside.items()
    }
    return open_source(data, missing_chunks=missing_chunks, missing=said["missing"], **parts)
