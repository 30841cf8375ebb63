"""Passes on a cluster: the shape of the graph, its sums, and what is made of the troubles of workers."""

import itertools
import os
import shutil
import time

import dask.array
import numpy as np
import pytest
import zarr
from dask.utils import key_split
from distributed.comm import CommClosedError

import dnmf
from dnmf.connections.departures import Departure
from dnmf.memory import Machine, Shape
from dnmf.passes import graph, workers
from dnmf.passes.executor import Executor, Job, run_pass
from dnmf.passes.patience import Patience
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.threads import InProcess
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import Group, make_plan
from dnmf.schemes.rehearsal import Kernels
from dnmf.sources.dask_array import DaskSource
from dnmf.sources.kept import Keep, KeptSource
from dnmf.sources.memory import MemorySource

KERNELS = Kernels(2, "float32")


@pytest.fixture
def work(planted):
    H = np.random.default_rng(0).random((5, planted.shape[1]))
    return Work((solve_for_rows(H),), "float64", check=True)


def _jobs(source, count):
    borders = np.linspace(0, source.shape[0], count + 1).astype(int).tolist()
    groups = [Group(low, high, ((low, high),)) for low, high in itertools.pairwise(borders)]
    return [Job(source.for_rows(group.start, group.stop), group) for group in groups]


def _dependencies(roots):
    return {key: set(task.dependencies) for key, task in dict(roots.graph).items()}


class Slow(MemorySource):
    """A matrix whose reading takes a moment, as it does from a disk."""

    in_memory = False

    def read(self, start, stop):
        time.sleep(0.05)
        return super().read(start, stop)


class Meeting(MemorySource):
    """A matrix whose rows are not read before two processes ask for some, or nobody joins for a minute."""

    in_memory = False

    def __init__(self, values, folder):
        super().__init__(values)
        self.folder = folder

    def read(self, start, stop):
        (self.folder / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(self.folder.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        return super().read(start, stop)


@pytest.mark.parametrize(("count", "sums"), [(1, 0), (2, 1), (4, 1), (5, 2), (8, 3), (18, 7)])
def test_the_fixed_factors_are_one_node_that_every_visit_depends_on(planted, work, count, sums):
    needs = _dependencies(graph.pass_graph(_jobs(MemorySource(planted), count), work))
    kinds = {kind: [key for key in needs if key_split(key) == kind] for kind in ("dnmf-work", "dnmf-visit", "dnmf-add")}
    assert [len(keys) for keys in kinds.values()] == [1, count, sums]
    assert len(needs) == 1 + count + sums
    for visit in kinds["dnmf-visit"]:
        assert needs[visit] == set(kinds["dnmf-work"])
    for plus in kinds["dnmf-add"]:
        assert 2 <= len(needs[plus]) <= 4
        assert all(key_split(key) in ("dnmf-add", "dnmf-visit") for key in needs[plus])


def test_no_two_passes_share_a_task(planted, work):
    first, second = (graph.pass_graph(_jobs(MemorySource(planted), 3), work, of="0123") for _ in range(2))
    assert not set(_dependencies(first)) & set(_dependencies(second))


def test_every_task_of_a_fit_has_its_mark(planted, work):
    kept = _jobs(KeptSource(MemorySource(planted), Keep("here", 10**6)), 5)
    source = DaskSource(dask.array.from_array(planted, chunks=(50, -1))).for_rows(0, 50)
    for roots in (
        graph.pass_graph(kept, work, keeps=True, of="0123"),
        graph.calls_graph(abs, [(1,), (2,)], of="0123"),
        graph.reads_graph([(source, 0, 20)], of="0123"),
    ):
        ours = [key for key in _dependencies(roots) if str(key).startswith("dnmf-")]
        assert ours
        assert all("-0123" in key for key in ours)


def test_each_visit_of_a_later_pass_depends_on_the_home_of_its_rows(planted, work):
    source = KeptSource(MemorySource(planted), Keep("here", 10**6))
    jobs = _jobs(source, 4)
    first = graph.pass_graph(jobs, work, keeps=True)
    needs, homes = _dependencies(first), first.staying
    assert len(homes) == 4
    assert not set(homes) & set().union(*needs.values())  # nothing waits for them
    for number, home in enumerate(homes):
        (visit,) = needs[home]
        assert visit.startswith(f"dnmf-visit-{number}-")
    needs = _dependencies(graph.pass_graph(jobs, work, (), homes))
    later = sorted(key for key in needs if any(key_split(need) == "dnmf-home" for need in needs[key]))
    assert [key_split(key) for key in later] == ["dnmf-visit"] * 4
    assert [needs[key] & set(homes) for key in later] == [{home} for home in homes]


def test_a_graph_is_sent_without_a_look_at_each_of_its_tasks(planted, work, monkeypatch):
    """Naming a graph by all that is in it takes longer than making it."""
    roots = graph.pass_graph(_jobs(MemorySource(planted), 40), work)
    monkeypatch.setattr("dask._task_spec.Task._get_token", lambda task: pytest.fail(f"{task} was looked at"))
    dask.base.tokenize(roots.graph)


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 6])
def test_even_few_visits_are_spread_over_the_workers(planted, work, client, tmp_path, count):
    OnCluster(client).add_up(_jobs(Meeting(planted, tmp_path), count), work)
    assert len(list(tmp_path.iterdir())) >= 2


@pytest.mark.slow
def test_rows_are_visited_where_they_are_kept(planted, work, client):
    where, source = OnCluster(client), KeptSource(Slow(planted), Keep("one fit", 10**9))
    jobs = [Job(source.for_rows(job.group.start, job.group.stop), job.group) for job in _jobs(source, 12)]
    passes = [where.add_up(jobs, work) for _ in range(6)]
    where.forget("one fit")
    assert passes[0].bytes_from_memory == 0
    assert max(some.bytes_from_memory for some in passes) > 0.5 * passes[-1].bytes_read
    np.testing.assert_array_equal(passes[-1].models[0].P, passes[0].models[0].P)


@pytest.mark.parametrize("count", [1, 3, 6, 18, 23])
def test_the_sums_are_those_of_one_thread_to_the_last_bit(planted, work, client, count):
    jobs = _jobs(MemorySource(planted), count)
    here, there = InProcess(1).add_up(jobs, work), OnCluster(client).add_up(jobs, work)
    for name in ("G", "P", "s"):
        np.testing.assert_array_equal(getattr(there.models[0], name), getattr(here.models[0], name))
    assert (there.rows, there.squares, there.bytes_read) == (here.rows, here.squares, here.bytes_read)


def test_blocks_of_a_dask_array_are_computed_where_they_are_used(planted, work, client):
    source = dnmf.open_source(dask.array.from_array(planted, chunks=(50, 30)))
    plan = make_plan(source.layout(), Shape(source.shape[1], 5, 8), Machine(1, 2**31, 0))
    here, there = (run_pass(where, source, plan, work) for where in (InProcess(1), OnCluster(client)))
    np.testing.assert_array_equal(there.models[0].P, here.models[0].P)


def test_calls_return_in_order(client):
    assert OnCluster(client).call_each(pow, [(i, 2) for i in range(7)]) == [i**2 for i in range(7)]


def test_a_block_that_fails_twice_is_tried_again(planted, work, client, tmp_path):
    def fail_twice(block, block_info=None):
        marks = len(list(tmp_path.iterdir()))
        if block_info[0]["chunk-location"] == (1, 0) and marks < 2:
            (tmp_path / str(marks)).touch()
            raise OSError("the storage is away for a moment")
        return block

    blocks = dask.array.from_array(planted, chunks=(200, 80)).map_blocks(fail_twice, dtype=planted.dtype, meta=planted)
    source = dnmf.open_source(blocks)
    plan = make_plan(source.layout(), Shape(source.shape[1], 5, 8), Machine(1, 2**31, 0))
    assert run_pass(OnCluster(client), source, plan, work).rows == 600
    assert len(list(tmp_path.iterdir())) == 2


def test_bad_data_is_an_InputError_with_its_place(planted, client):
    values = planted.copy()
    values[321, 7] = np.nan
    with pytest.raises(dnmf.InputError, match="NaN at row 321, column 7"):
        dnmf.fit(dask.array.from_array(values, chunks=(100, 80)), 3, init="random", client=client)


@pytest.mark.slow
def test_tasks_are_told_of_as_they_come_back_each_once_and_those_of_other_passes_are_not(planted, work, client):
    told, executor = [], OnCluster(client)
    jobs = _jobs(VerySlow(planted), 12)
    executor.add_up(jobs, work, (), told.append)
    assert len(told) > 1
    assert len(set(told)) == len(told)
    assert set(told) <= set(range(12))
    executor.call_each(pow, [(i, 2) for i in range(50)])  # nobody listens
    assert set(told) <= set(range(12))
    executor.close()


class Awaited(MemorySource):
    """A matrix whose last rows are not read before a file is there, or for a minute."""

    in_memory = False

    def __init__(self, values, file):
        super().__init__(values)
        self.file = file

    def for_rows(self, start, stop):
        return self

    def read(self, start, stop):
        if stop == self.shape[0]:
            wait_for(self.file)
        return super().read(start, stop)


def wait_for(file):
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """How many tasks were known to be done whenever that was looked at; a file is made when some are, or
    when it was looked at twice and nobody can know."""
    found = []

    class Sees(Patience):
        def look(self, workers, lost, done):
            found.append(done)
            super().look(workers, lost, done)
            if done or (done is None and len(found) > 1):
                (tmp_path / "seen").touch()

    monkeypatch.setattr(workers, "POLL_S", 0.05)
    monkeypatch.setattr(workers, "Patience", Sees)
    return found


def test_workers_that_die_are_weighed_against_what_is_done_though_nobody_is_told_of_it(
    planted, work, client, seen, tmp_path
):
    executor = OnCluster(client)
    executor.add_up(_jobs(Awaited(planted, tmp_path / "seen"), 4), work)
    executor.close()
    assert max(seen) > 0


def test_they_are_not_where_blocks_of_somebody_else_are_computed_which_say_nothing(
    planted, work, client, seen, tmp_path
):
    file, told, executor = tmp_path / "seen", [], OnCluster(client)

    def awaited(block):
        wait_for(file)
        return block

    blocks = dask.array.from_array(planted, chunks=(100, 80))
    source = dnmf.open_source(blocks.map_blocks(awaited, meta=planted[:0]))  # else dask calls it to find out
    executor.add_up(_jobs(source, 2), work, (), told.append)
    [rows] = executor.read([(source.for_rows(0, 10), 0, 10)])
    executor.close()
    assert set(seen) == {None}
    assert len(rows) == 10


def test_of_very_many_workers_that_were_lost_some_are_named(planted, work, client, monkeypatch, caplog):
    executor = OnCluster(client)
    left = [Departure(f"tcp://10.0.0.1:{port}", 2) for port in range(67)]
    monkeypatch.setattr(executor._departures, "taken", lambda: left)
    executor.add_up(_jobs(MemorySource(planted), 2), work)
    executor.close()
    [said] = [record.getMessage() for record in caplog.records if record.name == "dnmf"]
    assert "67 workers lost, 134 tasks run again, no worker left on 10.0.0.1 (tcp://10.0.0.1:0, " in said
    assert "tcp://10.0.0.1:9 and 57 more); nothing of it" in said


class VerySlow(MemorySource):
    """A matrix of which a few parts are read in a second."""

    def for_rows(self, start, stop):
        return self

    def read(self, start, stop):
        time.sleep(0.2)
        return super().read(start, stop)


class Loses(Executor):
    """An executor that forgets a panel."""

    name = "forgetful"

    def machine(self, memory_bytes):
        raise NotImplementedError

    def call_each(self, function, arguments, done):
        raise NotImplementedError

    def preflight(self, source):
        raise NotImplementedError

    def add_up(self, jobs, work, targets, done):
        return Statistics([ModelSums.zeros(5, 80)], rows=500)


def test_a_panel_that_is_lost_or_counted_twice_is_noticed(planted, work):
    source = MemorySource(planted)
    plan = make_plan(source.layout(), Shape(80, 5, 8), Machine(1, 2**31, 0))
    with pytest.raises(dnmf.ClusterError, match=r"600 rows of .* added up 500: a panel was lost or counted twice"):
        run_pass(Loses(), source, plan, work)


class Restless:
    """A client whose workers are away for the first requests."""

    scheduler = None

    def __init__(self, *answers):
        self.answers = list(answers)

    def wait_for_workers(self, n_workers, timeout):
        pass

    def run(self, function, asked, *arguments):
        if asked is workers.compiles_first:
            return {"tcp://a": False}
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(workers, "ASK_PAUSE_S", 0.0)


def _facts(**changed):
    return {"version": dnmf.__version__, "threads": 1, "memory": 2**30, "base": 2**27, "freed": 2**26,
            "gives_back": True, **changed}  # fmt: skip


def test_a_worker_that_dies_while_it_is_asked_is_asked_again():
    client = Restless(
        CommClosedError("gone"), {}, {"tcp://a": _facts(), "tcp://b": _facts(memory=2**29, freed=0, gives_back=False)}
    )
    assert OnCluster(client).machine(None, KERNELS) == Machine(1, 2**29, 2**27, freed_bytes=2**26, gives_back=False)


def test_workers_that_never_answer_are_a_ClusterError():
    with pytest.raises(dnmf.ClusterError, match="does not answer.*gone"):
        OnCluster(Restless(*[CommClosedError("gone")] * workers.ASK_TRIES)).machine(None, KERNELS)


def test_a_worker_with_another_version_is_named():
    client = Restless({"tcp://a": _facts(), "tcp://b": _facts(version="0.0.1")})
    with pytest.raises(dnmf.ClusterError, match=r"tcp://b has dnmf 0\.0\.1"):
        OnCluster(client).machine(None, KERNELS)


def test_a_worker_that_does_not_know_the_loss_is_named_with_the_way_to_tell_it():
    client = Restless({"tcp://a": _facts(), "tcp://b": {"version": dnmf.__version__, "unknown": "loss='mine'"}})
    with pytest.raises(dnmf.ClusterError, match=r"tcp://b does not know loss='mine'; .*client\.run\("):
        OnCluster(client).machine(None, KERNELS)


def test_a_worker_without_dnmf_is_told_to_install_it():
    client = Restless(ModuleNotFoundError("No module named 'dnmf'", name="dnmf"))
    with pytest.raises(dnmf.ClusterError, match="cannot import dnmf; install"):
        OnCluster(client).machine(None, KERNELS)


def test_a_limit_given_by_the_caller_lowers_that_of_the_workers_but_never_raises_it():
    answers = [{"tcp://a": _facts()}] * 2
    assert OnCluster(Restless(*answers)).machine(2**28, KERNELS).memory_bytes == 2**28
    assert OnCluster(Restless(*answers)).machine(2**40, KERNELS).memory_bytes == 2**30


def test_a_path_that_workers_cannot_see_is_refused_with_the_worker_and_the_path(planted, client, tmp_path):
    path = tmp_path / "data.zarr"
    zarr.create_array(path, data=planted, chunks=(100, 80))
    source = dnmf.open_source(path)
    shutil.rmtree(path)
    with pytest.raises(
        dnmf.ClusterError, match=r"worker tcp://.* cannot read the data: .*data\.zarr.* for a bucket the same keys"
    ):
        OnCluster(client).preflight(source)


def test_a_task_is_named_by_the_rows_it_works_on(planted):
    jobs = _jobs(MemorySource(planted, address="cells.zarr"), 6)
    assert graph.place_of("dnmf-visit-2-0123abcd", jobs) == "rows 200:300 of cells.zarr"
    assert graph.place_of("dnmf-add-0-1-0123abcd", jobs) == "the task dnmf-add-0-1-0123abcd"
    assert graph.place_of(("random-0123", 0, 1), jobs) == "the task ('random-0123', 0, 1)"
    assert graph.place_of("dnmf-call-1-0123abcd", ()) == "the task dnmf-call-1-0123abcd"
