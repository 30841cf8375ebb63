"""Events of a fit in the log of the process."""

import logging

from dnmf.fitting.events import Event, PassProgress, Standing
from dnmf.progress.lines import event_lines
from dnmf.progress.shown import LOG_EVERY_S

log = logging.getLogger("dnmf")


def log_events(event: Event) -> None:
    """Write every event of a fit to the logger ``dnmf`` at level INFO, and once a minute how far a pass is: a callback.

    Examples
    --------
    >>> import dnmf, numpy as np
    >>> model = dnmf.fit(np.eye(4), rank=2, max_passes=1, callbacks=[log_events])
    """
    if isinstance(event, PassProgress) and not event.is_due(LOG_EVERY_S):
        return
    if isinstance(event, Standing) and event.seconds:
        return  # it was said when it began
    for line in event_lines(event):
        log.info("%s", line)
