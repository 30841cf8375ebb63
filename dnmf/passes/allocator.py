"""What the C library does with freed memory: it may keep some, and can be asked to give it back."""

import ctypes
import os

MOST_KEPT_BYTES = 64 * 2**20  # twice the largest array that glibc does not map by itself


def kept_when_freed() -> int:
    """Return how many bytes of freed arrays the C library may keep; a variable can make it return (almost) all."""
    setting = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    return min(int(setting), MOST_KEPT_BYTES) if setting.isdecimal() else MOST_KEPT_BYTES


def give_back_freed() -> None:
    """Give freed memory back to the system, where the C library can (glibc)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return
