"""Events of a fit that never was."""

import math
from dataclasses import MISSING, fields

from dnmf.fitting.events import Finished, PassDone, Planned
from dnmf.fitting.history import PassRecord

PLANNED = Planned("in process", "counts.zarr", (2700, 32738), 3 * 2**20, 9, 12, 2**28, 2**30)


def a_pass(number=2, decrease=2.1e-4, accepted=True, committed=True, last=False):
    """A pass of 1.34 s that reached 0.3481; what is not said is zero."""
    said = {
        "number": number, "decrease": decrease, "accepted": accepted, "relative_error": 0.3481, "seconds": 1.34,
        "change": 3.1e-2 if math.isfinite(decrease) else math.inf,
        "reads": number + 0.2,
    }  # fmt: skip
    return PassDone(
        PassRecord(**{field.name: 0 for field in fields(PassRecord) if field.default is MISSING} | said),
        committed,
        last,
    )


def the_end(passes):
    """The end of a fit."""
    return Finished("tol", passes, passes + 0.2, 0.3481)
