"""The pictures of the page: how each fit comes down, how fast it reads, and the memory of the workers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import AdaptiveTicker, ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d
from bokeh.models.annotations import Span

from dnmf.amounts import format_bytes
from dnmf.colours import FAINT, PALETTE
from dnmf.page_figures import page_figure
from dnmf.watched.runs import Run
from dnmf.watched.table import color_of

HEIGHT_PX = 250
MOST_NAMED = 12
WIDE = "@media (min-width: 780px) { :host { grid-column: span 2; } }"  # of the last one: it fills its line
OVER_PLAN = PALETTE[4]
CURVES = {
    "error": "relative error (lower is better)",
    "gradient": "projected gradient in H (0: stationary)",
    "speed": "bytes of the data in a second, decoded",
    "alive": "components alive",
}
FALLING = ("error", "gradient")  # the line goes by a pass that was taken back, and the axis need not begin at zero
LOGARITHMIC = ("gradient",)
SHOWN = {"error": "{0.0000}", "gradient": "{0.0e+0}", "speed": "{0.0 ib}", "alive": ""}  # beside the mouse
BYTES = """
let amount = tick, unit = 0;
for (; Math.abs(amount) >= 1024 && unit < 4; unit++) amount /= 1024;
return amount.toFixed(amount % 1 ? 1 : 0) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit];
"""
LEAST_SPAN = 0.005  # of the value, on either side: what falls by less looks as flat as it is
OF_RECORD = {"error": "relative_error", "gradient": "gradient", "speed": "bytes_per_second", "alive": "alive"}


def new_figure(title: str, **options: Any) -> Any:
    """Return an empty figure in the style of dnmf's pages, as wide as its place."""
    return page_figure(title=title, height=HEIGHT_PX, sizing_mode="stretch_width", **options)


class Curves:
    """Four pictures over the reads of the data, a line for each run; passes that were taken back are crosses."""

    def __init__(self) -> None:
        lines = ["color", *(f"{axis}_{name}" for name in CURVES for axis in "xy")]
        self._lines = ColumnDataSource({name: [] for name in lines}, name="lines")
        points = ("x", "color", "marker", "size", "run", "number", *CURVES)
        self._points = ColumnDataSource({name: [] for name in points}, name="points")
        self._reads = Range1d(start=0, end=1)
        self.figures = {name: self._made(name, title) for name, title in CURVES.items()}

    def _made(self, name: str, title: str) -> Any:
        scale = "log" if name in LOGARITHMIC else "linear"
        made = new_figure(title, y_axis_type=scale, x_range=self._reads, y_range=_range([], name))
        made.multi_line(
            xs=f"x_{name}", ys=f"y_{name}", color="color", line_width=2, source=self._lines,
        )  # fmt: skip
        points = made.scatter(
            x="x", y=name, marker="marker", color="color", size="size", line_width=1.5, source=self._points
        )
        made.xaxis.axis_label = "reads of the data, the start included"
        made.add_tools(
            HoverTool(renderers=[points], tooltips=[("", "@run"), ("pass", "@number"), ("", f"@{name}{SHOWN[name]}")])
        )
        if name == "speed":
            _of_bytes(made)
        return made

    def show(self, runs: Sequence[Run]) -> None:
        """Draw what is known of the runs now."""
        lines: dict[str, list[Any]] = {name: [] for name in self._lines.data}
        points: dict[str, list[Any]] = {name: [] for name in self._points.data}
        for run in runs:
            lines["color"].append(color_of(run))
            for name in CURVES:
                kept = [record for record in run.passes if name not in FALLING or record.get("accepted", True)]
                lines[f"x_{name}"].append(np.array([_float(record.get("reads")) for record in kept]))
                lines[f"y_{name}"].append(np.array([_float(record.get(OF_RECORD[name])) for record in kept]))
            for record in run.passes:
                self._add(points, run, record)
        self._lines.data = lines
        self._points.data = {name: np.array(values) for name, values in points.items()}  # numbers travel as bytes
        last = max((x for x in points["x"] if math.isfinite(x)), default=1.0)
        self._reads.update(start=0, end=1.03 * last)
        for name, made in self.figures.items():
            wanted = _range(points[name], name)
            made.y_range.update(start=wanted.start, end=wanted.end)

    @staticmethod
    def _add(points: dict[str, list[Any]], run: Run, record: dict[str, Any]) -> None:
        points["x"].append(_float(record.get("reads")))
        points["color"].append(color_of(run))
        points["marker"].append("circle" if record.get("accepted", True) else "x")
        points["size"].append(6 if record.get("accepted", True) else 9)
        points["run"].append(run.name)
        points["number"].append(record.get("number"))
        for name in CURVES:
            points[name].append(_float(record.get(OF_RECORD[name])))


def _float(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _range(values: Sequence[float], name: str) -> Range1d:
    """From what to what an axis goes: from zero but where things fall, one percent of the value at least."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or name not in LOGARITHMIC)]
    high, low = max(known, default=1.0), min(known, default=0.5) if name in FALLING else 0.0
    if name in LOGARITHMIC:
        return Range1d(start=low / 1.5, end=1.5 * high)
    margin = max(0.1 * (high - low), LEAST_SPAN * high, 1e-12)
    return Range1d(start=max(0.0, low - margin), end=high + margin)


def _of_bytes(made: Any) -> None:
    """Write the numbers of the vertical axis as amounts of memory, at such as are round."""
    made.yaxis.formatter = CustomJSTickFormatter(code=BYTES)
    made.yaxis.ticker = AdaptiveTicker(base=1024, mantissas=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512], min_interval=1)
    made.ygrid.ticker = made.yaxis[0].ticker


class Memory:
    """A bar for each worker, and a dashed line for what each fit that goes on needs of one."""

    def __init__(self) -> None:
        self._bars = ColumnDataSource({name: [] for name in ("x", "used", "color", "name", "told")})
        self.figure = new_figure("memory of the workers", x_range=(-0.5, 0.5), y_range=(0, 1))
        bars = self.figure.vbar(
            x="x", top="used", width=0.7, color="color", fill_alpha=0.85, line_width=0, source=self._bars
        )
        self.figure.add_tools(HoverTool(renderers=[bars], tooltips=[("worker", "@name"), ("", "@told")]))
        _of_bytes(self.figure)
        self.figure.xgrid.grid_line_color = None
        self.figure.stylesheets = [WIDE]
        self._needs: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._axis = self.figure.xaxis[0]

    def show(self, workers: Sequence[dict[str, Any]], runs: Sequence[Run]) -> None:
        """Draw what workers use now beside the plans of the runs that go on."""
        plans = {run.mark: (need, color_of(run)) for run in runs if (need := _need_of(run))}
        need, used = max((each for each, _ in plans.values()), default=0), [each["memory_bytes"] for each in workers]
        bars = {
            "x": list(range(len(workers))), "used": used, "name": [str(each["address"]) for each in workers],
            "color": [OVER_PLAN if need and each > need else FAINT for each in used],
            "told": [f"{format_bytes(each['memory_bytes'])}, {each['status']}" for each in workers],
        }  # fmt: skip
        below = _below(workers, need, over=OVER_PLAN in bars["color"])
        if bars != self._bars.data or below != self._axis.axis_label:
            self._bars.data, self._axis.axis_label = bars, below
            self.figure.y_range.end = _room_above([*used, need, 1])
            self._name(workers)
        self._draw_needs(plans)

    def _name(self, workers: Sequence[dict[str, Any]]) -> None:
        """Write the names of few workers below their bars."""
        names = {at: str(each["name"])[-14:] for at, each in enumerate(workers) if len(workers) <= MOST_NAMED}
        if names != self._names or len(workers) > MOST_NAMED:
            self._names, self._axis.ticker, self._axis.major_label_overrides = names, list(names), names
            self.figure.x_range.update(start=-0.5, end=max(1, len(workers)) - 0.5)

    def _draw_needs(self, plans: dict[str, tuple[int, str]]) -> None:
        for mark in set(self._needs) - set(plans):
            self._needs.pop(mark).visible = False
        for mark, (need, color) in plans.items():
            if mark not in self._needs:
                line = Span(location=need, dimension="width", line_color=color, line_dash=[6, 4], line_width=2)
                self.figure.add_layout(line)
                self._needs[mark] = line
            self._needs[mark].location = need


def _need_of(run: Run) -> int:
    """What a run that goes on needs of a worker by its plan, in bytes; 0 where that was not told."""
    return 0 if run.is_over or not run.plan else run.plan.get("projected_bytes") or 0


def _room_above(amounts: Sequence[int]) -> float:
    """Return where an axis ends that holds amounts: in steps, so that it stays while they hardly change."""
    return 2.0 ** (math.ceil(4 * math.log2(1.1 * max(amounts))) / 4)


def _below(workers: Sequence[dict[str, Any]], need: int, *, over: bool) -> str:
    """What the lines and colours mean, and what no worker may use."""
    limits = [each["limit_bytes"] for each in workers if each["limit_bytes"]]
    parts = [] if len(workers) <= MOST_NAMED else [f"{len(workers)} workers"]
    parts += [f"dashed: {format_bytes(need)} planned" + " (orange: above it)" * over] if need else []
    parts += [f"limit {format_bytes(min(limits))}"] if limits else []
    return "; ".join(parts)
