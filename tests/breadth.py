"""Long tables of examples of which the quick tests run some; the long tests run the others."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

import pytest


def quickly(some: Collection[Any], of: Iterable[Any]) -> list[Any]:
    """Return parameters for all of a table, those that are not among `some` marked as slow."""
    return [each if each in some else pytest.param(each, marks=pytest.mark.slow) for each in of]


def mark_all_but_some(items: Iterable[pytest.Item]) -> None:
    """Of the examples of each test that is ``broad(count)``, mark all but so many, evenly spread, as slow."""
    families = defaultdict(list)
    for item in items:
        if item.get_closest_marker("broad") and not item.get_closest_marker("slow"):
            families[item.nodeid.partition("[")[0]].append(item)
    for family in families.values():
        (count,) = family[0].get_closest_marker("broad").args
        quick = {number * len(family) // count for number in range(count)}
        for number, item in enumerate(family):
            if number not in quick:
                item.add_marker(pytest.mark.slow)
