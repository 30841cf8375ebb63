"""The shortest run that is good enough, found with few runs: arithmetic alone."""

from collections.abc import Callable, Sequence
from math import exp, log
from typing import NamedTuple

LEAST_EXCESS = 1e-9  # an error may fall below the best one known
LEAST_GROWTH, MOST_GROWTH = 1.5, 4.0  # of the number of iterations while none reaches


class Point(NamedTuple):
    """An entry of the grid that was tried, and by which share its error exceeds the best one known."""

    entry: int
    excess: float


def first_reaching(excess_of: Callable[[int], float], grid: Sequence[int], share: float, guess: int = 0) -> int | None:
    """Return the first entry of a grid whose excess is at most `share`, or None.

    The excess is taken to fall along the grid, roughly as a power of the number of iterations: that says where to
    look next, and no more.

    Parameters
    ----------
    excess_of : callable
        The excess at an entry; this is what is expensive.
    grid : sequence of int
        Numbers of iterations, ascending.
    share : float
        What is good enough.
    guess : int
        The entry to begin with.

    Examples
    --------
    >>> first_reaching(lambda entry: 1 / (entry + 1), range(1, 30), share=0.1)
    9
    >>> first_reaching(lambda entry: 1.0, range(1, 30), share=0.1) is None
    True
    """
    failing: list[Point] = []
    reaching: list[Point] = []
    entry: int | None = min(guess, len(grid) - 1)
    while entry is not None:
        point = Point(entry, max(excess_of(entry), LEAST_EXCESS))
        if point.excess <= share:
            reaching.append(point)
        else:
            failing.append(point)
        entry = _next_entry(failing, reaching, grid, share)
    return reaching[-1].entry if reaching else None


def _next_entry(failing: list[Point], reaching: list[Point], grid: Sequence[int], share: float) -> int | None:
    """Where to look next, given what was found so far, ever nearer; None when the answer is known."""
    low = failing[-1].entry + 1 if failing else 0
    high = reaching[-1].entry - 1 if reaching else len(grid) - 1
    if low > high:
        return None
    if not failing:
        return max(low, high + 1 - 2 ** (len(reaching) - 1))
    last = failing[-1]
    if reaching:
        crossing = _crossing(last, reaching[-1], grid, share)
        margin = (high - low) // 4  # a bad guess still shortens what is left
        low, high = low + margin, high - margin
    else:
        crossing = _crossing(*failing[-2:], grid, share) if len(failing) > 1 else 0.0
        crossing = min(max(crossing, LEAST_GROWTH * grid[last.entry]), MOST_GROWTH * grid[last.entry])
    return next((entry for entry in range(low, high) if grid[entry] >= crossing), high)


def _crossing(one: Point, other: Point, grid: Sequence[int], share: float) -> float:
    """The number of iterations at which the power law through two points comes to `share`."""
    steepness = log(one.excess / other.excess) / log(grid[other.entry] / grid[one.entry])
    if steepness <= 0:
        return float("inf")
    return grid[one.entry] * exp(min(log(one.excess / share) / steepness, 50.0))
