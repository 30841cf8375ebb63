"""What a peer's runs say of a quality: pure arithmetic on the records of the suite."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any, NamedTuple

Run = dict[str, Any]


class Spread(NamedTuple):
    """Median and worst of some numbers."""

    median: float
    worst: float


class Reached(NamedTuple):
    """How a peer came to a quality.

    Attributes
    ----------
    shortest : list of dict
        For each seed that came to it, its shortest run that did.
    longest : list of dict
        For each seed that did not, its longest run.
    """

    shortest: list[Run]
    longest: list[Run]

    @property
    def by_most(self) -> bool:
        """Whether the median seed came to it."""
        return len(self.shortest) > len(self.longest)

    def spread(self, name: str) -> Spread | None:
        """Return median and worst of an entry of the runs, a seed that never came to it counting as infinite.

        None where the peer does not tell it.
        """
        values = [run[name] for run in self.shortest]
        if not values or None in values:
            return None
        values += [float("inf")] * len(self.longest)
        return Spread(median(values), max(values))


def reached(runs: Iterable[Run], threshold: float) -> Reached:
    """Return which seeds came to an error of at most `threshold`, by their shortest runs."""
    by_seed: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_seed[run["seed"]].append(run)
    found = Reached([], [])
    for tried in by_seed.values():
        good = [run for run in tried if run["error"] <= threshold]
        if good:
            found.shortest.append(min(good, key=lambda run: run["asked"]))
        else:
            found.longest.append(max(tried, key=lambda run: run["asked"]))
    return found
