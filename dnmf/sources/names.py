"""Names of rows and columns, where data has them."""

import numpy as np

from dnmf.errors import InputError


def refuse_other_names(address: str, names: np.ndarray | None, known: np.ndarray | None, what: str = "column") -> None:
    """Compare the names of columns (or of another `what`) with those of a fit; they count where both are there.

    Raises
    ------
    InputError
        They are not the same.
    """
    if names is None or known is None or np.array_equal(names, known):
        return
    if len(names) != len(known):
        raise InputError(f"{address}: has {len(names)} {what}s, in the fit there are {len(known)}")
    at = int(np.flatnonzero(names != known)[0])
    raise InputError(
        f"{address}: {what} {at} is named {str(names[at])!r}, in the fit {str(known[at])!r}; bring them into "
        "the order of the fit"
    )
