"""Numbers drawn for rows from their own numbers and a seed: the same ones however the rows are cut and shared out."""

import numpy as np

BITS_IN_DOUBLE = 53


def scattered(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Return each number (uint64) mixed with the seed to 64 random bits (splitmix64, doi:10.1145/2660193.2660195)."""
    mixed = numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def uniform(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return a number between 0 and 1, both excluded, for each row number.

    Examples
    --------
    >>> drawn = uniform(np.arange(1000), seed=0)
    >>> bool(((drawn > 0) & (drawn < 1)).all()), round(float(drawn.mean()), 1)
    (True, 0.5)
    """
    bits = scattered(rows.astype(np.uint64), seed) >> np.uint64(64 - BITS_IN_DOUBLE)
    return (bits.astype(np.float64) + 0.5) / 2.0**BITS_IN_DOUBLE
