"""Has compiled kernels loaded, so that a measurement of memory or time starts after it."""

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import dnmf
from dnmf.checksums import crc32c_of
from dnmf.kernels import nnls

COMPILE_TIMEOUT_S = 300
LOCK_WAIT_S, LOCK_LOOK_S = 30, 0.05  # half of what a scheduler waits for a worker, beside the compilation itself
IS_CHILD = "DNMF_COMPILES"  # in the environment of a process that compiles for another one


class Loadable(Protocol):
    """What decides which kernels a fit needs, and has them loaded."""

    def load(self) -> None:
        """Have every kernel run once."""

    def alike(self) -> "Loadable":
        """Return one that has the same kernels run, and is the same for all that do; any process can make it."""


def load_compiled_kernels(kernels: Loadable) -> None:
    """Load the kernels; where they were never compiled, a child process does that first.

    The compiler would leave some 70 MiB behind in this process, and a plan that measures what the process takes
    would have them missing for its panels ever after. Of several processes that need them one has them compiled, and
    the others wait for it a while.
    """
    marker = _marker(kernels)
    if marker is not None and not marker.exists() and _has_children():
        with _one_at_a_time(marker.parent):
            if not marker.exists():
                _compile_in_a_child(kernels, marker)
    kernels.load()


def will_compile(kernels: Loadable) -> bool:
    """Whether to load the kernels takes as long as to compile them."""
    marker = _marker(kernels)
    if marker is None:
        return not nnls._solve_rows.signatures  # type: ignore[attr-defined]
    return not marker.exists() and (_has_children() or not were_compiled())


def _has_children() -> bool:
    """Whether another Python can be started from here: a frozen program, for one, would start itself."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and IS_CHILD not in os.environ


def _compile_in_a_child(kernels: Loadable, marker: Path) -> None:
    """Have the kernels compiled; what goes wrong there is no fault here, where they are compiled then."""
    command = f"from {type(kernels).__module__} import *; {kernels.alike()!r}.load()"
    same_package = {"PYTHONPATH": os.pathsep.join([str(Path(nnls.__file__).parents[2]), *filter(None, sys.path)])}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [sys.executable, "-P", "-c", command], check=True, timeout=COMPILE_TIMEOUT_S, capture_output=True,
            env={**os.environ, **same_package, IS_CHILD: "1"},
        )  # fmt: skip
        if marker.parent.is_dir():
            marker.touch()


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of a directory of compiled kernels, where the system and the directory know locks.

    Whoever holds it may have been stopped, and a worker that waits says nothing to its scheduler: after a while the
    work is done without it.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            folder.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((folder / "dnmf.lock").open("wb"))
            for _ in range(math.ceil(LOCK_WAIT_S / LOCK_LOOK_S)):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held.callback(fcntl.flock, file, fcntl.LOCK_UN)  # also for copies of it in forked processes
                    break
                time.sleep(LOCK_LOOK_S)
        yield


def were_compiled() -> bool:
    """Whether kernels were ever compiled and kept on this machine, of whatever kind."""
    folder = nnls._solve_rows._cache.cache_path  # type: ignore[attr-defined]
    return folder is not None and any(Path(folder).glob("*.nbi"))


def _marker(kernels: Loadable) -> Path | None:
    """A file beside numba's own cache that says: these were compiled, from sources of this age, for this processor."""
    folder = nnls._solve_rows._cache.cache_path  # type: ignore[attr-defined]
    if folder is None:  # a child's work would be lost
        return None
    sources = sorted(Path(nnls.__file__).parent.glob("*.py"))
    ages = [str(path.stat().st_mtime_ns) for path in sources]
    processor = repr(nnls._solve_rows.targetctx.codegen().magic_tuple())  # type: ignore[attr-defined]
    said = " ".join([dnmf.__version__, repr(kernels.alike()), processor, *ages])
    return Path(folder) / f"dnmf-{crc32c_of(said.encode()):08x}.compiled"
