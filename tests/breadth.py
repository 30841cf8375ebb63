"""Long tables of examples of which the quick tests run some; the long tests run the others."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def quickly(some: Collection[Any], of: Iterable[Any]) -> list[Any]:
    """Return parameters for all of a table, those that are not among `some` marked as slow."""
    return [each if each in some else pytest.param(each, marks=pytest.mark.slow) for each in of]
