"""Places as people name them: paths, addresses of object storage, and places themselves."""

import re
from collections.abc import Mapping
from typing import Any, cast

from dnmf.errors import InputError
from dnmf.locations import local_path, written
from dnmf.places.objects import SCHEMES, ObjectPlace, object_place
from dnmf.places.trees import Place

_OBJECTS = re.compile(rf"({'|'.join(SCHEMES)})://", re.IGNORECASE)


def names_objects(given: Any) -> bool:
    """Whether a place on object storage is given, or its address.

    Examples
    --------
    >>> [names_objects(given) for given in ("s3://bucket/run.dnmf", "run.dnmf", "https://host/run.dnmf")]
    [True, False, False]
    """
    return isinstance(given, ObjectPlace) or (isinstance(given, str) and _OBJECTS.match(given) is not None)


def place_of(given: Any, what: str = "path") -> Place:
    """Return the place that is named: where a run, a model or a result is, or is to be.

    Parameters
    ----------
    given : str, path or place
        A path of this machine, an address of object storage (``s3://``, ``gs://``, ``az://``), or what :func:`place`
        returned.
    what : str
        What it is called in messages.

    Raises
    ------
    InputError
        It is none of these.
    """
    if not names_objects(given):
        return local_path(given, what)
    return cast(Place, given if isinstance(given, ObjectPlace) else object_place(given))


def place(url: str, storage_options: Mapping[str, Any] | None = None) -> Place:
    """Return a place on object storage, to be given where the path of a store can be: ``fit(…, store=place(…))``.

    Parameters
    ----------
    url : str
        ``s3://BUCKET/NAME``, ``gs://…`` or ``az://…``.
    storage_options : mapping, optional
        What is not to be taken from the environment, by the names that obstore has for it, or those of s3fs:
        ``endpoint_url``, ``key``, ``secret``, ``token``. They go to the workers; they are never shown, nor stored.

    Raises
    ------
    InputError
        It is no such address.

    Examples
    --------
    >>> print(place("s3://bucket/run.dnmf", {"key": "…", "secret": "…"}))
    s3://bucket/run.dnmf
    """
    if storage_options is not None and not isinstance(storage_options, Mapping):
        raise InputError("storage_options: give a dict of names and values")
    return cast(Place, object_place(written(url, "url"), storage_options))
