"""Streams for messages, where a message that cannot be written is lost and nothing else."""

from typing import Any, TextIO


class Forgiving:
    """A text stream that raises nothing when it is not there, closed, full, or lacks a sign: no reason to end a fit.

    Parameters
    ----------
    stream : text stream or None
        Where to; None is what ``sys.stderr`` is in a program without one.
    """

    def __init__(self, stream: TextIO | None):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        if self._stream is not None:
            try:
                return self._stream.write(text)
            except (OSError, ValueError):  # ValueError: it was closed, or its encoding has no such sign
                pass
        return len(text)

    def flush(self) -> None:
        """Pass on what is waiting, if that goes."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None  # what is waiting would fail again

    def isatty(self) -> bool:
        """Whether a person sees it at once."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
