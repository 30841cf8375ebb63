"""Which seeds the models of a study have."""

from typing import Any

import numpy as np

from dnmf.errors import InputError

MOST_SEEDS = 10_000


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Return the seeds, or so many of them from 0 on; those of a list stay in its order.

    Raises
    ------
    InputError
        They are not whole numbers, or one is there twice.

    Examples
    --------
    >>> checked_seeds(3), checked_seeds([5, 2])
    ((0, 1, 2), (5, 2))
    """
    many = np.ndim(seeds) == 1 if isinstance(seeds, np.ndarray) else isinstance(seeds, (list, tuple, range))
    found = tuple(seeds) if many else (seeds,)
    if not found or not all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) and s >= 0 for s in found):
        raise InputError(f"seeds={seeds!r}: give how many, or a list of whole numbers that are not negative")
    if many:
        if len(set(found)) < len(found):
            raise InputError(f"seeds={seeds!r}: each seed once")
        return tuple(int(seed) for seed in found)
    if not 0 < found[0] <= MOST_SEEDS:
        raise InputError(f"seeds: give at least one and at most {MOST_SEEDS:,}, or a list")
    return tuple(range(int(found[0])))
