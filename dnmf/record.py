"""What a committed pass says of its run, besides the state: enough to go on with it, or to refuse."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnmf import checkpoint
from dnmf.errors import CheckpointError, NewerError, UnknownLossError
from dnmf.options import FitOptions

if TYPE_CHECKING:
    from dnmf.sources import Source

DASK = "a dask array"
MOST_LISTED = 3
BEHIND = "behind"  # what a fingerprint of a dask array says of the stored arrays behind it, where these are known
PATH = "path"  # the kind of a record that describes a regularization path
RIVALS = "rivals"  # what a record has besides while starts compete: who they are, and the scalars of all but the first
RANKS = "ranks"  # the kind of one that describes models of several ranks
CONSENSUS = "consensus"  # the kind of one that describes what several models agree on
STUDIES = {
    PATH: "a regularization path",
    RANKS: "models of several ranks",
    CONSENSUS: "a consensus",
}  # the kinds of studies, in words
# The parts of a fingerprint, and what messages say of them: the data itself, and what lies beside it.
PARTS = {
    "": "the data is", "missing": "what is missing is", "mask": "the mask is", "weights": "the weights are",
    "row_weights": "the row weights are", "column_weights": "the column weights are",
    "rows": "the choice of rows is", "columns": "the choice of columns is",
    "row_scale": "what rows are divided by is", "column_scale": "what columns are divided by is",
}  # fmt: skip
# Of what a fingerprint holds checksums, or times in nanoseconds, beside names of files.
CHECKSUMS = {
    "crc32c": "values", "changed": "time of writing", "metadata": "metadata", "files behind": "files behind it",
}  # fmt: skip


STEP_FROM_MEDIANS = "a step from the medians of many models"
"""Why the fit of a consensus has ended: there is nothing to go on with."""


@dataclass(frozen=True)
class RunRecord:
    """The JSON part of a generation.

    Attributes
    ----------
    status : {"running", "done"}
        A finished run's record is that of its model.
    options : FitOptions
        What decides the result.
    address, missing_chunks : str
        How to open the data again.
    observed : dict
        What was said of its entries (:meth:`dnmf.sources.source.Source.said`).
    fingerprint : dict
        Of the data when the fit began.
    shape : (int, int)
        Of the data as the engine sees it.
    transposed : bool
        Whether rows and columns were exchanged.
    plan : dict
        How the data was cut (:meth:`dnmf.plan.Plan.cuts_json`).
    versions : dict
        Of what the bits depend on.
    state : dict
        The scalars of the state.
    unfolding : dict
        Which axes of an array make the rows (:meth:`dnmf.sources.unfolded.Unfolding.to_json`); empty of a matrix.
    """

    status: str
    options: FitOptions
    address: str
    missing_chunks: str
    fingerprint: dict[str, Any]
    shape: tuple[int, int]
    transposed: bool
    plan: dict[str, Any]
    versions: dict[str, str]
    state: dict[str, Any]
    observed: dict[str, Any] = field(default_factory=dict)
    unfolding: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "options": self.options.to_json()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "RunRecord":
        """The record that :meth:`to_json` wrote, or what the record of a finished run still says."""
        known = {name: record.get(name, default) for name, default in _DEFAULTS.items()}
        return cls(**{**known, "options": FitOptions.from_json(record["options"])})


_DEFAULTS: dict[str, Any] = {
    "status": "running", "options": None, "address": "", "missing_chunks": "error", "fingerprint": {}, "shape": (0, 0),
    "transposed": False, "plan": {}, "versions": {}, "state": {}, "observed": {},
    "unfolding": {},
}  # fmt: skip


@contextmanager
def naming(store: str | Path) -> Iterator[None]:
    """Name the store in an error that says what of its run is not known here: its loss, or what a newer dnmf wrote."""
    try:
        yield
    except NewerError as error:
        raise NewerError(f"{store}: was written by dnmf {checkpoint.read_latest(store).dnmf}; {error}") from error
    except UnknownLossError as error:
        raise UnknownLossError(f"{store}: {error}") from error


def contents(record: dict[str, Any]) -> str:
    """Return what a store with this record holds, in words."""
    return STUDIES.get(record.get("kind", ""), "a single run")


def has_begun(record: dict[str, Any]) -> bool:
    """Whether a record is that of a run, or a study, that has finished a pass: nothing else takes its place unasked."""
    return bool(record.get("status") == "done" or record["state"]["passes"])


def refuse_study(record: dict[str, Any], store: str | Path, advice: str) -> None:
    """Raise CheckpointError where a record describes a path, or another study, not one run; say what to do instead.

    What is advised may name the ``{kind}``.
    """
    kind = record.get("kind")
    if kind in STUDIES:
        advice = advice.replace("{kind}", kind)
        raise CheckpointError(f"{store}: holds {contents(record)}, not a single run; {advice}")


def other_than(record: dict[str, Any], source: "Source", changed: list[str]) -> str:
    """Return in what a run differs from one that was to take its place, for a message; empty where in nothing.

    Parameters
    ----------
    record : dict
        Of the latest generation.
    source : Source
        The data of the new one.
    changed : list of str
        The options that differ.
    """
    run = record.get("run", record)
    before = run.get("fingerprint")
    found = changes_of_data(before, source.fingerprint()) if before else []
    known = [f"of other data ({run.get('address', '')}: {_listed(found)})"] if found else []
    known += [f"with other options ({'; '.join(changed)})"] if changed else []
    return f" {' and '.join(known)}" if known else ""


def _listed(found: list[str]) -> str:
    return "; ".join(found[:MOST_LISTED]) + (f"; and {len(found) - MOST_LISTED} more" * (len(found) > MOST_LISTED))


def versions() -> dict[str, str]:
    """Return the versions on which the bits of a result depend, and the processor's BLAS kernels."""
    import numba
    import numpy
    import scipy.linalg  # loads its BLAS, so that the list is the same whenever it is made
    from threadpoolctl import threadpool_info

    from dnmf import __version__

    blas = sorted(
        f"{entry.get('internal_api')} {entry.get('version')} {entry.get('architecture')}"
        for entry in threadpool_info()
        if entry.get("user_api") == "blas"
    )
    return {
        "dnmf": __version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "blas": "; ".join(blas),
    }


def changes_of_data(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in what two fingerprints of data differ, those of what lies beside it after its name.

    Examples
    --------
    >>> changes_of_data({"kind": "dask", "shape": [4, 2], "name": "a"}, {"kind": "dense", "shape": [4, 3], "bytes": 5})
    ['shape: [4, 2] → [4, 3]', 'a dask array, which cannot be compared with stored data']
    """
    parts = changes_of_parts(before, now).items()
    return [f"{part.replace('_', ' ')}: {line}" if part else line for part, lines in parts for line in lines]


def changes_of_parts(before: dict[str, Any], now: dict[str, Any]) -> dict[str, list[str]]:
    """Return in what two fingerprints of data differ, by the parts that do (``""`` is the data itself).

    One sentence where there is no more to compare; of a checksum that differs only what it is of.

    Examples
    --------
    >>> changes_of_parts({"missing": "refuse", "mask": {"crc32c": 5}}, {})
    {'mask': ['given → none']}
    >>> changes_of_parts({"crc32c": 3, "mask": {"crc32c": 5}}, {"crc32c": 3, "mask": {"crc32c": 6}, "row_weights": 1})
    {'mask': ['other values'], 'row_weights': ['none → given']}
    """
    own = [{name: value for name, value in record.items() if name not in PARTS} for record in (before, now)]
    found = {"": _changes_of_matrix(*own)}
    for part in PARTS:
        first, second = before.get(part), now.get(part)
        if first != second:
            found[part] = _changes_beside(first, second)
    return {part: lines for part, lines in found.items() if lines}


def _changes_beside(before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return _changes_of_matrix(before, now)
    if isinstance(before, str) or isinstance(now, str):  # it is noted where there is more to say of entries
        words = before or "refuse", now or "refuse"
        return [] if words[0] == words[1] else [" → ".join(words)]
    if before is None or now is None:
        return ["none → given" if before is None else "given → none"]
    return ["other values"]


def _changes_of_matrix(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    kinds = _kind(before), _kind(now)
    if not (BEHIND in before and BEHIND in now):  # runs of before did not note it; what is in memory has none
        before, now = ({name: record[name] for name in record if name != BEHIND} for record in (before, now))
    if kinds[0] == kinds[1] and (kinds[0] != DASK or before.get("name") == now.get("name")):
        return [_without_checksums(line) for line in differences(before, now)]
    first, second = ({name: record.get(name) for name in ("shape", "dtype")} for record in (before, now))
    told = f"{kinds[0]}, which cannot be compared with {kinds[1]}"
    if kinds[0] == kinds[1]:
        told = "by its name or its chunks another dask array, or one that was made in another way"
    return [*differences(first, second), told]


def _without_checksums(line: str) -> str:
    """A difference in words alone where its numbers are checksums, or times in nanoseconds."""
    at, _, leaf = line.partition(": ")[0].rpartition(".")
    if not (leaf in CHECKSUMS or leaf.startswith("names, ")):
        return line
    told = f"other {CHECKSUMS.get(leaf, leaf)}"
    return f"{at}: {told}" if at else told


def _kind(fingerprint: dict[str, Any]) -> str:
    if fingerprint.get("kind") == "dask":
        return DASK
    return "an array in memory" if "crc32c" in fingerprint else "stored data"


def differences(before: Any, now: Any, at: str = "") -> list[str]:
    """Return ``name: before → now`` for every leaf in which two JSON values differ.

    Examples
    --------
    >>> differences({"a": {"b": 1}}, {"a": {"b": 2}})
    ['a.b: 1 → 2']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        names = [*before, *(name for name in now if name not in before)]
        return [
            line
            for name in names
            for line in differences(before.get(name), now.get(name), f"{at}.{name}" if at else str(name))
        ]
    return [] if before == now else [f"{at}: {before} → {now}"]
