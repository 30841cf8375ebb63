"""Non-negative matrix factorization of chunked matrices that do not fit in memory.

``dnmf.fit(source, rank)`` returns a :class:`Model` with ``A ≈ W · diag(d) · H``.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

try:
    __version__ = version("dnmf")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"

if TYPE_CHECKING:
    from dnmf.api import fit, load, resume
    from dnmf.constraints import Constraints
    from dnmf.conversion import convert
    from dnmf.cp_model import CPModel
    from dnmf.ensembles.consensus_doors import consensus, load_consensus, resume_consensus
    from dnmf.ensembles.consensus_result import Consensus
    from dnmf.ensembles.ranks_doors import load_ranks, ranks, resume_ranks
    from dnmf.ensembles.ranks_result import Ranks
    from dnmf.errors import (
        BudgetError,
        ChangedError,
        CheckpointError,
        ClusterError,
        CorruptError,
        DnmfError,
        InputError,
        Interrupted,
        LossError,
    )
    from dnmf.estimator import NMF
    from dnmf.estimator_function import non_negative_factorization
    from dnmf.losses import Loss
    from dnmf.model import Model
    from dnmf.paths import Path, PathRow, load_path, path, resume_path
    from dnmf.penalty import Penalty
    from dnmf.places import place
    from dnmf.sources import open_source
    from dnmf.tensors import cp

_PLACES = {
    "fit": "dnmf.api", "resume": "dnmf.api", "load": "dnmf.api", "open_source": "dnmf.sources",
    "convert": "dnmf.conversion", "Model": "dnmf.model", "NMF": "dnmf.estimator",
    "non_negative_factorization": "dnmf.estimator_function", "Penalty": "dnmf.penalty",
    "Constraints": "dnmf.constraints", "Loss": "dnmf.losses",
    "DnmfError": "dnmf.errors", "InputError": "dnmf.errors", "BudgetError": "dnmf.errors",
    "ClusterError": "dnmf.errors", "CheckpointError": "dnmf.errors", "CorruptError": "dnmf.errors",
    "Interrupted": "dnmf.errors", "ChangedError": "dnmf.errors", "LossError": "dnmf.errors",
    "path": "dnmf.paths", "resume_path": "dnmf.paths", "load_path": "dnmf.paths",
    "ranks": "dnmf.ensembles.ranks_doors", "resume_ranks": "dnmf.ensembles.ranks_doors",
    "load_ranks": "dnmf.ensembles.ranks_doors",
    "Ranks": "dnmf.ensembles.ranks_result", "consensus": "dnmf.ensembles.consensus_doors",
    "resume_consensus": "dnmf.ensembles.consensus_doors", "load_consensus": "dnmf.ensembles.consensus_doors",
    "Consensus": "dnmf.ensembles.consensus_result", "Path": "dnmf.paths", "PathRow": "dnmf.paths",
    "place": "dnmf.places", "cp": "dnmf.tensors", "CPModel": "dnmf.cp_model",
}  # fmt: skip

# Those that the documentation names.
_ROOMS = {"cluster", "cnmf", "losses", "measures", "plots", "progress", "scanpy", "signals", "unfinished"}

__all__ = [
    "NMF", "BudgetError", "CPModel", "ChangedError", "CheckpointError", "ClusterError", "Consensus", "Constraints",
    "CorruptError", "DnmfError", "InputError", "Interrupted", "Loss", "LossError", "Model", "Path", "PathRow",
    "Penalty", "Ranks", "__version__", "consensus", "convert", "cp", "fit", "load", "load_consensus", "load_path",
    "load_ranks", "non_negative_factorization", "open_source", "path", "place", "ranks", "resume", "resume_consensus",
    "resume_path", "resume_ranks",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import dnmf`` stays quick."""
    if name in _ROOMS:
        return import_module(f"dnmf.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'dnmf' has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
