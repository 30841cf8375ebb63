"""A note in a store for those who look while its run goes on: not committed, not verified, and missed by nobody."""

import contextlib
import json
from pathlib import Path
from typing import Any

from dnmf.places import put_whole

NOTE = "progress.json"


def leave_note(store: Path, facts: dict[str, Any]) -> None:
    """Put facts (plain JSON) into the note of a store, in one step; on a full or read-only disk nothing happens."""
    with contextlib.suppress(OSError):
        put_whole(store / NOTE, json.dumps(facts, allow_nan=False).encode())


def read_note(store: Path) -> dict[str, Any]:
    """Return the note of a store, empty where there is none or it cannot be read."""
    try:
        facts = json.loads((store / NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def remove_note(store: Path) -> None:
    """Remove the note of a store, where that can be done."""
    _remove(store / NOTE)
    _remove(store / f"{NOTE}.tmp")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
