"""The scaling model's arithmetic, a small simulated cluster, and a scheduler that does not fill up over many passes."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

from dnmf.memory import Machine, Shape
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import make_plan
from dnmf.sources.memory import MemorySource

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def model():
    from benchmarks import scaling_model

    return scaling_model


@pytest.fixture
def constants(model):
    return model.Constants(
        decode={"dense": {"lz4": 0.4}}, stored={"dense": {"lz4": 0.5}}, compute={"dense": {"20": 0.2, "50": 0.5}},
        start_s=1e-4, run_s=2e-4, run_s_per_worker=1e-7, level_s=0.01, add_s=0.1, wire_s=0.5, update_s=1e-9,
    )  # fmt: skip


@pytest.fixture
def matrix(model):
    return model.Matrix("100 GB", 2_500_000, 10_000, 40_000, "dense")


def test_a_pass_is_what_overlaps_at_its_longest_and_what_does_not_in_a_row(model, matrix, constants):
    cost = model.pass_cost(matrix, 20, model.Cluster(4), constants)
    longest = max(cost.storage, cost.cpu, cost.scheduler, cost.exchange)
    assert cost.seconds == pytest.approx(longest + cost.start + cost.spread + cost.tail + cost.update)


def test_the_number_of_tasks_is_that_of_the_plan(model, matrix, constants):
    groups = len(make_plan(matrix.layout(), Shape(10_000, 20, 4), model.WORKER).groups)
    cost = model.pass_cost(matrix, 20, model.Cluster(10), constants)
    assert cost.groups == groups
    assert cost.group_gb * groups == pytest.approx(100)
    tasks, left = groups, groups
    while left > 1:
        tasks += left // 4 + (left % 4 > 1)  # one that is alone moves on
        left = -(-left // 4)
    assert cost.start == pytest.approx(tasks * 1e-4)
    assert cost.scheduler == pytest.approx(tasks * (2e-4 + 10 * 1e-7))


def test_columns_on_workers_share_what_comes_after_the_visits(model, constants):
    wide = model.Matrix("counts", 100_000_000, 1_000_000, 408, "dense")
    for nodes, shares in ((4, 4), (64, 16)):
        then, now = (
            model.pass_cost(wide, 50, model.Cluster(nodes), constants, model.Changed(in_client=there))
            for there in (True, False)
        )
        assert now.update == pytest.approx(then.update / shares)
        assert now.tail < then.tail
        assert now.scheduler > then.scheduler
        assert now.spread == pytest.approx(then.spread + 0.2 / 1.25)
        assert (then.storage, then.cpu) == (now.storage, now.cpu)


def test_columns_stay_together_where_h_is_short_or_there_is_one_node(model):
    assert model.column_cuts(20, 30_000, model.Cluster(16)) == 0
    assert model.column_cuts(50, 1_000_000, model.Cluster(1)) == 0
    assert model.column_cuts(50, 1_000_000, model.Cluster(2)) == 16


def test_the_tasks_of_columns_are_those_of_the_graph(model):
    from dnmf.passes.column_graph import sums_by_columns, whole_levels
    from dnmf.passes.tasks import Tasks

    class Cut:
        def part(self, columns):
            return columns

    for visits, cuts in ((5, 3), (300, 16)):
        tasks = Tasks()
        nodes = [tasks.call(f"visit-{number}", int, number) for number in range(visits)]
        sums_by_columns(tasks, nodes, Cut(), [slice(0, 1)] * cuts)
        parts_of_h = cuts  # nodes, but nothing is done for them
        expected = model.tasks_by_columns(visits, whole_levels(visits, cuts), cuts)
        assert len(dict(tasks.graph())) - visits - parts_of_h == expected


def test_one_node_reads_stored_bytes_at_its_own_rate(model, matrix, constants):
    cost = model.pass_cost(matrix, 20, model.Cluster(1, store_gb_s=2.0), constants)
    assert cost.storage == pytest.approx(100 * 0.5 / 2.0)
    assert cost.decided_by == "storage"
    assert cost.exchange == 0


def test_a_shared_store_is_no_faster_for_more_nodes(model, matrix, constants):
    few, many = (model.pass_cost(matrix, 20, model.Cluster(n, shared_gb_s=1.0), constants) for n in (16, 64))
    assert few.storage == many.storage == pytest.approx(50)


def test_work_is_shared_by_all_cores_until_a_thread_has_but_one_visit(model, matrix, constants):
    few = model.pass_cost(matrix, 20, model.Cluster(1, cores=4), constants)
    many = model.pass_cost(matrix, 20, model.Cluster(1000), constants)
    assert few.cpu == pytest.approx(100 * (0.4 + 0.2) / 4, rel=0.01)  # and a little for the sums
    assert many.cpu == pytest.approx(many.group_gb * 0.4)  # decoding, while the thread beside it computes


def test_the_cost_of_computing_lies_on_a_line_between_the_measured_ranks(constants):
    assert constants.compute_s("dense", 35) == pytest.approx(0.35)


def test_larger_groups_are_fewer_tasks_and_sums_that_stay_are_fewer_additions(model, matrix, constants):
    cluster = model.Cluster(8)
    now = model.pass_cost(matrix, 20, cluster, constants)
    large = model.pass_cost(matrix, 20, cluster, constants, model.Changed(group_bytes=2**30))
    stay = model.pass_cost(matrix, 20, cluster, constants, model.Changed(sums_stay=True))
    ahead = model.pass_cost(matrix, 20, cluster, constants, model.Changed(graph_ahead=True))
    assert large.groups == pytest.approx(now.groups / 4, rel=0.1)
    assert stay.start == pytest.approx((now.groups + 3) * 1e-4)  # four, four, and those two
    assert ahead.seconds == pytest.approx(now.seconds - now.start)


def test_it_bends_where_twice_as_many_nodes_hardly_help(model, matrix, constants):
    nodes, cost = model.bend(matrix, 20, constants)
    half, twice = (model.pass_cost(matrix, 20, model.Cluster(n), constants) for n in (nodes // 2, 2 * nodes))
    assert cost.seconds < 1.5 * twice.seconds
    assert half.seconds >= 1.5 * cost.seconds


def _passes(start_s, run_s, run_s_per_worker):
    from benchmarks.scaling_model import additions
    from benchmarks.simulated_cluster import Simulated

    for workers, visits, levels in ((10, 512, 5), (100, 1024, 5), (1000, 2048, 6)):
        tasks = visits + additions(visits)
        cpu = (start_s * tasks, (run_s + run_s_per_worker * workers) * tasks)
        yield Simulated(workers, 4, visits, 0.1, 9.0, cpu[0], *cpu, tail_s=0.01 * levels)


def test_the_fit_finds_what_passes_were_made_of_and_predicts_them(constants):
    from benchmarks.scheduler_model import fit_scheduler, predict

    made = list(_passes(1e-4, 3e-4, 2e-7))
    fitted = fit_scheduler(made)
    assert fitted == pytest.approx({"start_s": 1e-4, "run_s": 3e-4, "run_s_per_worker": 2e-7, "level_s": 0.01})
    cpu, wall = predict(made[-1], replace(constants, **fitted))
    assert cpu == pytest.approx(made[-1].start_cpu_s + made[-1].run_cpu_s)
    assert wall == pytest.approx(cpu + made[-1].tail_s)  # sleeping is the shorter part


@pytest.mark.slow
def test_a_simulated_cluster_runs_the_graph_of_a_pass():
    from benchmarks.simulated_cluster import measure, simulated_workers

    with simulated_workers(workers=6, threads=2) as client:
        one = measure(client, visits=40, sleep_s=0.1)
    assert (one.workers, one.threads, one.tasks, one.visits, one.slots) == (6, 2, 54, 40, 12)
    assert one.wall_s >= one.start_s + 0.4 + one.tail_s  # 40 visits of 0.1 s on 12 threads are four rounds
    assert one.start_cpu_s + one.run_cpu_s > 0


def test_the_page_holds_the_tables_of_what_was_measured():
    from benchmarks import scaling_page

    results = scaling_page.read_results()
    page = scaling_page.PAGE.read_text(encoding="utf-8")
    for make in (scaling_page.constants_table, scaling_page.checks_table, scaling_page.few_table):
        assert make(results) in page
    workers = json.loads(scaling_page.WORKERS.read_text()) if scaling_page.WORKERS.is_file() else {}
    assert scaling_page.workers_table(workers) in page


def _known(client):
    """What the scheduler and the worker know of tasks, once what was let go of has reached them."""

    def on_scheduler(dask_scheduler):
        groups = len(dask_scheduler.task_groups)
        return len(dask_scheduler.tasks), groups, sorted(dask_scheduler.task_prefixes)

    def on_worker(dask_worker):
        return len(dask_worker.state.tasks)

    found = None
    for _ in range(100):
        before, found = found, (client.run_on_scheduler(on_scheduler), sum(client.run(on_worker).values()))
        if found == before:
            break
        time.sleep(0.02)
    return found


@pytest.mark.slow
def test_the_scheduler_knows_as_many_tasks_after_60_passes_as_after_one(planted):
    source = MemorySource(planted.astype(np.float32))
    layout = source.layout()
    plan = make_plan(layout, Shape(80, 5, 4), Machine(1, 2**31, 0))
    cuts = {**plan.cuts_json(), "group_bytes": layout.total_bytes // 3, "w_rows": 20}
    plan = make_plan(layout, Shape(80, 5, 4), Machine(1, 2**31, 0), cuts)
    assert len(plan.groups) >= 3
    work = Work((solve_for_rows(np.full((5, 80), 0.5, np.float32)),), "float32")
    known = {}
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        executor = OnCluster(client)
        for number in range(1, 61):
            run_pass(executor, source, plan, work)
            if number in (1, 30, 60):
                known[number] = _known(client)
    assert known[1] == known[30] == known[60]
