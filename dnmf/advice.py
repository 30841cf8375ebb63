"""How a run is gone on with: as a call in Python, and as a command of a shell."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class WayOn(NamedTuple):
    """How a run goes on from its last commit, in Python; the command line says its own command in its place.

    Attributes
    ----------
    store : str
        Of the run.
    function : str
        That goes on with it.
    on_cluster : bool
        Whether it ran on one, which it is to be given again.

    Examples
    --------
    >>> print(WayOn("run.dnmf", on_cluster=True).call)
    dnmf.resume('run.dnmf', client=…)
    """

    store: str
    function: str = "dnmf.resume"
    on_cluster: bool = False

    @property
    def call(self) -> str:
        """What to call."""
        return f"{self.function}({self.store!r}{', client=…' if self.on_cluster else ''})"


def resume_command(
    store: Any, limits: Mapping[str, Any] | None = None, options: Iterable[str] = (), modules: Iterable[str] = ()
) -> str:
    """Return what to type to go on with the run in a store.

    Parameters
    ----------
    store : path or place
        Of the run.
    limits : mapping, optional
        Under which it is to go on, where it needs others.
    options : iterable of str
        Where it is to go on: options and their values.
    modules : iterable of str
        To be imported first.

    Examples
    --------
    >>> resume_command("my run.dnmf", {"max_passes": 200}, ["--scheduler", "local"])
    "dnmf resume 'my run.dnmf' --max-passes 200 --scheduler local"
    """
    words = ["dnmf", *(word for name in modules for word in ("--import", name)), "resume", str(store)]
    return shlex.join([*words, *limit_words(limits), *options])


def limit_words(limits: Mapping[str, Any] | None) -> list[str]:
    """Return limits as they are typed.

    Examples
    --------
    >>> limit_words({"max_passes": 200})
    ['--max-passes', '200']
    """
    named = {f"--{name.replace('_', '-')}": f"{value:g}" for name, value in (limits or {}).items()}
    return [word for pair in named.items() for word in pair]
