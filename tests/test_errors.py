"""Errors go through pickle as they are: a call of dnmf may be a task on a worker."""

import pickle
import signal

import pytest

from dnmf import errors
from dnmf.advice import WayOn

MADE_OF = {"Interrupted": (signal.SIGTERM, "resume with: …"), "UnfinishedError": ("not finished", WayOn("run.dnmf"))}
ALL = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.DnmfError)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_what_was_raised_on_a_worker_says_the_same_here(kind):
    error = kind(*MADE_OF.get(kind.__name__, ("what was found",)))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))
