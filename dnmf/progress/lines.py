"""Events of a fit in words: a line for each."""

import math

from dnmf.amounts import format_bytes
from dnmf.fitting.events import (
    Compiling,
    Event,
    Finished,
    PassDone,
    PassProgress,
    Planned,
    Standing,
    Started,
    StudyFinished,
    StudyPassDone,
)
from dnmf.fitting.history import PassRecord

LABEL_WIDTH = 9
KEPT_AMONG_IT = "the data kept after the first pass among it"
COMPILING = "compiling kernels (once on a machine)"
COMPILING_MORE = "compiling kernels that no fit there needed before: seconds, the very first time about a minute"
ORIGINS = {
    "sample": "from a sample of rows",
    "surrogate": "from a surrogate of all rows",
    "random": "at random",
    "normal": "at random, from normal numbers",
    "nndsvd": "from singular vectors",
    "nndsvda": "from singular vectors, zeros filled with the mean",
    "nndsvdar": "from singular vectors, zeros filled at random",
    "given": "from given factors",
}


def event_lines(event: Event) -> list[str]:
    """Return any event in lines."""
    if isinstance(event, Compiling):
        return [labelled("first", f"{counted(event.workers, 'worker')}: {COMPILING_MORE}")]
    if isinstance(event, Planned):
        return planned_lines(event)
    if isinstance(event, Started):
        return [started_line(event)]
    if isinstance(event, PassProgress):
        return [progress_line(event)]
    if isinstance(event, Standing):
        return [labelled("waiting", standing_text(event))]
    if isinstance(event, PassDone):
        return [pass_line(event.record) + f"   the best of {event.starts} starts" * (event.starts > 1)]
    if isinstance(event, StudyPassDone):
        return [path_pass_line(event)]
    return [done_line(event)]


def done_line(event: Finished | StudyFinished) -> str:
    """Return how it ended."""
    if isinstance(event, StudyFinished):
        return labelled("done", f"{counted(event.models, 'model')}, {event.reads:.1f} reads of the data")
    near = "" if event.near is None else f", within 0.2 % of it after {event.near:.1f} reads"
    told = event.told or f"relative error {event.relative_error:.4f}"
    best = "" if event.best_seed is None else f", from seed {event.best_seed}, the best of its starts"
    return labelled("done", f"{ended_text(event.reason)}, {told}{near}{best}")


def ended_text(reason: str) -> str:
    """Return why a fit ended, and that a limit did, in words.

    Examples
    --------
    >>> ended_text("max_passes")
    'max_passes, components may move still'
    """
    return f"{reason}, components may move still" if reason in ("max_passes", "max_seconds") else reason


def planned_lines(event: Planned) -> list[str]:
    """Return what is going to be done, in lines."""
    from dnmf.giving_way import in_words  # takes longer to import than most commands take

    rows, columns = event.shape
    return [
        labelled("data", f"{event.source}: {rows:,} × {columns:,}, {format_bytes(event.total_bytes)} in one read"),
        labelled("where", event.where),
        labelled(
            "plan",
            f"{counted(event.tasks, 'task')}, {counted(event.panels, 'panel')} in a pass; a worker needs "
            f"{format_bytes(event.projected_bytes)} of its {format_bytes(event.limit_bytes)}"
            + (f", {KEPT_AMONG_IT}" if event.keeps else ""),
        ),
        *([labelled("", in_words(event.gave_up))] if event.gave_up else []),
        *([labelled("first", f"{COMPILING}, some seconds")] if event.compiles else []),
    ]


def started_line(event: Started) -> str:
    """Return where the first H came from, or where a run goes on."""
    if event.resumed or event.resumed_at:
        done = f"pass {event.resumed_at}" if event.resumed_at else "the start"
        return labelled("resume", f"after {done}, {event.reads:.1f} reads so far")
    origin = ORIGINS.get(event.init, event.init)
    several = f"{event.restarts} starts, each " if event.restarts > 1 else ""
    return labelled("start", f"{several}{origin}, {event.reads:.1f} reads")


def pass_line(record: PassRecord) -> str:
    """Return one pass as a line whose numbers stand below those of other passes.

    Examples
    --------
    >>> pass_line(model.history[2])  # doctest: +SKIP
    'pass   3   error 0.3481   fell 2.1e-04   moved 3.1e-03   reads   2.2    1.3 s'
    """
    return (
        f"pass {record.number:>3}   error {record.relative_error:.4f}   {_change(record):<12}   {_moved(record)}"
        f"reads {record.reads:>5.1f}   {format_seconds(record.seconds):>6}"
        + (f"   not solved: {record.unsolved}" if record.unsolved else "")
        + (f"   {record.lost.told}" if record.lost.told else "")
    )


def progress_line(event: PassProgress) -> str:
    """Return how far a read is as a line.

    Examples
    --------
    >>> progress_line(PassProgress("pass", 4, 300, 1000, 90.0))
    'pass   4   30 % of the rows after 90.0 s, about 4 min left'
    """
    return f"{progress_label(event)}   {share_text(event.share, event.seconds, 'of the rows')}"


def standing_text(event: Standing) -> str:
    """Return why a read stands still, and how long it is waited for.

    Examples
    --------
    >>> standing_text(Standing(0, 4.0, 120.0))
    'no worker is left; the fit gives up in 116 s if none comes'
    """
    found = f"{counted(event.workers, 'worker')}, paused for want of memory" if event.workers else "no worker is left"
    what = "goes on" if event.workers else "comes"
    return f"{found}; the fit gives up in {max(0.0, event.limit_s - event.seconds):.0f} s if none {what}"


def progress_label(event: PassProgress) -> str:
    """Return what is being read, in words.

    Examples
    --------
    >>> progress_label(PassProgress("last", 12, 0, 10, 0.0))
    'pass  12, which makes W'
    """
    return _READS.get(event.what, event.what).format(number=event.number)


_READS = {
    "sample": "reading a sample of the rows",
    "start": "a read for the start",
    "pass": "pass {number:>3}",
    "last": "pass {number:>3}, which makes W",
    "copy": "copying W, its columns summing to one",
    "transform": "solving rows",
    "measure": "a read for the measures",
}


def share_text(share: float, seconds: float, of: str = "") -> str:
    """Return a share that took so long, and how long the rest will take, in words.

    Examples
    --------
    >>> share_text(0.25, 10.0)
    '25 % after 10.0 s, about 30 s left'
    """
    left = f", {left_text(seconds * (1 / share - 1))}" if share > 0 else ""
    return f"{100 * share:.0f} % {of}".rstrip() + f" after {format_seconds(seconds)}{left}"


def left_text(seconds: float) -> str:
    """Return how long something will take, as exactly as anybody knows.

    Examples
    --------
    >>> left_text(0.2), left_text(131), left_text(9000)
    ('about 1 s left', 'about 2 min left', 'about 2.5 h left')
    """
    if seconds < 90:
        return f"about {max(1, round(seconds))} s left"
    return f"about {seconds / 60:.0f} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"


def path_pass_line(event: StudyPassDone) -> str:
    """Return a pass of a study as a line like those of :func:`pass_line`.

    Examples
    --------
    >>> path_pass_line(StudyPassDone(4, 30, 6, 36, 5.25, 1.3, True))
    'pass   4   30 models in it, 6 of 36 done   reads   5.2    1.3 s'
    """
    return (
        f"pass {event.number:>3}   {counted(event.models, 'model')} in it, {event.done} of {event.total} done   "
        f"reads {event.reads:>5.1f}   {format_seconds(event.seconds):>6}"
    )


def _change(record: PassRecord) -> str:
    if not record.accepted:
        return "rose, undone"
    if not math.isfinite(record.decrease):
        return ""
    return f"fell {record.decrease:.1e}" if record.decrease >= 0 else f"rose {-record.decrease:.1e}"


def _moved(record: PassRecord) -> str:
    """How far the component that turned most has turned, where that was measured, to stand below others."""
    return f"moved {record.change:.1e}   " if math.isfinite(record.change) else f"{'':<16}"


def format_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    Examples
    --------
    >>> [format_seconds(s) for s in (0.0042, 1.34, 125, 9000)]
    ['4 ms', '1.3 s', '2.1 min', '2.5 h']
    """
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def labelled(label: str, text: str) -> str:
    """Return `text` behind its label, in the column all texts stand in."""
    return f"{label:<{LABEL_WIDTH}} {text}".rstrip()


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "task"), counted(2000, "task"), counted(2, "pass")
    ('1 task', '2,000 tasks', '2 passes')
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}" + ("" if count == 1 else plural)
