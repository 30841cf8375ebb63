"""What may come over the network as a message of a fit: of what is not as it should be, only that is passed over."""

import math
from typing import Any

NUMBERS = frozenset({
    "rank", "models", "pid", "max_passes", "tol", "number", "rows_done", "rows", "seconds", "left_s", "limit_s",
    "workers", "reads", "bytes_read", "relative_error", "gradient", "alive", "done", "starts", "total_bytes", "tasks",
    "panels", "projected_bytes", "limit_bytes", "workers_lost", "tasks_again", "retries",
})  # fmt: skip
TEXTS = frozenset({"source", "store", "host", "loss", "solver", "what", "where", "init", "reason", "error"})
NEEDED = {  # for what these kinds are heard for
    "progress": ("what", "number", "rows_done", "rows", "seconds"),
    "standing": ("limit_s",),
}


def heard(told: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the kind of a message and its values, those left out that are not of their type; None where it is none.

    Names that are not known are kept: a later version may tell more.

    Examples
    --------
    >>> heard({"type": "facts", "rank": "<b>", "host": "here", "models": None})
    ('facts', {'host': 'here', 'models': None})
    >>> heard({"type": "progress", "what": "pass", "number": 1})
    """
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        return None
    kind = told["type"]
    values = {str(name): value for name, value in told.items() if name != "type" and _is_one(str(name), value)}
    if any(values.get(name) is None for name in NEEDED.get(kind, ())):
        return None
    return kind, values


def _is_one(name: str, value: Any) -> bool:
    if value is None:
        return True
    if name in NUMBERS:
        return is_number(value)
    if name == "shape":
        return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_number, value))
    return name not in TEXTS or isinstance(value, str)


def is_number(value: Any) -> bool:
    """Whether a value is a number that can be calculated with."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
