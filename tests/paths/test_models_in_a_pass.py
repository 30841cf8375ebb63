"""A pass of a path serves as many models as memory holds; the others come in waves, with the same bits."""

import numpy as np
import pytest
from study_bits import CHEAP, L1, RANK, STRENGTHS, assert_same_bits, cap_models

import dnmf
from dnmf.errors import BudgetError
from dnmf.fitting.events import PathPassDone
from dnmf.memory import Machine, Together
from dnmf.options import FitOptions
from dnmf.passes.threads import InProcess
from dnmf.starts.choose import plan_for_many


@pytest.mark.slow
def test_in_waves_the_bits_are_the_same(found, stored, monkeypatch):
    path, _ = found
    cap_models(monkeypatch, 4)
    events = []
    again = dnmf.path(stored, RANK, L1, STRENGTHS, seeds=2, callbacks=[events.append], **CHEAP)
    assert_same_bits(again, path)
    assert max(event.models for event in events if isinstance(event, PathPassDone)) == 4
    assert path.reads < again.reads


class OfBytes(InProcess):
    """A machine of so many bytes, of which the process takes none."""

    def __init__(self, memory):
        super().__init__(1)
        self.memory = memory

    def machine(self, memory_bytes, kernels):
        return Machine(1, self.memory, 0)


def planned(memory, wanted):
    source = dnmf.open_source(np.zeros((6000, 3000), np.float32))
    return plan_for_many(
        OfBytes(memory), source, FitOptions(20), Together(wanted, wanted), kept_rows=0, memory_bytes=None
    )


def test_a_pass_serves_as_many_models_as_memory_holds():
    served = []
    for memory in (2**27, 2**28, 2**29, 2**33):
        plan, machine, models = planned(memory, 40)
        assert plan.need.total <= 0.7 * machine.memory_bytes
        served.append(models)
    assert served == sorted(served)
    assert served[-1] == 40
    assert 1 <= served[0] < served[1] < 40


def test_where_all_fit_the_data_is_cut_as_for_one():
    assert planned(2**33, 40)[0].groups == planned(2**33, 1)[0].groups


@pytest.mark.slow
def test_what_does_not_fit_even_once_is_refused_with_numbers(stored, tmp_path):
    with pytest.raises(BudgetError, match=r"a worker would need .* MiB"):
        planned(2**22, 5)
    with pytest.raises(BudgetError, match="a worker would need"):
        dnmf.path(stored, RANK, L1, (0, 0.1), memory_limit="64MiB", store=tmp_path / "p.dnmf")
    assert dnmf.path(stored, RANK, L1, (0, 0.1), store=tmp_path / "p.dnmf", **CHEAP).rows


@pytest.mark.slow
def test_every_W_of_a_path_without_a_store_counts(stored, client, monkeypatch):
    monkeypatch.setattr("dnmf.planned.MOST_GATHERED_BYTES", 5 * 600 * RANK * 4)
    assert len(dnmf.path(stored, RANK, L1, (0, 0.1, 0.2), client=client, **CHEAP).rows) == 3
    with pytest.raises(BudgetError, match="store="):
        dnmf.path(stored, RANK, L1, (0, 0.1, 0.2), seeds=2, client=client)
