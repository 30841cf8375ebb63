"""What tests of paths and other studies share: bits to compare, and how one is stopped or given less memory."""

import numpy as np

from dnmf.errors import Interrupted
from dnmf.fitting.events import StudyPassDone
from dnmf.penalty import Penalty
from dnmf.starts.choose import plan_for_many

RANK, STRENGTHS = 4, (0.0, 0.02, 0.1, 0.3)
L1 = Penalty(l1=1.0)
CHEAP = {"measures": "cheap"}


def factor_of(model):
    return model.h_scale[:, None] * model.H


def bits(model):
    history = np.array([(record.objective, record.gradient) for record in model.history])
    return [values.tobytes() for values in (model.read_W(), model.d, model.H, history)]


def assert_same_bits(one, other):
    assert list(one.models) == list(other.models)
    for cell in one.models:
        assert bits(one.models[cell]) == bits(other.models[cell]), cell


def stop_after(number):
    def stop(event):
        if isinstance(event, StudyPassDone) and event.number == number:
            raise Interrupted(15, "enough")

    return stop


def cap_models(monkeypatch, most):
    def capped(*given, **options):
        plan, machine, models = plan_for_many(*given, **options)
        return plan, machine, min(models, most)

    monkeypatch.setattr("dnmf.planned.plan_for_many", capped)
