"""Components as images on the page with a slider, where the entries of a component are pixels."""

from typing import Any

import numpy as np

from dnmf.plots.frames import Frames

WIDTH_PX = 620
MOST_ACROSS = 6
IMAGE, LABEL = 0.9, 0.24  # of the width of a cell: its image, and the room for the number above it

MOVE_IMAGES = """
pictures.data = {...pictures.data, image: image_frames.data["images_" + slider.value]};
"""


def grid_of(frames: Frames) -> tuple[int, int, float, float]:
    """Return how many images stand across and below each other, and how wide and high each is, in cells."""
    assert frames.shape is not None
    k, (height, width) = frames.d.shape[1], frames.shape
    across = min(k, MOST_ACROSS)
    scale = IMAGE * min(1.0, 2 * width / height)
    return across, -(-k // across), scale, scale * height / width


def image_sources(frames: Frames, first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the data of the images at one strength, and those of all strengths by number.

    A component has one scale at all strengths, up to its largest value at any.
    """
    across, below, wide, high = grid_of(frames)
    k = frames.d.shape[1]
    largest = frames.values.max(axis=(0, 2))[:, None]
    scaled = (frames.values / np.where(largest > 0, largest, 1.0)).astype(np.float32)
    images = scaled.reshape(len(scaled), k, *(frames.shape or ()))[:, :, ::-1]  # the first row of pixels on top
    at = np.arange(k)
    y = (below - 1 - at // across) * (high + LABEL)
    shown = {
        "image": list(images[first]), "x": (at % across).astype(float), "dw": np.full(k, wide), "dh": np.full(k, high),
        "y": y, "top": y + high, "number": list(frames.numbers),
    }  # fmt: skip
    return shown, {f"images_{number}": list(each) for number, each in enumerate(images)}


def image_ranges(frames: Frames) -> dict[str, Any]:
    """Return the ranges and the height of a figure that shows all images in their proportions."""
    across, below, _, high = grid_of(frames)
    tall = below * (high + LABEL)
    return {
        "x_range": (0, across), "y_range": (0, tall), "frame_width": WIDTH_PX,
        "frame_height": round(WIDTH_PX / across * tall),
    }  # fmt: skip


def draw_images(made: Any, pictures: Any) -> None:
    """Draw the images of a source, each in a frame below the number of its component."""
    from bokeh.models import LinearColorMapper
    from bokeh.palettes import Greys256

    mapper = LinearColorMapper(palette=list(reversed(Greys256)), low=0, high=1)
    made.image("image", x="x", y="y", dw="dw", dh="dh", color_mapper=mapper, source=pictures)
    made.block(
        x="x", y="y", width="dw", height="dh", source=pictures, fill_alpha=0, line_color="#bbbbbb",
    )  # fmt: skip
    made.text(
        x="x", y="top", text="number", source=pictures, text_baseline="bottom", text_font_size="13px",
        text_color="#333333", y_offset=-1,
    )  # fmt: skip
    made.axis.visible = made.grid.visible = False
