"""Where compiled kernels are kept: where numba keeps them, else in a temporary directory of this user, else nowhere."""

import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache

log = logging.getLogger("dnmf")


class KernelCache(FunctionCache):
    """Numba's cache of one function, which may fail without harm: what cannot be read or written is compiled anew."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled earlier, None where it cannot be had."""
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError):
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where there is room for it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _say_once(f"compiled kernels cannot be kept in {self.cache_path} ({error.strerror})")


def cache_for(function: Any) -> KernelCache | None:
    """Return a cache for a function of this package, None where there is no place for one.

    Numba knows three places: ``NUMBA_CACHE_DIR``, beside the source, and the user's cache directory. Where none of
    them can be written (an installation of root's, and no home) it refuses to compile at all.
    """
    try:
        return KernelCache(function)
    except RuntimeError:  # no place that numba knows
        pass
    config: Any = numba.config
    before = config.CACHE_DIR
    try:
        config.CACHE_DIR = str(private_directory(Path(tempfile.gettempdir())))
        return KernelCache(function)
    except (OSError, RuntimeError) as error:
        _say_once(f"there is no place to keep compiled kernels ({getattr(error, 'strerror', None) or error})")
        return None
    finally:
        config.CACHE_DIR = before


def private_directory(above: Path) -> Path:
    """Return a directory below `above` that this user alone can write, the same one in every process.

    What numba reads there are pickles, which can run any code: a directory that somebody else made, or could put in
    the place of this one, is not used.

    Raises
    ------
    OSError
        There is no such place; the text says why.
    """
    if not hasattr(os, "getuid"):  # where users have temporary directories of their own
        folder = above / "dnmf-kernels"
        folder.mkdir(exist_ok=True)
        return folder
    folder, user = above / f"dnmf-kernels-{os.getuid()}", os.getuid()
    folder.mkdir(mode=0o700, exist_ok=True)
    found, parent = folder.lstat(), above.stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a directory of this user alone")
    if parent.st_uid not in (0, user) or (parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX):
        raise PermissionError(f"others may replace what is in {above}")
    return folder


_said: set[str] = set()


def _say_once(what: str) -> None:
    if not _said:
        _said.add(what)
        log.warning("%s; every process compiles them anew: let NUMBA_CACHE_DIR name a directory for them", what)
