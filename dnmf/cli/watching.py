"""``dnmf status --watch``: the committed record of runs, looked at again and again until nobody writes them."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from dnmf.cli.output import Output
from dnmf.cli.texts import in_hand_text, on_terminal, status_lines, table_lines
from dnmf.inspection import run_status
from dnmf.progress.plain import PlainLines

EVERY_S = 1.0
LOG_EVERY_S = 60.0  # of what is in hand, where lines are not replaced
SHARE = 0.1  # of the time that looking may take: large factors are verified each time
OVER = ("done", "stopped")
HOW_TO_LEAVE = "watched; Ctrl-C ends this view, not the run"
Found = dict[str, dict[str, Any]]


def watch(runs: tuple[str, ...], output: Output, sleep: Callable[[float], None] = time.sleep) -> None:
    """Show runs until all are done or stopped, or Ctrl-C is pressed: it leaves the runs alone.

    On a terminal the view is replaced; elsewhere a line with the time is added when a pass is committed or a run ends,
    and of the pass in hand once a minute. With JSON there is an object of type ``status`` for every change, also of the
    share that is done, and at the end the ``result``.

    Raises
    ------
    CheckpointError
        There is no run, or it is damaged.
    """
    show = _as_json(output) if output.as_json else _replaced(runs) if on_terminal() else _added()
    with ExitStack() as stack:
        stack.callback(show.close)  # type: ignore[attr-defined]
        next(show)
        try:
            found: Found = {}
            for found in _looks(runs, sleep):
                show.send(found)  # type: ignore[attr-defined]
        except KeyboardInterrupt:
            return
    for facts in found.values():
        output.ended({"type": "result", "command": "status", **facts})


def _looks(runs: tuple[str, ...], sleep: Callable[[float], None]) -> Iterator[Found]:
    """What is found of the runs, every second; the last time when the last of them is over."""
    while True:
        began = time.monotonic()
        found = {run: run_status(run) for run in runs}
        yield found
        if all(facts["status"] in OVER for facts in found.values()):
            return
        sleep(max(EVERY_S, (time.monotonic() - began) / SHARE))


def _as_json(output: Output) -> Any:
    """Takes what is found, and prints an object for each run that is not as it was."""
    before: Found = {}
    while True:
        found = yield
        for run, facts in found.items():
            if facts != before.get(run):
                output.event({"type": "status", "command": "status", **facts})
        before = found


def _added() -> Any:
    """Takes what is found, and prints a line for each run that came further."""
    lines, before, said = PlainLines(sys.stdout), dict[str, Any](), dict[str, float]()
    while True:
        found = yield
        for run, facts in found.items():
            so_far, now = (facts["status"], facts.get("passes"), facts["writer"]), time.monotonic()
            is_due = facts["in_hand"] and now - said[run] >= LOG_EVERY_S
            if so_far != before.get(run) or is_due:
                lines.print(run_line(facts))
                before[run], said[run] = so_far, now


def _replaced(runs: tuple[str, ...]) -> Any:
    """Takes what is found, and shows it in place of what it showed before."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(file=sys.stdout, highlight=False), auto_refresh=False) as live:
        while True:
            found = yield
            lines = status_lines(found[runs[0]]) if len(runs) == 1 else table_lines(found)
            over = all(facts["status"] in OVER for facts in found.values())
            shown = Text("\n".join(lines))
            shown.append("" if over else f"\n{HOW_TO_LEAVE}", style="dim")
            live.update(shown, refresh=True)


def run_line(found: dict[str, Any]) -> str:
    """Return what :func:`dnmf.inspection.run_status` found in one line."""
    error, reads, writer = found.get("relative_error"), found.get("reads"), found["writer"]
    parts = [f"{found['status']} by process {writer['pid']} on {writer['host']}" if writer else found["status"]]
    parts += [f"pass {found['passes']}"] if found.get("passes") else []
    parts += [f"{found['models_done']} of {found['models']} models"] if found.get("kind") == "path" else []
    parts += [] if error is None else [f"error {error:.4f}"]
    parts += [] if reads is None else [f"{reads:.1f} reads"]
    if found["in_hand"] is not None:
        parts.append(in_hand_text(found["in_hand"], stopped=found["status"] == "stopped"))
    return f"{found['store']}: {', '.join(parts)}"
