"""Columns that are added up, measured and solved for on the workers: the same bits, and less to carry."""

import itertools
import os
import signal
from dataclasses import replace

import dask
import numpy as np
import pytest
import scipy.sparse
import zarr
from dask.utils import key_split

import dnmf
from dnmf.constraints import Guides, Limits
from dnmf.fitting.events import PassDone
from dnmf.passes import column_graph, graph
from dnmf.passes.ahead import Ahead
from dnmf.passes.column_graph import cut_for, sums_by_columns
from dnmf.passes.over_columns import blocks_of, cut_columns
from dnmf.passes.statistics import ModelSums, Statistics
from dnmf.passes.tasks import Tasks
from dnmf.schemes.of_options import least_squares
from dnmf.schemes.solved_ahead import SolvedAhead

RANK, COLUMNS = 4, 150_000  # three blocks of columns
HOSTS = {f"tcp://10.0.0.{number}:4000": 16 for number in range(2)}


class OfShape(Ahead):
    """Columns of which nothing is made but what they are."""

    def __init__(self, k, n):
        self.shape = k, n

    def part(self, columns):
        return OfShape(self.shape[0], columns.stop - columns.start)

    def of(self, sums):
        return sums.P

    def joined(self, parts):
        return np.concatenate(parts)


@pytest.mark.parametrize(
    ("shape", "threads", "count"),
    [
        ((50, 10**6), HOSTS, 16),
        ((50, 10**6), {"tcp://10.0.0.1:1": 2, "tls://10.0.0.2:1": 1}, 3),
        ((50, 10**6), {"tcp://127.0.0.1:1": 8, "tcp://127.0.0.1:2": 8}, 0),
        ((50, 10**6), {}, 0),
        ((20, 30_000), HOSTS, 0),
    ],
    ids=["two hosts", "three threads", "one host", "no worker", "short"],
)
def test_columns_are_cut_where_h_is_long_and_there_are_hosts(shape, threads, count):
    cuts = cut_for(OfShape(*shape), threads)
    assert len(cuts) == count
    if count:
        assert [cut.start for cut in cuts] == [0, *(cut.stop for cut in cuts[:-1])]
        assert cuts[-1].stop == shape[1]
        assert {cut.start for cut in cuts} <= {block.start for block in cut_columns(*shape)}


@pytest.mark.parametrize(("k", "n"), [(50, 10**6), (4, 150_000), (3, 87_384), (7, 2**18)])
def test_blocks_of_a_part_are_those_of_the_whole(k, n):
    blocks = cut_columns(k, n)
    for first in range(0, len(blocks), 2):
        low, high = blocks[first].start, blocks[min(first + 1, len(blocks) - 1)].stop
        parts = [slice(low + part.start, low + part.stop) for part in blocks_of(k, high - low)]
        assert parts == [block for block in blocks if low <= block.start < high]


def some_sums(seed):
    rng = np.random.default_rng(seed)
    return Statistics([ModelSums(*(rng.random(shape) for shape in ((3, 3), (40, 3), 3, 3)))], rows=seed)


@pytest.mark.parametrize("visits", [1, 2, 7, 70])
@pytest.mark.parametrize("cuts", [1, 3])
def test_what_is_added_up_by_columns_is_what_is_added_up_whole(visits, cuts, monkeypatch):
    monkeypatch.setattr(column_graph, "MOST_PARTS", 20)  # 70 visits are whole on some levels
    borders = np.linspace(0, 40, cuts + 1).astype(int)
    tasks = Tasks()
    nodes = [tasks.call(f"visit-{seed}", some_sums, seed) for seed in range(visits)]
    whole = graph.tree_of_sums(tasks, nodes)
    roots = sums_by_columns(tasks, nodes, OfShape(3, 40), [slice(*each) for each in itertools.pairwise(borders)])
    whole, rest, *columns = dask.get(dict(tasks.graph()), [whole.key, *(root.key for root in roots)])
    assert np.concatenate(columns).tobytes() == whole.models[0].P.tobytes()
    assert rest.models[0].G.tobytes() == whole.models[0].G.tobytes()
    assert rest.models[0].P.shape == (0, 3)
    assert rest.rows == whole.rows


def test_a_task_for_each_cut_takes_its_columns_out_of_each_visit():
    tasks = Tasks()
    nodes = [tasks.call(f"visit-{seed}", some_sums, seed) for seed in range(4)]
    sums_by_columns(tasks, nodes, OfShape(3, 40), [slice(0, 20), slice(20, 40)])
    kinds = [key_split(key) for key in dict(tasks.graph())]
    assert kinds.count("dnmf-columns") == 8
    assert kinds.count("dnmf-add-columns") == 2
    assert kinds.count("dnmf-solve") == 2


@pytest.mark.parametrize(
    ("asked", "has"),
    [
        ({}, True),
        ({"penalty": dnmf.Penalty(l1=0.1, l2=0.2, scale="objective")}, True),
        ({"penalty": dnmf.Penalty(l2=0.2, scale="absolute")}, True),
        ({"limits": Limits(upper=(1.0, 1.0))}, True),
        ({"penalty": dnmf.Penalty(l1=0.1, scale="relative")}, False),
        ({"penalty": dnmf.Penalty(diagonal=False)}, False),
        ({"penalty": dnmf.Penalty(l1=0.1, scale="relative", diagonal=False)}, False),
        ({"penalty": dnmf.Penalty(smooth=1.0, scale="objective")}, False),
        ({"limits": Limits(held=(0, 1)), "guides": Guides(H=np.ones((1, 5)))}, False),
        ({"limits": Limits(held=(1, 0)), "guides": Guides(W=np.ones((7, 1)))}, False),
    ],
    ids=str,
)
def test_columns_are_solved_ahead_where_nothing_but_sums_of_w_decides_about_them(asked, has):
    scheme = least_squares(**{"penalty": dnmf.Penalty(), **asked})
    assert isinstance(scheme.ahead(np.ones((2, 5))), SolvedAhead) == has


PENALTIES = [
    dnmf.Penalty(**{"scale": scale, **strengths})
    for scale in ("relative", "absolute", "objective")
    for strengths in ({}, {"l1": 0.1}, {"l2": (0.0, 0.2)}, {"diagonal": False}, {"angular": 0.1})
    if scale == "objective" or "angular" not in strengths
]


LIMITS = [Limits(), Limits(free="W"), Limits(free="H"), Limits(upper=(2.0, 0.3))]
H = np.random.default_rng(1).random((3, 40))
SCHEMES = [least_squares(*asked) for asked in itertools.product(PENALTIES, LIMITS)]
APART = [scheme for scheme in SCHEMES if scheme.ahead(H) is not None]


def test_most_schemes_solve_columns_ahead():
    assert len(APART) > 0.6 * len(SCHEMES)


@pytest.mark.parametrize("scheme", APART, ids=lambda scheme: f"{scheme.penalty} {scheme.limits}")
def test_a_scheme_that_solves_columns_ahead_asks_for_no_more_of_their_sums(scheme):
    rng = np.random.default_rng(0)
    A, W = rng.random((30, 40)), rng.random((30, 3))
    ahead = scheme.ahead(H)
    sums = ModelSums(W.T @ W, A.T @ W, W.sum(axis=0), np.zeros(3))
    apart = replace(sums, P=sums.P[:0], ahead=ahead.joined([ahead.of(sums)]))
    squares = float((A * A).sum())
    assert scheme.measure(apart, H, squares) == scheme.measure(sums, H, squares)
    there, here = scheme.update(apart, H), scheme.update(sums, H)
    assert there.H.tobytes() == here.H.tobytes()
    for both in zip(scheme.scale(there.H, H, apart), scheme.scale(here.H, H, sums), strict=True):
        np.testing.assert_array_equal(*both)


@pytest.fixture(scope="module")
def long_rows(tmp_path_factory):
    A = scipy.sparse.random_array((400, COLUMNS), density=2e-4, rng=np.random.default_rng(0), dtype="f4")
    path = tmp_path_factory.mktemp("long") / "A.zarr"
    zarr.create_array(path, data=A.toarray(), chunks=(25, COLUMNS))
    return path


@pytest.fixture
def ahead_on_one_host(monkeypatch):
    """Columns are cut also among workers of this machine; returns what says how often they were."""
    cut = []

    def noting(tasks, nodes, ahead, cuts):
        cut.append(len(cuts))
        return sums_by_columns(tasks, nodes, ahead, cuts)

    monkeypatch.setattr(graph, "sums_by_columns", noting)
    monkeypatch.setattr(column_graph, "LONG", 2**19)
    monkeypatch.setattr(column_graph, "FEWEST_HOSTS", 1)
    return cut


def results_of(model):
    return model.H.tobytes(), model.d.tobytes(), model.read_W().tobytes(), [
        (record.objective, record.gradient, record.columns_unsolved) for record in model.history
    ]  # fmt: skip


FITS = {
    "plain": {},
    "penalized": {"penalty": dnmf.Penalty(l1=1e-3, l2=1e-2, scale="objective"), "prune": "off"},
    "bounded": {"constraints": dnmf.Constraints(upper=(None, 0.5)), "penalty": dnmf.Penalty(scale="objective")},
    "hals": {"solver": "hals", "exact_rows": False},
    "float64": {"dtype": "float64"},
}


@pytest.mark.slow
@pytest.mark.parametrize("asked", FITS.values(), ids=FITS)
def test_a_fit_has_the_bits_of_one_in_process(long_rows, client, ahead_on_one_host, asked):
    options = {"rank": RANK, "init": "random", "max_passes": 4, "tol": 0.0, **asked}
    here = dnmf.fit(long_rows, **options)
    there = dnmf.fit(long_rows, **options, client=client)
    assert ahead_on_one_host == [3] * 3  # all passes but the last one, whose sums make the model
    assert results_of(there) == results_of(here)


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked", [{"penalty": dnmf.Penalty(l1=1e-3, scale="objective")}, {"loss": "kullback-leibler"}, {"restarts": 2}],
    ids=["pruned", "divergence", "restarts"],
)  # fmt: skip
def test_what_asks_more_of_the_sums_gets_all_of_them(long_rows, client, ahead_on_one_host, asked):
    options = {"rank": 2, "init": "random", "max_passes": 3, "tol": 0.0, **asked}
    there = dnmf.fit(long_rows, **options, client=client)
    assert ahead_on_one_host == []
    assert results_of(there) == results_of(dnmf.fit(long_rows, **options))


@pytest.mark.slow
def test_the_bits_are_the_same_after_a_worker_is_killed(long_rows, ahead_on_one_host):
    from distributed import Client, LocalCluster

    def kill_one(event):
        if isinstance(event, PassDone) and event.record.number == 2:
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

    options = {"rank": RANK, "init": "random", "max_passes": 5, "tol": 0.0}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        there = dnmf.fit(long_rows, **options, client=client, callbacks=[kill_one])
    assert len(ahead_on_one_host) >= 4
    assert results_of(there) == results_of(dnmf.fit(long_rows, **options))
