"""Where progress is shown: one interface, and the place that suits a stream."""

from typing import Any, TextIO

from dnmf.progress.notebook import NotebookLines, in_notebook
from dnmf.progress.plain import PlainLines
from dnmf.streams import Forgiving


def place_for(stream: TextIO | None) -> PlainLines:
    """Return where to show progress: a notebook where none is given and one listens, a terminal, else plain lines."""
    import sys

    if stream is None and in_notebook():
        return NotebookLines()
    heard: Any = Forgiving(sys.stderr if stream is None else stream)
    if not heard.isatty():
        return PlainLines(heard)
    from dnmf.progress.terminal import TerminalLines

    return TerminalLines(heard)
