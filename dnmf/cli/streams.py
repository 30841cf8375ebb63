"""The standard streams of this process, which may be closed, full, or nobody's: no reason for work not to be done."""

import errno
import io
import os
import sys
from typing import Any, TextIO


def _closed() -> OSError:
    return OSError(errno.EBADF, "it is closed")


class _WhatCanBeWritten(io.FileIO):
    """A descriptor on which what cannot be written is lost; `lost` says why. That a reader has left is told once."""

    lost: OSError | None = None

    def __init__(self, descriptor: int, reader_may_leave: bool, was_closed: bool):
        super().__init__(descriptor, "wb", closefd=False)
        self._tells_of_a_reader, self._was_closed = not reader_may_leave, was_closed

    def write(self, content: Any) -> int:
        """Return how many bytes are done with, written or lost."""
        if self._was_closed:
            self.lost = _closed()
        try:
            return super().write(content) or len(content)
        except OSError as error:
            if error.errno == errno.EPIPE and self._tells_of_a_reader:
                self._tells_of_a_reader = False  # Python flushes once more when it ends, and would print a traceback
                raise
            self.lost = error
            return len(content)


def stand_in() -> None:
    """Open the standard streams that are closed on nothing, and let a failing one lose what is written to it.

    A closed one is opened first of all: the next file opened would get its number, and what a library writes to its
    standard error would go into that file. Whoever reads the output and leaves (``| head``) still ends the command;
    whoever reads the messages does not.
    """
    closed = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            closed.add(descriptor)
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  stays open as long as the process
    sys.stdout = _forgiving(sys.stdout, 1, reader_may_leave=False, was_closed=1 in closed)
    sys.stderr = _forgiving(sys.stderr, 2, reader_may_leave=True, was_closed=2 in closed)


def _forgiving(stream: TextIO | None, descriptor: int, *, reader_may_leave: bool, was_closed: bool) -> TextIO:
    if stream is not None and not isinstance(stream, io.TextIOWrapper):
        return stream  # somebody's own
    buffer = io.BufferedWriter(_WhatCanBeWritten(descriptor, reader_may_leave, was_closed))
    encoding = "utf-8" if stream is None else stream.encoding
    lines = stream is None or stream.line_buffering
    return io.TextIOWrapper(buffer, encoding, errors="replace", line_buffering=lines)


def output_lost() -> OSError | None:
    """Return why some of what was written to standard output is lost, None where nothing is."""
    if sys.stdout is None:  # in a program of somebody else's, which began without one
        return _closed()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return getattr(raw, "lost", None)
