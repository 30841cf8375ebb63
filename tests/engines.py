"""An engine over a small matrix, for tests of what is below the doors."""

from dnmf.fitting.loop import Engine
from dnmf.memory import Machine, Shape
from dnmf.passes.threads import InProcess
from dnmf.plan import make_plan
from dnmf.sources import open_source


def engine_on(matrix):
    source = open_source(matrix)
    layout = source.layout()
    plan = make_plan(layout, Shape(source.shape[1], 5, 8), Machine(1, 2**34, 0))
    return Engine(InProcess(1), source, plan, layout)
