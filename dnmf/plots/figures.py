"""What all pictures share: the optional packages, colours and marks, new figures, and files that appear whole."""

import os
import re
import sys
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.arguments import yes_or_no
from dnmf.arrays import taken_as_array
from dnmf.colours import PALETTE
from dnmf.errors import DnmfError, InputError
from dnmf.locations import local_path, why_not_here, written
from dnmf.plots.short_names import told_apart
from dnmf.refusals import reason

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (8, 2)), (0, (2, 2)))
TEXT_POINTS = 9
PICTURE_KINDS = ("png", "svg", "pdf")
PNG_DPI = 150
UNLABELLED = re.compile(r"_child\d+|_nolegend_")  # what matplotlib calls a line that nobody named
# How a text that somebody else chose is written: a dollar sign begins no formula, and nothing is TeX.
VERBATIM: dict[str, Any] = {"parse_math": False, "usetex": False}


def require(package: str) -> None:
    """Return when an optional package can be imported.

    Raises
    ------
    InputError
        It cannot; the message says how to install it.
    """
    try:
        _import(package)
    except ImportError as error:
        raise InputError(f"pictures need {package}, which cannot be imported: pip install {package}") from error


def _import(package: str) -> None:
    """Import a package; matplotlib also where the environment names a backend that there is not: none is needed."""
    backend = os.environ.get("MPLBACKEND")
    if package != "matplotlib" or not backend or package in sys.modules:
        import_module(package)
        return
    del os.environ["MPLBACKEND"]
    try:
        matplotlib = import_module(package)
    finally:
        os.environ["MPLBACKEND"] = backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = backend  # as matplotlib itself does when it is imported


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches that pyplot knows nothing of."""
    require("matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def tidy(axes: "Axes", grid: str | None = "both") -> "Axes":
    """Return axes without the lines that say nothing, their text at a size that can be read."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_POINTS)
    if grid:
        axes.grid(True, axis=grid, color="0.9", linewidth=0.6)  # type: ignore[arg-type]
        axes.set_axisbelow(True)
    return axes


def axes_or_new(ax: "Axes | None", width: float = 6.4, height: float = 4.2) -> "Axes":
    """Return the axes that were given, as they are, or those of a new figure.

    Raises
    ------
    InputError
        What was given is something else.
    """
    return tidy(new_figure(width, height).add_subplot()) if ax is None else _checked_axes("ax", ax)


def _checked_axes(name: str, axes: Any) -> "Axes":
    require("matplotlib")
    from matplotlib.axes import Axes

    if not isinstance(axes, Axes):
        raise InputError(f"{name}: a {type(axes).__name__} is no axes to draw in; give those of matplotlib, or none")
    return axes


def panels(count: int, columns: int, width: float, height: float, **shared: Any) -> list["Axes"]:
    """Return `count` axes of a new figure, row by row; `width` and `height` are those of one, in inches."""
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    figure = new_figure(columns * width, rows * height)
    grid = figure.subplots(rows, columns, squeeze=False, **shared).ravel()
    for spare in grid[count:]:
        spare.remove()
    return list(grid[:count])


def given_axes(axes: Any, count: int) -> list["Axes"]:
    """Return the first `count` of the axes a caller gave: one, a list, or an array of them.

    Raises
    ------
    InputError
        There are fewer, or one is something else.
    """
    with taken_as_array("axes", [axes]):
        flat = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(flat) < count:
        raise InputError(f"axes: {len(flat)} were given for {count} pictures; give {count}, or none")
    return [_checked_axes("axes", each) for each in flat[:count]]


def style_of(number: int) -> dict[str, Any]:
    """Return colour, dashes and marker of one line among several: each alone tells seven lines apart, all 49."""
    at, again = number % len(PALETTE), number // len(PALETTE)
    other = (at + again) % len(PALETTE)
    return {"color": PALETTE[at], "linestyle": DASHES[other], "marker": MARKERS[other]}


def write_legend(target: Any, handles: Sequence[Any], labels: Sequence[str], **place: Any) -> None:
    """Add a legend to axes or a figure, its labels as they are."""
    texts = told_apart(labels)
    numbers = list(map(str, range(len(labels))))  # of a label that begins with an underscore there would be no line
    legend = target.legend(handles, numbers, frameon=False, fontsize=TEXT_POINTS, **place)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set(text=texts[label], **VERBATIM)


def labelled(axes: "Axes") -> tuple[list[Any], list[str]]:
    """Return what is drawn in axes and has a label, and the labels, those too that begin with an underscore."""
    shown, _ = axes.get_legend_handles_labels()
    shown += [line for line in axes.lines if str(line.get_label()).startswith("_")]
    drawn = [each for each in shown if not UNLABELLED.fullmatch(str(each.get_label()))]
    places = axes.get_children()
    drawn.sort(key=lambda each: places.index(each) if each in places else len(places))
    return drawn, [str(each.get_label()) for each in drawn]


@contextmanager
def whatever_the_font() -> Iterator[None]:
    """Draw what the font lacks as boxes, without a warning for each of its letters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def picture(figure: "Figure", kind: str) -> bytes:
    """Return a figure as the bytes of a PNG, SVG or PDF file, the same bytes each time."""
    import matplotlib

    dated = {"svg": "Date", "pdf": "CreationDate"}
    metadata = {dated[kind]: None} if kind in dated else None
    content = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "dnmf"}), whatever_the_font():
        figure.savefig(content, format=kind, dpi=PNG_DPI, facecolor="white", metadata=metadata)
    return content.getvalue()


def picture_kind(out: str | Path) -> str:
    """Return which kind of picture the name of a file asks for: png, svg or pdf.

    Raises
    ------
    InputError
        None of them.
    """
    kind = Path(written(out, "out")).suffix.lower().removeprefix(".")
    if kind not in PICTURE_KINDS:
        raise InputError(f"{out}: the name of a picture ends in .png, .svg or .pdf")
    return kind


def checked_page(out: str | Path) -> str | Path:
    """Return the name of a page, which ends in ``.html``.

    Raises
    ------
    InputError
        It does not.
    """
    if Path(written(out, "out")).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{out}: this is a page for a browser; give a name that ends in .html")
    return out


def check_free(out: str | Path, overwrite: bool) -> Path:
    """Return where a file is to be written, when it may be.

    Raises
    ------
    InputError
        Something is there already and `overwrite` is false, or its directory does not exist.
    """
    target = local_path(out, "out")
    if not target.parent.is_dir():
        raise InputError(f"{target}: its directory does not exist; create {target.parent} first")
    if reason := why_not_here(target):
        raise InputError(f"{target}: {reason}")
    if target.is_dir():
        raise InputError(f"{target}: is a directory; choose another name")
    if not yes_or_no("overwrite", overwrite) and os.path.lexists(target):
        raise InputError(
            f"{target}: exists already; choose another name, or overwrite it (overwrite=True, --overwrite)"
        )
    return target


def write_whole(target: Path, content: bytes) -> Path:
    """Write a file that appears under its name only when it is complete, and return where it is.

    Raises
    ------
    DnmfError
        It cannot be written; nothing of it is left.
    """
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        with open(beside, "xb") as file:
            file.write(content)
        os.replace(beside, target)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):  # it names the file beside, or none
            raise DnmfError(f"{target} cannot be written: {reason(error)}") from error
        raise
    return target
