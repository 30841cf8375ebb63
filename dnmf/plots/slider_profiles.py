"""Components as profiles, or as bars of names, on the page with a slider: a row for each."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.colours import PALETTE
from dnmf.page_figures import page_figure
from dnmf.plots.short_names import told_apart
from dnmf.plots.slider_panels import Panel

MOST_BELOW = 16  # letters of a name below a bar
WIDE = 400  # pixels of a panel, from which on five numbers have room below it
FILL = 0.6  # of the height of a row; above it stand names

MOVE_PROFILES = """
const values = frames.data["values_" + slider.value];
const bars = profiles.data;
const top = new Float64Array(values.length);
for (let i = 0; i < values.length; i++) top[i] = bars.bottom[i] + bars.unit[i] * values[i];
profiles.data = {...bars, top: top, value: values};
strongest.data = {...strongest.data, text: tops.data["tops_" + slider.value]};
"""


class Room(NamedTuple):
    """How large a panel is in pixels.

    Attributes
    ----------
    width : int
        Of the panel.
    row : int
        Height of a row of it.
    title : str
        What stands above it.
    """

    width: int
    row: int
    title: str


class Drawn(NamedTuple):
    """A figure, and how it follows the slider.

    Attributes
    ----------
    figure : bokeh figure
        The panel.
    moves : dict of str to bokeh model
        What the code changes, by name.
    code : str
        JavaScript, run when the slider has moved.
    """

    figure: Any
    moves: dict[str, Any]
    code: str


def draw_profiles(panel: Panel, numbers: tuple[str, ...], first: int, room: Room) -> Drawn:
    """Return a panel of profiles that shows the strength `first`."""
    from bokeh.models import ColumnDataSource

    profiles, strongest = (ColumnDataSource(data) for data in _sources(panel, numbers, first))
    kept = {f"values_{i}": values.ravel().astype(np.float32) for i, values in enumerate(panel.values)}
    moves = {
        "profiles": profiles, "strongest": strongest, "frames": ColumnDataSource(kept),
        "tops": ColumnDataSource({f"tops_{i}": tops for i, tops in enumerate(panel.tops)}),
    }  # fmt: skip
    return Drawn(_figure(panel, numbers, profiles, strongest, room), moves, MOVE_PROFILES)


def _sources(panel: Panel, numbers: tuple[str, ...], first: int) -> tuple[dict[str, Any], ...]:
    """Return the data of the bars and of the names above them, at one strength."""
    _, k, bins = panel.values.shape
    rows = np.repeat(np.arange(k), bins)
    highest = panel.values.max(axis=(0, 2))
    unit = (FILL / np.where(highest > 0, highest, 1.0))[rows]
    values, bottom = panel.values[first].ravel(), k - 1.0 - rows
    profiles = {
        "x": np.tile((panel.edges[:-1] + panel.edges[1:]) / 2, k), "width": np.tile(np.diff(panel.edges), k),
        "bottom": bottom, "unit": unit, "top": bottom + unit * values, "value": values.astype(np.float32),
        "component": [numbers[row] for row in rows], "label": list(panel.labels) * k,
        "color": [color_of(row) for row in rows.tolist()],
    }  # fmt: skip
    strongest = {
        "x": np.full(k, float(panel.edges[-1])), "y": k - 0.02 - np.arange(k), "text": panel.tops[first],
    }  # fmt: skip
    return profiles, strongest


def _figure(panel: Panel, numbers: tuple[str, ...], profiles: Any, strongest: Any, room: Room) -> Any:
    k, ends = len(numbers), (float(panel.edges[0]), float(panel.edges[-1]))
    made = page_figure(width=room.width, frame_height=room.row * k, y_range=(0, k), x_range=ends)
    bars = made.vbar(x="x", width="width", bottom="bottom", top="top", color="color", line_width=0, source=profiles)
    add_hover(made, bars, [("component", "@component"), ("", "@label"), ("value", "@value{0.000e+0}")])
    made.text(
        x="x", y="y", text="text", source=strongest, text_align="right", text_baseline="top", text_font_size="12px",
        text_color="#555555", x_offset=-4,
    )  # fmt: skip
    number_rows(made, numbers)
    write_around(made, room.title, panel.axis_text)
    _write_ticks(made, panel, room)
    return made


def _write_ticks(made: Any, panel: Panel, room: Room) -> None:
    """Write names along the entries, or where there are none leave the numbers."""
    made.xaxis.ticker.desired_num_ticks = 5 if room.width >= WIDE else 3
    if panel.ticks:
        texts = told_apart(panel.ticks.values(), MOST_BELOW)
        made.xaxis.ticker = list(panel.ticks)
        made.xaxis.major_label_overrides = {at: plain(texts[name]) for at, name in panel.ticks.items()}
    if panel.all_named and max(map(len, panel.ticks.values()), default=0) > 2:
        made.xaxis.major_label_orientation = "vertical"
        made.xaxis.major_label_text_font_size = "11px"


def write_around(made: Any, title: str, below: str) -> None:
    """Write a title, and what stands below; neither holds a formula, whoever chose the names in it."""
    made.title.text, made.xaxis.axis_label = plain(title), plain(below)


def plain(text: str) -> Any:
    """Return a text that is shown as it is: as such it may hold formulas."""
    from bokeh.models import PlainText

    return PlainText(text=text)


def number_rows(made: Any, numbers: tuple[str, ...]) -> None:
    """Write the number of each component beside its row."""
    k = len(numbers)
    made.ygrid.ticker = list(range(k))
    made.yaxis.ticker = [k - 1 - row + FILL / 2 for row in range(k)]
    made.yaxis.major_label_overrides = {k - 1 - row + FILL / 2: numbers[row] for row in range(k)}
    made.yaxis.axis_label = "component"


def add_hover(made: Any, renderer: Any, tooltips: list[tuple[str, str]]) -> None:
    """Let a figure say what is under the pointer."""
    from bokeh.models import HoverTool

    made.add_tools(HoverTool(renderers=[renderer], tooltips=tooltips))


def color_of(row: int) -> str:
    """Return the colour of a component by its row."""
    return PALETTE[row % len(PALETTE)]
