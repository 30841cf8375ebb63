"""Reads that fail for a moment: tried again, and counted for whoever tells of them."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from dnmf.refusals import told

log = logging.getLogger("dnmf")
READ_TRIES = 3
FIRST_WAIT_S = 0.1
LASTING = (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError)  # waiting does not help


class TriedAgain:
    """How often this process tried something again, since that was asked last."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0

    def add(self) -> None:
        """Count one."""
        with self._lock:
            self._count += 1

    def taken(self) -> int:
        """Return the count, and begin to count anew."""
        with self._lock:
            count, self._count = self._count, 0
        return count


TRIED_AGAIN = TriedAgain()


def with_retries(action: Callable[[], Any], what: str) -> Any:
    """Return ``action()``, tried up to three times when the storage fails for a moment.

    Raises
    ------
    OSError
        The last one; at once when waiting cannot help.
    """
    for attempt in range(1, READ_TRIES):
        try:
            return action()
        except LASTING:
            raise
        except OSError as error:
            log.warning("%s failed (%s), trying again", what, told(error))
            TRIED_AGAIN.add()
            time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
    return action()
