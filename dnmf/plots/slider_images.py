"""Components as images on the page with a slider, where the entries of a component are pixels."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.page_figures import page_figure
from dnmf.plots.slider_panels import Panel
from dnmf.plots.slider_profiles import Drawn, Room, number_rows, write_around

WIDTH_PX = 620
MOST_ACROSS = 6
IMAGE, LABEL = 0.9, 0.24  # of the width of a cell: its image, and the room for the number above it

MOVE_IMAGES = """
pictures.data = {...pictures.data, image: image_frames.data["images_" + slider.value]};
"""


class Cells(NamedTuple):
    """Where images stand, all as wide and high as each other, in the units of the axes.

    Attributes
    ----------
    x, y : ndarray (k,)
        Their lower left corners.
    wide, high : float
        Of each.
    """

    x: np.ndarray
    y: np.ndarray
    wide: float
    high: float


def draw_grid(panel: Panel, numbers: tuple[str, ...], first: int, room: Room) -> Drawn:
    """Return a panel of images, several in a line, each below the number of its component."""
    assert panel.shape is not None
    k, (height, width) = len(numbers), panel.shape
    across = min(k, MOST_ACROSS)
    below, scale, at = -(-k // across), IMAGE * min(1.0, 2 * width / height), np.arange(k)
    high = scale * height / width
    cells = Cells((at % across).astype(float), (below - 1 - at // across) * (high + LABEL), scale, high)
    tall = below * (high + LABEL)
    made = page_figure(
        x_range=(0, across), y_range=(0, tall), frame_width=WIDTH_PX, frame_height=round(WIDTH_PX / across * tall),
        title=room.title,
    )  # fmt: skip
    drawn = _drawn(made, panel, first, cells)
    made.text(
        x=cells.x, y=cells.y + high, text=list(numbers), text_baseline="bottom", text_font_size="13px",
        text_color="#333333", y_offset=-1,
    )  # fmt: skip
    made.axis.visible = made.grid.visible = False
    return drawn


def draw_column(panel: Panel, numbers: tuple[str, ...], first: int, room: Room) -> Drawn:
    """Return a panel of images below each other, in the rows of the profiles that stand beside them."""
    assert panel.shape is not None
    k, (height, width) = len(numbers), panel.shape
    across = room.width / room.row  # the unit is the height of a row
    high = IMAGE * min(1.0, across * height / width)
    cells = Cells(np.zeros(k), k - 1.0 - np.arange(k), high * width / height, high)
    made = page_figure(x_range=(0, across), y_range=(0, k), width=room.width, frame_height=room.row * k)
    drawn = _drawn(made, panel, first, cells)
    number_rows(made, numbers)
    write_around(made, room.title, panel.axis_text)
    made.grid.visible = False
    made.xaxis.ticker = []
    return drawn


def _drawn(made: Any, panel: Panel, first: int, cells: Cells) -> Drawn:
    """Draw the images of one strength, each in a frame, and keep those of all."""
    from bokeh.models import ColumnDataSource, LinearColorMapper
    from bokeh.palettes import Greys256

    images = scaled_images(panel)
    k = len(cells.x)
    pictures = ColumnDataSource({
        "image": list(images[first]), "x": cells.x, "y": cells.y, "dw": np.full(k, cells.wide),
        "dh": np.full(k, cells.high),
    })  # fmt: skip
    kept = ColumnDataSource({f"images_{number}": list(each) for number, each in enumerate(images)})
    mapper = LinearColorMapper(palette=list(reversed(Greys256)), low=0, high=1)
    made.image("image", x="x", y="y", dw="dw", dh="dh", color_mapper=mapper, source=pictures)
    made.block(x="x", y="y", width="dw", height="dh", source=pictures, fill_alpha=0, line_color="#bbbbbb")
    return Drawn(made, {"pictures": pictures, "image_frames": kept}, MOVE_IMAGES)


def scaled_images(panel: Panel) -> np.ndarray:
    """Return the images (strengths, k, height, width), bottom line first.

    A component has one scale at all strengths, up to its largest value at any.
    """
    largest = panel.values.max(axis=(0, 2))[:, None]
    scaled = (panel.values / np.where(largest > 0, largest, 1.0)).astype(np.float32)
    return scaled.reshape(*scaled.shape[:2], *(panel.shape or ()))[:, :, ::-1]
