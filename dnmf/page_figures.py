"""Figures of pages that are looked at in a browser: one style for the slider page and the page of the dashboard."""

from typing import Any


def page_figure(**options: Any) -> Any:
    """Return an empty figure of bokeh's; `options` are those of ``bokeh.plotting.figure``."""
    from bokeh.plotting import figure

    made: Any = figure(toolbar_location=None, tools="", **options)
    made.axis.axis_label_text_font_size = made.axis.major_label_text_font_size = "13px"
    made.axis.axis_label_text_font_style = "normal"
    made.axis.minor_tick_line_color = None
    made.title.text_font_size = "14px"
    made.outline_line_color = None
    made.grid.grid_line_color = "#e5e5e5"
    return made
