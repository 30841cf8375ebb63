"""Where progress is shown: one interface, and the place that suits a stream."""

from typing import TextIO

from dnmf.progress.notebook import NotebookLines, in_notebook
from dnmf.progress.plain import PlainLines


def place_for(stream: TextIO | None) -> PlainLines:
    """Return where to show progress: a notebook where none is given and one listens, a terminal, else plain lines."""
    import sys

    if stream is None and in_notebook():
        return NotebookLines()
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        return PlainLines(stream)
    from dnmf.progress.terminal import TerminalLines

    return TerminalLines(stream)
