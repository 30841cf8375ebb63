"""What is asked of the factors on the command line: penalties, bounds, and files with what is given."""

import functools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dnmf.cli.amounts import NUMBER_OR_PAIR, STRENGTHS
from dnmf.errors import InputError
from dnmf.locations import regular_file
from dnmf.refusals import told

READERS = (".npy", ".npz", ".mtx", ".csv")
CSV_HINT = (
    "; a .csv holds numbers only, no header and no index: frame.to_csv(path, header=False, index=False), or save it as "
    ".npy, numpy.save(path, frame.to_numpy())"
)
NUMBERS = ("l1", "l2", "angular", "smooth", "target", "beside_given")
OF_CP = "Of a CP also one for each axis, the long one first."
FILES = ("fixed_w", "fixed_h", "target_h", "graph")

OPTIONS = (
    click.option("--l1", type=STRENGTHS, default=(0.0, 0.0),
                 help=f"L1 on both factors, or on W,H: sparse. {OF_CP}"),
    click.option("--l2", type=STRENGTHS, default=(0.0, 0.0), help=f"L2 on both factors, or on W,H: dense. {OF_CP}"),
    click.option("--angular", type=NUMBER_OR_PAIR, default=(0.0, 0.0),
                 help="Keeps components apart, on both factors or on W,H."),
    click.option("--penalty-scale", type=click.Choice(["relative", "objective", "fraction", "absolute", "counts"]),
                 help="Units of all strengths; see docs/regularization.md.  [default: relative, of a CP objective]"),
    click.option("--beside-given", type=click.FloatRange(0), default=1.0, show_default=True,
                 help="Times what L2 acts on the free side of components with a given one (scale counts: biases)."),
    click.option("--no-diagonal", is_flag=True, help="Leave the scale of components alone: to see what goes wrong."),
    click.option("--upper", type=NUMBER_OR_PAIR, help="Upper bound of both factors, or of W,H (inf: none)."),
    click.option("--free", type=click.Choice(["W", "H"]), help="The factor that may be negative."),
    click.option("--fixed-w", metavar="FILE", help="Columns of W of the first components (m × f)."),
    click.option("--fixed-h", metavar="FILE", help="Rows of H of the first components (f × n)."),
    click.option("--target-h", metavar="FILE", help="What H is pulled to (k × n)."),
    click.option("--target", type=click.FloatRange(0), default=0.0, help="How strongly H is pulled to its target."),
    click.option("--graph", metavar="FILE", help="Weights of a graph over the columns (n × n)."),
    click.option("--smooth", type=click.FloatRange(0), default=0.0, help="How strongly H follows the graph."),
)  # fmt: skip


def regularization_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of penalties and constraints, and hand both to the command as `penalty` and `constraints`."""

    @functools.wraps(command)
    def packed(**given: Any) -> Any:
        from dnmf.constraints import Constraints
        from dnmf.penalty import Penalty

        strengths = {name: given.pop(name) for name in NUMBERS}
        scale = given.pop("penalty_scale") or _units(strengths, given.get("structure"))
        penalty = Penalty(**strengths, scale=scale, diagonal=not given.pop("no_diagonal"))
        arrays = {_parameter(name): read_matrix(path) for name in FILES if (path := given.pop(name)) is not None}
        constraints = Constraints(upper=given.pop("upper"), free=given.pop("free") or "", **arrays)
        return command(penalty=penalty, constraints=constraints, **given)

    for option in reversed(OPTIONS):
        packed = option(packed)
    return packed


def _units(strengths: dict[str, Any], structure: str | None) -> str:
    """The scale of a penalty where nobody says it: of a CP that of its objective, which alone it has."""
    return "objective" if structure == "cp" and any((*strengths["l1"], *strengths["l2"])) else "relative"


def _parameter(name: str) -> str:
    return name[:-1] + name[-1].upper() if name.endswith(("_w", "_h")) else name


def read_matrix(path: str) -> Any:
    """Return the matrix in a file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    import numpy as np
    import scipy.io
    import scipy.sparse

    path = str(regular_file(path))
    readers = {
        ".npy": lambda: np.load(path, allow_pickle=False),
        ".npz": lambda: _read_npz(path),
        ".mtx": lambda: scipy.io.mmread(path),
        ".csv": lambda: np.loadtxt(path, delimiter=",", ndmin=2),
    }
    kind = Path(path).suffix.lower()
    if kind not in readers:
        raise InputError(f"{path}: not one of {', '.join(READERS)} (.npz: a sparse matrix)")
    try:
        return readers[kind]()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _refuse_another_kind(Path(path), kind)
        hint = CSV_HINT if kind == ".csv" else ""
        raise InputError(f"{path}: cannot be read as a matrix ({told(error)}){hint}") from error


def _refuse_another_kind(path: Path, kind: str) -> None:
    """Refuse a file that could not be read with what it holds, where that is not what its name says."""
    from dnmf.sources.formats import MATRIX_MARKET, NO_BANNER, NO_TABLE, NPY, NPZ, TABLE, format_of

    meant = {".npy": (NPY,), ".npz": (NPZ,), ".mtx": (MATRIX_MARKET, NO_BANNER), ".csv": (TABLE, NO_TABLE)}
    found = format_of(path)
    if found not in meant[kind]:
        raise InputError(
            f"{path}: cannot be read as a matrix: what it holds is {found.name}, not what {kind} stands for; give it "
            f"the suffix of what it is ({', '.join(READERS)}), or save the matrix anew"
        )


def _read_npz(path: str) -> Any:
    """Return a sparse matrix that scipy or the package sparse has saved; the latter may have no zeros to leave out."""
    import scipy.sparse
    import sparse

    from dnmf.sources.contents import contents_of

    names = contents_of(Path(path)).names or ()
    return sparse.load_npz(path).to_scipy_sparse() if "fill_value.npy" in names else scipy.sparse.load_npz(path)
