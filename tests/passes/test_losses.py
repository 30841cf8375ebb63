"""What a pass lost and made good: counted with its result, told once, in the record of the pass and of the run."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

import dnmf
from dnmf.cli.texts import status_lines
from dnmf.fitting.events import PathPassDone
from dnmf.fitting.history import PassRecord, lost_in
from dnmf.inspection import run_status
from dnmf.passes.losses import NOTHING, Losses
from dnmf.passes.statistics import Statistics
from dnmf.sources import retries
from dnmf.sources.stored import StoredArray


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (NOTHING, ""),
        (Losses(1, (), 1, 1), "1 worker lost, 1 task run again, 1 read tried again"),
        (Losses(3, ("a", "b"), 1200), "3 workers lost, 1,200 tasks run again, no worker left on a, b"),
        (Losses(retries=2), "2 reads tried again"),
        (
            Losses(12, tuple("abcdefghijkl")),
            "12 workers lost, no worker left on a, b, c, d, e, f, g, h, i, j and 2 more",
        ),
        (Losses(1, ("h",), 0, 2), "1 worker lost, no worker left on h, 2 reads tried again"),
    ],
)
def test_losses_in_words(lost, told):
    assert lost.told == told


def test_losses_add_and_a_host_is_named_once():
    both = Losses(1, ("a",), 2, 3).beside(Losses(10, ("b", "a"), 20, 30))
    assert both == Losses(11, ("a", "b"), 22, 33)
    total = Statistics([], lost=Losses(retries=1)) + Statistics([], lost=Losses(1, ("a",)))
    assert total.lost == Losses(1, ("a",), 0, 1)


def test_records_of_passes_keep_them_through_json():
    values = dict.fromkeys(("objective", "loss", "relative_error", "decrease", "gradient", "reads", "seconds"), 0.5)
    record = PassRecord(number=1, accepted=True, extrapolated=False, alive=1, bytes_read=0, read_s=0.0, compute_s=0.0,
                        workers_lost=2, tasks_again=3, retries=4, hosts_lost=("a",), **values)  # fmt: skip
    assert PassRecord.from_json(record.to_json()) == record
    older = {name: value for name, value in record.to_json().items() if not name.endswith(("lost", "again", "retries"))}
    assert PassRecord.from_json(older).lost == NOTHING
    assert PassRecord.from_json({**record.to_json(), "of_a_newer_dnmf": 1}) == record
    assert lost_in([record, record]) == Losses(4, ("a",), 6, 8)


@pytest.fixture
def flaky(monkeypatch):
    """Reads of a stored array that fail once each ten times."""
    read, calls = StoredArray._read_once, SimpleNamespace(count=0, fails=True)

    def sometimes(self, start, stop):
        calls.count += 1
        if calls.fails and calls.count % 10 == 3:
            raise OSError("the storage is away for a moment")
        return read(self, start, stop)

    monkeypatch.setattr(StoredArray, "_read_once", sometimes)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    retries.TRIED_AGAIN.taken()
    return calls


@pytest.mark.broad(1)
@pytest.mark.parametrize("init", ["random", "nndsvd", "sample"])  # reads of a start count with the first pass
def test_reads_that_were_tried_again_are_in_the_record_and_in_what_a_run_says(tmp_path, flaky, caplog, init):
    values = np.random.default_rng(0).random((300, 20), dtype=np.float32)
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(10, 20))
    fit = {"rank": 3, "init": init, "tol": 0, "max_passes": 4, "keep": "stream"}
    with caplog.at_level(logging.WARNING, "dnmf"):
        model = dnmf.fit(tmp_path / "a.zarr", **fit, store=tmp_path / "a.dnmf")
    failed = sum("trying again" in record.message for record in caplog.records)
    assert lost_in(model.history).retries == failed > 0
    assert run_status(tmp_path / "a.dnmf")["lost"]["retries"] == failed
    flaky.fails = False
    undisturbed = dnmf.fit(tmp_path / "a.zarr", **fit)
    assert lost_in(undisturbed.history) == NOTHING
    assert np.array_equal(model.H, undisturbed.H)


@pytest.mark.slow
def test_a_path_adds_up_what_its_shared_passes_lost(tmp_path, flaky, caplog):
    values = np.random.default_rng(0).random((300, 20), dtype=np.float32)
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(10, 20))
    path = {"penalty": dnmf.Penalty(l1=1.0), "strengths": [0, 0.1], "seeds": 2, "measures": "cheap", "keep": "stream"}

    def stop(event):
        if isinstance(event, PathPassDone) and event.number == 3:
            raise KeyboardInterrupt

    with caplog.at_level(logging.WARNING, "dnmf"):
        with pytest.raises(KeyboardInterrupt):
            dnmf.path(tmp_path / "a.zarr", 3, **path, max_passes=3, store=tmp_path / "p.dnmf", callbacks=[stop])
        before = run_status(tmp_path / "p.dnmf")["lost"]["retries"]
        dnmf.path(tmp_path / "a.zarr", 3, **path, max_passes=3, store=tmp_path / "p.dnmf", resume="auto")
    failed = sum("trying again" in record.message for record in caplog.records)
    found = run_status(tmp_path / "p.dnmf")
    assert 0 < before < found["lost"]["retries"] <= failed  # those after the last pass, of measures, are only said
    assert f"{found['lost']['retries']} reads tried again" in "\n".join(status_lines(found))
