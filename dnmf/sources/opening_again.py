"""The data of a run that goes on, with what was said of its entries when it began."""

import os
from typing import Any

from dnmf.errors import InputError
from dnmf.sources.opening import BESIDE, open_beside, open_source
from dnmf.sources.side_weights import AXES
from dnmf.sources.source import Source
from dnmf.sources.views import EVERYTHING_SEEN, View, seen, what_is_seen


def open_again(
    data: Any, missing_chunks: str, said: dict[str, Any], view: View = EVERYTHING_SEEN, row_axes: Any = None
) -> Source:
    """Return the source of a run that goes on, with what was `said` of its entries and seen of it when it began.

    Parameters
    ----------
    data : str, path, array, …
        As for :func:`open_source`; what says by itself what of it is observed, or is a view, is left as it is.
    missing_chunks : {"error", "zeros"}
        As there.
    said : dict
        :meth:`Source.said` of the source that the run began with.
    view : View
        What of it the run began with.
    row_axes : Unfolding, optional
        Of an array of more axes: that of the data that the run began with.

    Raises
    ------
    InputError
        As there, or a mask or weights were objects, so that they have to be given again.
    """
    source = _said_again(data, missing_chunks, said, row_axes)
    return source if what_is_seen(source).parts else seen(source, view)


def _said_again(data: Any, missing_chunks: str, said: dict[str, Any], row_axes: Any) -> Source:
    if not said or (isinstance(data, Source) and data.has_missing):
        return open_source(data, missing_chunks=missing_chunks, row_axes=row_axes)
    beside = {what: said[what] for what in (*BESIDE, *AXES) if what in said}
    for what, where in beside.items():
        if where["data"] is None:
            raise InputError(
                f"the {what} of the data was not read from a path; give the data with it again: "
                f"source=dnmf.open_source(…, {what}=…)"
            )
    parts = {what: _opened(what, where, row_axes) for what, where in beside.items()}
    return open_source(data, missing_chunks=missing_chunks, missing=said["missing"], row_axes=row_axes, **parts)


def _opened(what: str, where: dict[str, Any], row_axes: Any) -> Any:
    """A mask or weights from where they were."""
    if what not in AXES:
        return open_beside(what, where["data"], where["missing_chunks"], row_axes)
    if not os.path.exists(where["data"]):
        raise InputError(f"{what}: {where['data']}: there is nothing at this path")
    return where["data"]


def where_now(said: dict[str, Any]) -> str:
    """Return how to say where data is that was moved, or what was `said` of its entries."""
    of_data = "; if the data was moved, say where it is: source=… (--source)"
    beside = [what for what in (*BESIDE, *AXES) if what in said]
    if not beside:
        return of_data
    options = ", ".join(f"--{what.replace('_', '-')}" for what in beside)
    return f"{of_data}; for what goes with it {options}, or give both: source=dnmf.open_source(…, {beside[0]}=…)"
