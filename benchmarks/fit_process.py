"""A ``dnmf fit`` in a process of its own that can be killed, and the bits of what a fit left."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HUNG_S = 600.0
"""A fit that takes longer hangs: the slowest of these takes a tenth of it."""


class FitProcess:
    """The command ``dnmf fit … --resume --json``, and what it has said so far.

    Parameters
    ----------
    arguments : sequence of str
        Of the command.
    environment : dict
        Of the process.
    program : str
        The module that is run.

    Attributes
    ----------
    events : list of dict
        The objects it printed, each with the time (``at``) when it was read.
    errors : list of str
        The lines of dnmf on stderr.
    """

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], program: str = "dnmf.cli"):
        command = [sys.executable, "-m", program, "fit", *arguments, "--resume", "--json"]
        self.events: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_events, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def passes(self) -> list[dict[str, Any]]:
        """Return the passes it has told of; each of them is committed."""
        return [event for event in list(self.events) if event.get("type") == "pass"]

    def wait_for_passes(self, count: int, within_s: float = HUNG_S) -> bool:
        """Return whether it told of so many passes, before it ended and before too long."""
        deadline = time.monotonic() + within_s
        while len(self.passes()) < count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                return len(self.passes()) >= count
            time.sleep(0.01)
        return True

    def is_over(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    def end(self, within_s: float = HUNG_S) -> int | None:
        """Return its exit code; None where it hung, and was killed for that."""
        try:
            code: int | None = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            code = None
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(10)
        return code

    def _read_events(self) -> None:
        for line in self.process.stdout or ():
            if line.startswith(b"{") and line.endswith(b"}\n"):  # one that was cut short by a kill is none
                self.events.append({**json.loads(line), "at": time.monotonic()})

    def _read_errors(self) -> None:
        for line in self.process.stderr or ():
            if line.startswith(b"dnmf: "):
                self.errors.append(line.decode(errors="replace").strip())


def bits_of(store: Path) -> str:
    """Return a digest of H, d, W and every objective of a run that is done."""
    import dnmf

    model = dnmf.load(store)
    objectives = np.array([record.objective for record in model.history])
    digest = hashlib.sha256()
    for values in (model.H, model.d, model.read_W(), objectives):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:12]
