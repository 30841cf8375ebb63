"""Passes on threads of this process: one order, one BLAS thread, no more work in hand than threads can do."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import zarr
from threadpoolctl import threadpool_info, threadpool_limits

import dnmf
import dnmf.passes.visit
from dnmf.memory import Machine, Shape
from dnmf.passes.blas import OneBlasThread, one_blas_thread
from dnmf.passes.executor import Job, run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.threads import InProcess
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.solve import SolveRows
from dnmf.passes.work import Work
from dnmf.plan import Group, make_plan
from dnmf.schemes.rehearsal import Kernels
from dnmf.sources.memory import MemorySource

KERNELS = Kernels(2, "float32")


def _blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def work(planted):
    H = np.random.default_rng(0).random((5, planted.shape[1]))
    return Work((solve_for_rows(H),), "float64", check=True)


@pytest.fixture
def source(planted):
    return MemorySource(planted)


def _jobs(source, count):
    borders = np.linspace(0, source.shape[0], count + 1).astype(int).tolist()
    groups = [Group(low, high, ((low, high),)) for low, high in itertools.pairwise(borders)]
    return [Job(source.for_rows(group.start, group.stop), group) for group in groups]


@pytest.mark.parametrize("groups", [1, 2, 7, 12])
def test_the_sums_do_not_depend_on_the_number_of_threads(source, work, groups):
    sums = [InProcess(threads).add_up(_jobs(source, groups), work) for threads in (1, 2, 5)]
    for other in sums[1:]:
        np.testing.assert_array_equal(other.models[0].G, sums[0].models[0].G)
        np.testing.assert_array_equal(other.models[0].P, sums[0].models[0].P)
        np.testing.assert_array_equal(other.models[0].s, sums[0].models[0].s)
        assert (other.squares, other.rows) == (sums[0].squares, sums[0].rows)


def test_results_come_in_order_though_the_first_takes_longest():
    def wait(number):
        time.sleep(0.05 if number == 0 else 0)
        return number

    assert InProcess(3).call_each(wait, [(i,) for i in range(12)]) == list(range(12))


def test_no_more_is_started_than_twice_the_threads():
    started, most_ahead = [], []
    executor = InProcess(2)

    def note(number):
        started.append(number)
        return number

    for taken, _ in enumerate(executor._in_order(note, range(40))):
        time.sleep(0.002)
        most_ahead.append(len(started) - taken)
    assert max(most_ahead) <= 4


def test_an_error_ends_the_pass_soon_and_leaves_no_thread():
    before, done = threading.active_count(), []

    def fail_first(number):
        if number == 0:
            raise ValueError("the first")
        time.sleep(0.01)
        done.append(number)

    with pytest.raises(ValueError, match="the first"):
        InProcess(2).call_each(fail_first, [(i,) for i in range(100)])
    assert len(done) < 10
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_every_task_is_told_of_once_before_the_next_result_is_waited_for(source, work, threads):
    told = []
    InProcess(threads).add_up(_jobs(source, 7), work, (), told.append)
    assert InProcess(threads).call_each(abs, [(-i,) for i in range(5)], told.append) == list(range(5))
    assert told == [*range(7), *range(5)]


def test_a_listener_that_raises_ends_the_pass_and_leaves_no_thread(source, work):
    before = threading.active_count()

    def refuse(number):
        if number == 2:
            raise ValueError(number)

    with pytest.raises(ValueError, match="2"):
        InProcess(2).add_up(_jobs(source, 30), work, (), refuse)
    assert threading.active_count() == before


@pytest.fixture
def blas_threads_seen(monkeypatch):
    """How many threads BLAS had whenever a block was solved."""
    seen = []
    solve = SolveRows.solve

    def noting(*arguments):
        time.sleep(0.002)
        seen.append(_blas_threads())
        return solve(*arguments)

    monkeypatch.setattr(SolveRows, "solve", noting)
    return seen


def test_BLAS_has_one_thread_during_a_pass_and_its_own_number_afterwards(source, work, blas_threads_seen):
    scipy.linalg.inv(np.eye(2))  # its BLAS is loaded
    with threadpool_limits(3, user_api="blas"):
        InProcess(4).add_up(_jobs(source, 24), work)
        assert _blas_threads() == {3}
    assert blas_threads_seen == [{1}] * 24


def test_tasks_that_come_and_go_do_not_lift_the_limit_of_others(source, work, blas_threads_seen):
    """As on a worker with several threads: nothing but the tasks themselves holds the limit."""
    scipy.linalg.inv(np.eye(2))
    with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(4) as pool:
        visits = [pool.submit(visit_group, job.source, job.group, work) for job in _jobs(source, 24)]
        wait(visits)
        assert _blas_threads() == {3}
    assert blas_threads_seen == [{1}] * 24


def test_the_last_to_leave_lifts_the_limit_from_whatever_thread():
    limit = OneBlasThread()
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as other:
        limit.__enter__()
        other.submit(limit.__enter__).result()
        limit.__exit__(None, None, None)
        assert _blas_threads() == {1}
        other.submit(limit.__exit__, None, None, None).result()
        assert _blas_threads() == {2}


def test_the_limit_is_one_for_the_whole_process():
    assert one_blas_thread() is one_blas_thread()


def test_a_machine_is_described_by_its_limit_or_by_what_is_free():
    free, limited = InProcess(3).machine(None, KERNELS), InProcess(3).machine(10**9, KERNELS)
    assert (limited.threads, limited.memory_bytes) == (3, 10**9)
    assert free.memory_bytes > free.base_bytes > 0


def test_rows_kept_in_memory_are_all_there_and_in_order(source, work):
    plan = make_plan(source.layout(), Shape(source.shape[1], 5, 8), Machine(2, 2**40, 0))
    whole = run_pass(InProcess(2), source, plan, work, targets=("",)).models[0].kept
    parts = InProcess(2).add_up(_jobs(source, 7), work, ("",)).models[0].kept
    W = np.concatenate([parts[at] for at in sorted(parts)])
    assert len(parts) == 7
    np.testing.assert_allclose(W, np.concatenate([whole[at] for at in sorted(whole)]), rtol=1e-9)


def test_what_a_source_keeps_from_panel_to_panel_goes_with_its_task(planted, work, tmp_path):
    """The jobs of a pass live as long as the pass: kept ends of chunks would add up over its groups."""
    matrix = scipy.sparse.csr_array(planted)
    group = zarr.open_group(tmp_path / "csr.zarr", mode="w")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(matrix.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name), chunks=(1000,), config={"write_empty_chunks": True})
    jobs = _jobs(dnmf.open_source(tmp_path / "csr.zarr"), 5)
    before = [dict(vars(job.source)) for job in jobs]
    InProcess(2).add_up(jobs, work)
    assert [vars(job.source) for job in jobs] == before
