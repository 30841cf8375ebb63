"""One output of a notebook cell that is brought up to date: lines, and a bar below them."""

import html
import sys
from typing import Any

from dnmf.progress.lines import left_text
from dnmf.progress.plain import PlainLines

MOST_LINES = 200


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


class NotebookLines(PlainLines):
    """Shows lines and a bar in the output of the cell that is running."""

    live = alone = True

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._lines: list[str] = []
        self._doing: tuple[str, float | None, float | None] | None = None
        self._shown: Any = None

    def print(self, line: str) -> None:
        """Add a line above the bar."""
        self._lines.append(line)
        self._show()

    def doing(self, what: str, share: float | None = None, left_s: float | None = None) -> None:
        """Move the bar."""
        self._doing = (what, share, left_s)
        self._show()

    def close(self) -> None:
        """Remove the bar; what comes next has an output of its own."""
        if self._doing is not None:
            self._doing = None
            self._show()

    def _show(self) -> None:
        from IPython.display import display

        content = {"text/html": self._as_html(), "text/plain": "\n".join(self._lines)}
        if self._shown is None:
            self._shown = display(content, raw=True, display_id=True)
        else:
            self._shown.update(content, raw=True)

    def _as_html(self) -> str:
        left_out = len(self._lines) - MOST_LINES
        kept = self._lines if left_out <= 0 else [*self._lines[:4], "…", *self._lines[4 - MOST_LINES :]]
        text = html.escape("\n".join(kept))
        return f'<pre style="margin: 0; font-family: monospace">{text}</pre>{self._bar()}'

    def _bar(self) -> str:
        if self._doing is None:
            return ""
        what, share, left_s = self._doing
        value = "" if share is None else f' value="{share:.4f}"'
        words = [html.escape(what)] if share is None else [html.escape(what), f"{100 * share:.0f} %"]
        words += [] if left_s is None else [left_text(left_s)]
        return (
            f'<div><progress max="1"{value} style="width: 20em; vertical-align: middle"></progress> '
            f"{' · '.join(words)}</div>"
        )
