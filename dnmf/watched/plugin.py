"""The part of it that lives in a scheduler: it hears what fits tell, and answers for ``/nmf.json`` and ``/nmf``."""

import json
import logging
from time import time
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.http.utils import RequestHandler

from dnmf.watched.runs import PLUGIN, TOPIC, Runs
from dnmf.watched.views import view

log = logging.getLogger("dnmf")
PAGE = "nmf"


class Watch(SchedulerPlugin):
    """Hears what clients tell under :data:`~dnmf.watched.runs.TOPIC`, and which workers come and go.

    Registering it again changes nothing: the one that is there goes on.

    Attributes
    ----------
    runs : Runs
        What was heard.
    """

    name = PLUGIN
    idempotent = True

    def __init__(self) -> None:
        self.runs = Runs()

    def __reduce__(self) -> Any:  # what was heard stays where it was heard
        return Watch, ()

    async def start(self, scheduler: Any) -> None:
        """Show the JSON on the scheduler's HTTP server and, where its dashboard is on, the page in a tab of it.

        Nothing in it waits, so that of two that are registered at once the second one finds the first.
        """
        handler = [(rf"(?:/.*)?/{PAGE}\.json", AsJson, {"dask_server": scheduler})]
        scheduler.http_application.add_handlers(r".*", handler)
        dashboard = _dashboard_of(scheduler)
        try:
            if dashboard is not None:
                _add_page(scheduler, dashboard.prefix)
        except Exception:
            log.warning("the dashboard does not take the page /%s", PAGE, exc_info=True)

    def log_event(self, topic: str, msg: Any) -> None:
        """Hear a message of any topic."""
        if topic == TOPIC:
            self.runs.hear(msg, time())

    def add_worker(self, scheduler: Any, worker: str) -> None:  # noqa: ARG002
        """Count a worker that joins."""
        self.runs.worker_came()

    def remove_worker(self, scheduler: Any, worker: str, **more: Any) -> None:  # noqa: ARG002
        """Count a worker that leaves, or is lost."""
        self.runs.worker_gone()

    def remove_client(self, scheduler: Any, client: str) -> None:  # noqa: ARG002
        """End what a client that is gone had not told the end of."""
        self.runs.client_left(client, time())


def _dashboard_of(scheduler: Any) -> Any:
    """The dashboard of a scheduler; None where it is off, or bokeh is not there."""
    applications = scheduler.http_application.applications
    return next((each for each in applications if hasattr(each, "app_paths")), None)


def _add_page(scheduler: Any, prefix: str) -> None:
    """Add the tab, and its name to the bar above every page; the list behind that bar is one for all pages."""
    from distributed.dashboard.core import BokehApplication
    from distributed.dashboard.scheduler import template_variables
    from tornado.ioloop import IOLoop

    variables = template_variables(scheduler)
    if PAGE not in variables["pages"]:
        variables["pages"].append(PAGE)
    application = BokehApplication({f"/{PAGE}": _page}, scheduler, prefix=prefix, template_variables=variables)
    scheduler.http_application.add_application(application)
    application.initialize(IOLoop.current())
    application.start()


def _page(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
    """Fill a document, importing what draws it when somebody looks and not while a fit begins."""
    from dnmf.watched.page import page

    page(scheduler, extra, doc)


class AsJson(RequestHandler):
    """Answers for ``/nmf.json``."""

    def get(self) -> None:
        """Send all that is known now."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(json.dumps(view(self.server), allow_nan=False))
