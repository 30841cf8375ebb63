"""What a person, or a program, sees of a fit while it runs; one file for each kind of display."""

from dnmf.progress.lines import (
    KEPT_AMONG_IT,
    ORIGINS,
    counted,
    ended_text,
    format_seconds,
    labelled,
    pass_line,
    path_pass_line,
    planned_lines,
    progress_label,
    progress_line,
    share_text,
    started_line,
)
from dnmf.progress.logged import log_events
from dnmf.progress.records import event_record
from dnmf.progress.shown import EVERY_S, PartDone, Progress

__all__ = [
    "EVERY_S", "KEPT_AMONG_IT", "ORIGINS", "PartDone", "Progress", "counted", "ended_text", "event_record",
    "format_seconds", "labelled", "log_events", "pass_line", "path_pass_line", "planned_lines", "progress_label",
    "progress_line", "share_text", "started_line",
]  # fmt: skip
