"""Names beside points so that none covers another: a greedy search over places around each point."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dnmf.plots.figures import TEXT_POINTS, VERBATIM, whatever_the_font

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

DIRECTIONS = (
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
    (2, 1),
    (-2, 1),
    (1, 2),
    (-1, 2),
    (2, -1),
    (1, -2),
)
DISTANCES = (6, 12, 20, 30, 42)
LEADER_FROM = 12
AIR = 2.5
NEARER = 8  # points of distance that are as bad as a covered point
HINTING = 1.05  # a text is drawn a little wider than its outlines at some resolutions


@dataclass(frozen=True)
class _Place:
    """Where a label would stand: its offset from the point in points, and its box in points on the page."""

    offset: tuple[float, float]
    box: np.ndarray  # left, bottom, right, top
    distance: float


def place_labels(
    axes: "Axes",
    points: np.ndarray,
    texts: Sequence[str],
    *,
    colors: Sequence[str] | None = None,
    obstacles: np.ndarray | None = None,
    settle: bool = True,
) -> list["Annotation"]:
    """Write each text beside its point and return what was written; a text without a free place is left out.

    Earlier texts are placed first. No two texts overlap, none covers a point that is labelled or leaves the axes,
    and of the free places the one is taken that covers the fewest other points and is nearest.

    Parameters
    ----------
    axes : Axes
        Their limits are to be final.
    points : ndarray (n, 2)
        In the coordinates of the data.
    texts : sequence of str
        One for each point.
    colors : sequence of str, optional
        Of the texts.
    obstacles : ndarray (m, 2), optional
        Other points that had better stay visible.
    settle : bool
        Whether the figure may still have to be laid out; that takes as long as drawing it.
    """
    if not len(texts):
        return []
    canvas = axes.figure.canvas
    if settle:
        with whatever_the_font():
            canvas.figure.draw_without_rendering()  # the layout decides where the points are
    to_points = 72.0 / canvas.figure.dpi
    at = axes.transData.transform(np.asarray(points, float)) * to_points
    others = at if obstacles is None else axes.transData.transform(np.asarray(obstacles, float)) * to_points
    frame = np.asarray(axes.get_window_extent().extents) * to_points
    taken: list[np.ndarray] = []
    taboo = at  # labelled points, and the lines to them
    written = []
    for number, text in enumerate(texts):
        places = [
            place
            for place in _places(at[number], text)
            if _is_free(place.box, frame, taken, taboo) and not _leads_through(place, at[number], taken)
        ]
        if places:
            best = min(places, key=lambda place: _covered(place.box, others) + place.distance / NEARER)
            taken.append(best.box)
            if best.distance >= LEADER_FROM:
                taboo = np.concatenate([taboo, _leader(best, at[number])])
            written.append(_write(axes, points[number], text, best, colors[number] if colors else "black"))
    return written


def _places(at: np.ndarray, text: str) -> list[_Place]:
    width, height = text_size(text)
    places = []
    for distance in DISTANCES:
        for right, up in DIRECTIONS:
            reach = distance / np.hypot(right, up)
            x, y = right * reach, up * reach
            left = x + (np.sign(right) - 1) * width / 2
            bottom = y + (np.sign(up) - 1) * height / 2
            corner = at + np.array([left, bottom])
            box = np.array([corner[0] - AIR, corner[1] - AIR, corner[0] + width + AIR, corner[1] + height + AIR])
            places.append(_Place((left, bottom), box, distance))
    return places


def text_size(text: str) -> tuple[float, float]:
    """Width and height of a text in points, at the size of labels."""
    from matplotlib.textpath import TextPath

    if not text.strip():  # has no outlines
        return 0.0, float(TEXT_POINTS)
    verbatim = text.replace("$", r"\$")  # a path of text knows no other way
    with whatever_the_font():
        return float(HINTING * TextPath((0, 0), verbatim, size=TEXT_POINTS).get_extents().width), float(TEXT_POINTS)


def _is_free(box: np.ndarray, frame: np.ndarray, taken: list[np.ndarray], taboo: np.ndarray) -> bool:
    inside = box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]
    return bool(inside and not any(overlap(box, other) for other in taken) and not _covered(box, taboo))


def _leads_through(place: _Place, at: np.ndarray, taken: list[np.ndarray]) -> bool:
    """Whether the line from a label back to its point would run through another label."""
    if place.distance < LEADER_FROM or not taken:
        return False
    return any(_covered(box, _leader(place, at)) for box in taken)


def _leader(place: _Place, at: np.ndarray) -> np.ndarray:
    """Points on the line from a point to the middle of its label."""
    middle = (place.box[:2] + place.box[2:]) / 2
    return at + np.linspace(0, 1, 24)[:, None] * (middle - at)


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes (left, bottom, right, top) share room."""
    return bool(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])


def _covered(box: np.ndarray, points: np.ndarray) -> int:
    x, y = points[:, 0], points[:, 1]
    return int(np.count_nonzero((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])))


def _write(axes: "Axes", point: Any, text: str, place: _Place, color: str) -> "Annotation":
    from matplotlib.patheffects import withStroke

    leader = {"arrowstyle": "-", "linewidth": 0.6, "color": "0.6", "shrinkA": 0, "shrinkB": 3}
    written = axes.annotate(
        text, tuple(point), xytext=place.offset, textcoords="offset points", fontsize=TEXT_POINTS, color=color,
        ha="left", va="bottom", arrowprops=leader if place.distance >= LEADER_FROM else None, zorder=5,
        path_effects=[withStroke(linewidth=2, foreground="white")], **VERBATIM,
    )  # fmt: skip
    written.set_in_layout(False)  # it lies inside the axes, whose place it was chosen for
    return written
