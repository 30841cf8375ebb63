"""Lines above one that moves: terminals."""

from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dnmf.progress.lines import left_text
from dnmf.progress.plain import PlainLines

BAR_WIDTH = 24


class TerminalLines(PlainLines):
    """Prints lines, and keeps a bar below them as long as something is being done."""

    live = True

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self._bar: Progress | None = None
        self._task: Any = None
        self._what = ""

    def print(self, line: str) -> None:
        """Add a line above the bar."""
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def doing(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        """Move the bar."""
        bar = self._bar = self._bar or self._started()
        left = "" if left_s is None else left_text(left_s)
        if what != self._what:
            bar.reset(self._task, total=None)
            self._what = what
        shown = "" if share is None else f"{100 * share:.0f} %"
        bar.update(
            self._task, description=what, total=None if share is None else 1.0, completed=share or 0.0, share=shown,
            left=left,
        )  # fmt: skip

    def _started(self) -> Progress:
        columns = (
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[share]}", markup=False), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
        )  # fmt: skip
        bar = Progress(*columns, console=Console(file=self._stream), transient=True)
        self._task = bar.add_task("", total=None, share="", left="")
        bar.start()
        return bar

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar, self._what = None, ""
