"""A page with a slider over the strengths of a penalty: the components change under the hand."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.arguments import is_finite, shown, text
from dnmf.arithmetic import undisturbed
from dnmf.colours import PALETTE
from dnmf.errors import InputError
from dnmf.page_figures import page_figure
from dnmf.plots.figures import check_free, checked_page, require, write_whole
from dnmf.plots.frames import Frames, take_frames
from dnmf.plots.slider_images import draw_column, draw_grid
from dnmf.plots.slider_profiles import FILL, Drawn, Room, add_hover, color_of, draw_profiles, number_rows

ROW_PX, IMAGE_ROW_PX = 58, 92
WEIGHT_PX = 26
WIDTH_PX, BESIDE_PX = 680, 245  # of a panel alone, and of each of several
WEIGHTS_PX = {False: 215, True: 175}  # beside one panel, beside several
MOST_TICKS = 10

EXPLAINED = (
    "Components times their weight d, by their numbers at the weakest penalty; each on its own scale, "
    "the same at all strengths."
)
MOVE = """
const at = slider.value;
weights.data = {...weights.data, d: weight_frames.data["d_" + at]};
marker.data = {x: [at], error: [course.data.error[at]], alive: [course.data.alive[at]]};
caption.text = course.data.caption[at];
"""


@undisturbed
def slider_page(
    models: Any, out: str | Path, *, side: str | None = None, title: str = "Components along a penalty",
    names: Any = None, start: float | None = None, shape: tuple[int, int] | None = None,
    overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a page whose slider moves along the strengths of a penalty, and return where it is.

    It shows the components ``d · H`` as profiles, the largest columns of each by name where names have no order, or
    images; of CPs the vectors along all axes side by side; the weights ``d``, the relative error and the number of
    components alive. Axes stay as they are when the slider moves. A component keeps its place: each model is
    matched to the one before. The page holds all it needs and opens from a file.

    Parameters
    ----------
    models : Path, dict of strength to Model, or sequence of (strength, Model)
        Those of the first seed of a path, or others of the same columns (for ``side="W"``: rows), two at least.
    out : path
        The page to write, an ``.html`` file.
    side : {"W", "H"}, optional
        Which factor; by default H, and of CPs those of all axes. Long profiles are thinned to the largest value of each
        run of neighbours; of a long W a sample of rows is read.
    title : str
        Of the page.
    names : sequence or path, optional
        Of the columns (or rows): labels, or a text file with one a line; those of the first model by default. The axes
        of a CP are labelled with :meth:`dnmf.CPModel.with_labels`.
    start : float, optional
        The strength that is shown first; the weakest by default.
    shape : (int, int), optional
        Height and width, where the entries of a component are pixels; those that the models know by default.
    overwrite : bool
        Whether a file at `out` may be replaced.

    Raises
    ------
    InputError
        The models do not fit together or have negative entries, there is something at `out`, or bokeh is not installed.

    Examples
    --------
    >>> slider_page({0.0: plain, 0.01: weak, 0.1: strong}, "path.html")  # doctest: +SKIP
    """
    target, title = check_free(checked_page(out), overwrite), text("title", title)
    require("bokeh")
    from bokeh.embed import file_html
    from bokeh.layouts import column
    from bokeh.models.widgets import Div
    from bokeh.resources import INLINE

    body = slider_layout(take_frames(models, side, names, shape), start)
    heading = Div(text=f"<h1>{escape(title)}</h1>", disable_math=True, styles={"font-family": "system-ui, sans-serif"})
    whole = column(heading, body, margin=(0, 20, 20, 20), sizing_mode="stretch_width")
    page = file_html(whole, resources=INLINE, title=title)
    return write_whole(target, page.encode())


def slider_layout(frames: Frames, start: float | None = None) -> Any:
    """Return the slider and its figures as a bokeh layout.

    Raises
    ------
    InputError
        `start` is none of the strengths, or a factor has negative entries.
    """
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, CustomJS
    from bokeh.models.widgets import Div, Slider

    if any(panel.values.min(initial=0) < 0 for panel in frames.panels):
        raise InputError("a page with a slider draws factors that are not negative; use profiles or a heatmap")
    first = _index(frames, start)
    weights, course, marker = (ColumnDataSource(data) for data in _sources(frames, first))
    slider = Slider(
        start=0, end=len(frames.strengths) - 1, step=1, value=first, show_value=False, title=None,
        sizing_mode="stretch_width", max_width=640, name="strength",
    )  # fmt: skip
    caption = Div(text=_caption(frames, first), styles={"font": "15px system-ui, sans-serif"}, width_policy="max")
    d = ColumnDataSource({f"d_{i}": d for i, d in enumerate(frames.d)})
    row_px, drawn = _panels(frames, first)
    given = {
        "slider": slider, "weights": weights, "course": course, "marker": marker, "caption": caption,
        "weight_frames": d,
    }  # fmt: skip
    moves = [(given, MOVE), *(({"slider": slider, **panel.moves}, panel.code) for panel in drawn)]
    slider.js_on_change("value", *(CustomJS(args=args, code=code) for args, code in moves))
    soft: dict[str, str | None] = {"font": "13px system-ui, sans-serif", "color": "#5b6470"}
    explained = Div(text=EXPLAINED, styles=soft, width_policy="max")
    above = _beside(*(panel.figure for panel in drawn), _weight_figure(frames, weights, row_px))
    below = _beside(*(_course_figure(frames, course, marker, name) for name in ("error", "alive")))
    return column(caption, slider, explained, above, below, sizing_mode="stretch_width")


def _beside(*figures: Any) -> Any:
    """Figures beside each other, those below others for which a narrow window has no room; none is wider than it."""
    from bokeh.layouts import row

    for each in figures:
        flex = f"0 1 {each.frame_width or each.width}px"
        each.sizing_mode, each.styles = "stretch_width", {"flex": flex, "min-width": "0"}
    return row(*figures, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})


def _panels(frames: Frames, first: int) -> tuple[int, list[Drawn]]:
    """The height of a row of the weights, and the panels as their entries are best seen."""
    images = [panel.shape is not None for panel in frames.panels]
    if len(images) == 1:
        draw, row_px = (draw_grid, WEIGHT_PX) if images[0] else (draw_profiles, ROW_PX)
        return row_px, [draw(frames.panels[0], frames.numbers, first, Room(WIDTH_PX, ROW_PX, "Components"))]
    row_px = IMAGE_ROW_PX if any(images) else ROW_PX
    drawn = []
    for panel, as_images in zip(frames.panels, images, strict=True):
        draw = draw_column if as_images else draw_profiles
        drawn.append(draw(panel, frames.numbers, first, Room(BESIDE_PX, row_px, panel.title)))
    return row_px, drawn


def _index(frames: Frames, start: float | None) -> int:
    if start is None:
        return 0
    if not is_finite(start) or start not in frames.strengths:
        raise InputError(f"start={shown(start)}: the strengths are {', '.join(f'{s:g}' for s in frames.strengths)}")
    return frames.strengths.index(start)


def _caption(frames: Frames, at: int) -> str:
    return (
        f"strength {frames.strengths[at]:g} · relative error {frames.error[at]:.4f} · "
        f"{frames.alive[at]} of {frames.d.shape[1]} components alive"
    )


def _sources(frames: Frames, first: int) -> tuple[dict[str, Any], ...]:
    """Return the data of the weights, the courses and the marker on them, at one strength."""
    k = frames.d.shape[1]
    weights = {
        "y": k - 1.0 - np.arange(k) + FILL / 2, "d": frames.d[first],
        "color": [color_of(row) for row in range(k)],
    }  # fmt: skip
    captions = [_caption(frames, at) for at in range(len(frames.strengths))]
    course = {"x": np.arange(len(captions)), "error": frames.error, "alive": frames.alive, "caption": captions}
    marker = {"x": [first], "error": [frames.error[first]], "alive": [frames.alive[first]]}
    return weights, course, marker


def _weight_figure(frames: Frames, weights: Any, row_px: int) -> Any:
    most, k = float(frames.d.max()) or 1.0, frames.d.shape[1]
    made = page_figure(
        width=WEIGHTS_PX[len(frames.panels) > 1], frame_height=row_px * k, y_range=(0, k), x_range=(0, 1.05 * most),
        title="Weight d",
    )  # fmt: skip
    bars = made.hbar(y="y", right="d", height=0.5, color="color", source=weights)
    add_hover(made, bars, [("d", "@d{0.000e+0}")])
    made.ygrid.visible = False
    number_rows(made, frames.numbers)
    made.xaxis.ticker.desired_num_ticks = 3
    if most >= 1e4 or most < 1e-2:
        made.xaxis.ticker.desired_num_ticks = 2
        made.xaxis.formatter.precision = 0
    return made


def _course_figure(frames: Frames, course: Any, marker: Any, name: str) -> Any:
    titles = {"error": "Relative error (lower is better)", "alive": "Components alive"}
    highest = frames.error.max() * 1.08 if name == "error" else frames.d.shape[1] * 1.08
    made = page_figure(width=447, height=230, y_range=(0, float(highest)), title=titles[name])
    made.line("x", name, source=course, color=PALETTE[0], line_width=2)
    made.scatter("x", name, source=course, color=PALETTE[0], size=6)
    made.scatter("x", name, source=marker, color=PALETTE[1], size=14, fill_alpha=0.3, line_width=2)
    made.xaxis.axis_label = "strength"
    last = len(frames.strengths) - 1
    ticks = sorted({round(at) for at in np.linspace(0, last, min(last + 1, MOST_TICKS)).tolist()})
    made.xaxis.ticker = ticks
    made.xaxis.major_label_overrides = {at: f"{frames.strengths[at]:g}" for at in ticks}
    return made
