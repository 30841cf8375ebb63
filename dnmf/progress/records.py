"""Events of a fit as JSON values, for programs."""

from dataclasses import asdict
from typing import Any

from dnmf.fitting.events import Event, PassDone, PassProgress, PathFinished, PathPassDone, Planned

_NAMES = {PassProgress: "pass_progress", PathPassDone: "path_pass", PathFinished: "path_finished"}


def event_record(event: Event) -> dict[str, Any]:
    """Return an event as JSON values with its ``type``.

    That is compiling, planned, started, pass_progress, standing, pass or finished (of a path: path_pass,
    path_finished).
    """
    if isinstance(event, PassDone):
        return {"type": "pass", "committed": event.committed, "starts": event.starts, **event.record.to_json()}
    record = {"type": _NAMES.get(type(event), type(event).__name__.lower()), **asdict(event)}
    if isinstance(event, Planned):
        record["shape"], record["gave_up"] = list(event.shape), list(event.gave_up)
    if isinstance(event, PassProgress):
        del record["seconds_before"]
        record["left_s"] = event.left_s
    return record
