"""``dnmf status --watch``: the committed record of runs, looked at again and again until nobody writes them."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import click

from dnmf.cli.component_lines import on_terminal
from dnmf.cli.exits import explain, report
from dnmf.cli.output import Output
from dnmf.cli.texts import in_hand_text, status_lines, table_lines
from dnmf.errors import DnmfError
from dnmf.inspection import run_status
from dnmf.progress.plain import PlainLines

EVERY_S = 1.0
LOG_EVERY_S = 60.0  # of what is in hand, where lines are not replaced
SHARE = 0.1  # of the time that looking may take: large factors are verified each time
UNREADABLE = "unreadable"
OVER = ("done", "stopped", UNREADABLE)  # what cannot be read may come back as long as others go on
HOW_TO_LEAVE = "watched; Ctrl-C ends this view, not the run"
Found = dict[str, dict[str, Any]]
Failed = dict[str, Exception]
Show = Generator[None, Found, None]  # takes what is found


def watch(runs: tuple[str, ...], output: Output, sleep: Callable[[float], None] = time.sleep) -> int:
    """Show runs until all are done or stopped, or Ctrl-C is pressed: it leaves the runs alone.

    One alone has to be there: a mistyped name would be waited for for ever.

    On a terminal the view is replaced; elsewhere a line with the time is added when a pass is committed or a run ends,
    and of the pass in hand once a minute. With JSON there is an object of type ``status`` for every change, also of the
    share that is done, and at the end the ``result``. Of several, one that cannot be read does not hide the others: it
    is ``unreadable`` in what is shown, and when they are over, an error.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    CheckpointError
        There is no run, or it is damaged, and it was the only one to be watched.
    """
    show: Show = _as_json(output) if output.as_json else _replaced(runs) if on_terminal() else _added()
    with ExitStack() as stack:
        stack.callback(show.close)
        next(show)
        try:
            last = Found(), Failed()
            for last in _looks(runs, sleep):
                show.send(last[0])
        except KeyboardInterrupt:
            return 0
    (found, failed), code = last, 0
    for run, facts in found.items():
        if run in failed:
            code = report(failed[run], click.get_current_context(), command="status", place=run)
        else:
            output.ended({"type": "result", "command": "status", **facts})
    return code


def _looks(runs: tuple[str, ...], sleep: Callable[[float], None]) -> Iterator[tuple[Found, Failed]]:
    """What is found of the runs, and why not, every second; the last time when the last of them is over."""
    while True:
        began, found, failed = time.monotonic(), Found(), Failed()
        for run in runs:
            try:
                found[run] = run_status(run)
            except (DnmfError, OSError) as error:
                if len(runs) == 1:
                    raise
                failed[run] = error
                found[run] = {"store": run, "status": UNREADABLE, "message": explain(error)[1].removeprefix("error: ")}
        yield found, failed
        if all(facts["status"] in OVER for facts in found.values()):
            return
        sleep(max(EVERY_S, (time.monotonic() - began) / SHARE))


def _as_json(output: Output) -> Show:
    """Takes what is found, and prints an object for each run that is not as it was."""
    before: Found = {}
    while True:
        found = yield
        for run, facts in found.items():
            if facts != before.get(run):
                output.event({"type": "status", "command": "status", **facts})
        before = found


def _added() -> Show:
    """Takes what is found, and prints a line for each run that came further."""
    lines, before, said = PlainLines(sys.stdout), dict[str, Any](), dict[str, float]()
    while True:
        found = yield
        for run, facts in found.items():
            so_far, now = (facts["status"], facts.get("passes"), facts.get("writer")), time.monotonic()
            goes_on = facts.get("in_hand") and facts["status"] not in OVER
            if so_far != before.get(run) or (goes_on and now - said[run] >= LOG_EVERY_S):
                lines.print(run_line(facts))
                before[run], said[run] = so_far, now


def _replaced(runs: tuple[str, ...]) -> Show:
    """Takes what is found, and shows it in place of what it showed before."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(file=sys.stdout, highlight=False), auto_refresh=False) as live:
        while True:
            found = yield
            lines = status_lines(found[runs[0]]) if len(runs) == 1 else _table(found)
            over = all(facts["status"] in OVER for facts in found.values())
            shown = Text("\n".join(lines))
            shown.append("" if over else f"\n{HOW_TO_LEAVE}", style="dim")
            live.update(shown, refresh=True)


def _table(found: Found) -> list[str]:
    """The runs as a table, and below it why some cannot be read."""
    unread = {run: facts["message"] for run, facts in found.items() if facts["status"] == UNREADABLE}
    return [*table_lines({run: None if run in unread else facts for run, facts in found.items()}), *unread.values()]


def run_line(found: dict[str, Any]) -> str:
    """Return what :func:`dnmf.inspection.run_status` found in one line, or why it found nothing."""
    if found["status"] == UNREADABLE:
        return f"{UNREADABLE}: {found['message']}"
    error, reads, writer = found.get("relative_error"), found.get("reads"), found["writer"]
    parts = [f"{found['status']} by process {writer['pid']} on {writer['host']}" if writer else found["status"]]
    parts += [f"pass {found['passes']}"] if found.get("passes") else []
    parts += [f"{found['models_done']} of {found['models']} models"] if found.get("kind") else []
    parts += [] if error is None else [f"error {error:.4f}"]
    parts += [] if reads is None else [f"{reads:.1f} reads"]
    if found["in_hand"] is not None:
        parts.append(in_hand_text(found["in_hand"], stopped=found["status"] == "stopped"))
    return f"{found['store']}: {', '.join(parts)}"
