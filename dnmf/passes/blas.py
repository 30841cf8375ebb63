"""BLAS on one thread: its sums then have one order, whatever the machine and whoever else computes."""

import sys
import threading
from types import TracebackType
from typing import Any

from threadpoolctl import ThreadpoolController


class OneBlasThread:
    """A limit that many threads share: the first to enter sets it, the last to leave lifts it.

    The number of BLAS threads belongs to the process. If each thread set it and put back what it had found, the
    one that leaves first would lift the limit of those still computing, and their bits would depend on timing.
    """

    def __init__(self) -> None:
        self._lock, self._holders = threading.Lock(), 0
        self._found: ThreadpoolController | None = None
        self._modules = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._holders == 0:
                libraries = self._libraries()
                _take_control(libraries)
                self._limits = libraries.limit(limits=1, user_api="blas")
            self._holders += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                _take_control(self._libraries())
                self._limits.restore_original_limits()

    def _libraries(self) -> ThreadpoolController:
        """The libraries in this process, looked for again when something was imported: that takes milliseconds."""
        if self._found is None or len(sys.modules) != self._modules:
            self._modules, self._found = len(sys.modules), ThreadpoolController()
        return self._found


def _take_control(libraries: ThreadpoolController) -> None:
    """Let this thread set the limits: newer threadpoolctl listens to one thread and ignores others without a word."""
    for library in libraries.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


_LIMIT = OneBlasThread()


def one_blas_thread() -> OneBlasThread:
    """Return the limit of this process, to be used as a context manager."""
    return _LIMIT
