"""The page ``/nmf`` of the Dask dashboard: a document for each browser that looks, filled from what was heard."""

from typing import Any

from bokeh.layouts import column, row
from bokeh.models.widgets import Div
from distributed.dashboard.components.scheduler import BOKEH_THEME, env

from dnmf.watched.figures import Curves, Memory
from dnmf.watched.table import STYLE, table
from dnmf.watched.views import runs_of, workers_view

EVERY_MS = 1000
ROOM = """
:host { padding: 14px 18px; }
@media (min-width: 601px) and (max-width: 980px) { :host { padding-top: 56px; } }  /* below a bar of two lines */
"""
LEAST_PX = 340  # of a picture: fewer stand side by side in a narrow window


class Page:
    """What one browser sees.

    Parameters
    ----------
    scheduler : distributed.Scheduler
        Which hears.
    """

    def __init__(self, scheduler: Any):
        self._scheduler, self._told, self._passes = scheduler, list[Any](), list[Any]()
        self._table = Div(name="runs", sizing_mode="stretch_width", stylesheets=[STYLE], disable_math=True)
        self._curves, self._memory = Curves(), Memory()
        pictures = [*self._curves.figures.values(), self._memory.figure]
        grid = {
            "display": "grid", "grid-template-columns": f"repeat(auto-fit, minmax(min({LEAST_PX}px, 100%), 1fr))",
            "gap": "14px 18px",
        }  # fmt: skip
        self.root = column(
            self._table, row(*pictures, sizing_mode="stretch_width", styles=grid), name="nmf",
            sizing_mode="stretch_width", stylesheets=[ROOM],
        )  # fmt: skip

    def update(self) -> None:
        """Show what is known now: the table where something was told, curves where a pass is over."""
        every = list(runs_of(self._scheduler))
        told = [(run.told, run.workers_gone, run.workers_came) for run in every]
        if told != self._told or not told:
            self._told, self._table.text = told, table(every)
        passes = [(run.mark, len(run.passes), run.last.get("number")) for run in every]
        if passes != self._passes:
            self._passes = passes
            self._curves.show(every)
        self._memory.show(workers_view(self._scheduler), every)


def page(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
    """Fill a document of bokeh's with the page, as the dashboard has its pages made."""
    shown = Page(scheduler)
    shown.update()
    doc.title = "Dask: NMF"
    doc.add_root(shown.root)
    doc.template, doc.theme = env.get_template("simple.html"), BOKEH_THEME
    doc.template_variables.update(extra)
    doc.add_periodic_callback(shown.update, EVERY_MS)
