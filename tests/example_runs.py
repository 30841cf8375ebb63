"""A run in a store that was stopped before its end."""

import numpy as np
import pytest

import dnmf
from dnmf.errors import Interrupted
from dnmf.fitting.events import PassDone

MATRIX = np.random.default_rng(0).random((60, 8))


def stopped_run(store):
    """The store of a fit of MATRIX by rank 3 that was stopped after the second of five passes."""

    def stop(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            raise Interrupted(15, "stopped")

    with pytest.raises(Interrupted):
        dnmf.fit(MATRIX, 3, max_passes=5, tol=0, store=store, callbacks=[stop])
    return store
