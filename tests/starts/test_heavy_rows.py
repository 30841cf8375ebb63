"""Rows of which few have most of the data: a start sees them, in one read, and finds the same on any cluster."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse
import zarr
from engines import engine_on

import dnmf
from dnmf.fitting.loop import Engine
from dnmf.memory import Machine, Shape
from dnmf.options import FitOptions
from dnmf.passes.threads import InProcess
from dnmf.plan import make_plan
from dnmf.sources import open_source
from dnmf.starts.draw import draw_rows
from dnmf.starts.heavy_rows import HeavyRows, rows_that_count, threshold_for
from dnmf.starts.start import start_from_sample

pytestmark = pytest.mark.numeric

OPTIONS = FitOptions(5, seed=3)


def planted(sigma, seed=0, rows=5_000, columns=40, rank=5):
    """Rows of a planted product with a little noise, on scales that are log-normal."""
    rng = np.random.default_rng(seed)
    W, H = (rng.random(shape) * (rng.random(shape) < 0.5) for shape in ((rows, rank), (rank, columns)))
    A = W @ H + 0.1 * rng.random((rows, columns))
    return (A * np.exp(sigma * rng.standard_normal(rows))[:, None]).astype(np.float32)


def engine_cut(source, panel_bytes, threads=1):
    """An engine whose tasks and panels are small."""
    layout = source.layout()
    plan = make_plan(
        layout, Shape(source.shape[1], 5, 4), Machine(1, 2**34, 0),
        {"panel_bytes": panel_bytes, "group_bytes": 4 * panel_bytes, "w_rows": layout.row_step},
    )  # fmt: skip
    return Engine(InProcess(threads), source, plan, layout)


@cache
def best_of_long_fits(sigma, seed):
    return min(dnmf.fit(planted(sigma, seed), 5, seed=of, tol=0, max_passes=60).relative_error for of in range(3))


def reads_to(error, A, **asked):
    """How many reads a fit takes to an error."""
    history = dnmf.fit(A, 5, tol=0, max_passes=10, **asked).history
    return next((each.reads for each in history if each.relative_error <= error), np.inf)


@pytest.mark.slow
@pytest.mark.parametrize("small", [0, 2**24], ids=["large", "small"])
@pytest.mark.parametrize("sigma", [0, 1, 2, 3])
def test_five_reads_are_enough_whatever_few_rows_have(sigma, small, monkeypatch):
    near = [1.002 * best_of_long_fits(sigma, seed) for seed in range(9)]
    monkeypatch.setattr("dnmf.starts.race.SMALL_BYTES", small)
    assert np.median([reads_to(error, planted(sigma, seed), seed=seed) for seed, error in enumerate(near)]) <= 5


@pytest.mark.parametrize("small", [0, 2**24], ids=["large", "small"])
def test_heavy_rows_are_drawn_as_they_weigh_and_others_alike(small, monkeypatch):
    monkeypatch.setattr("dnmf.starts.race.SMALL_BYTES", small)
    for sigma, heavy in ((0, False), (0.5, False), (2, True), (3, True)):
        drawn = draw_rows(engine_on(planted(sigma)), OPTIONS)
        assert isinstance(drawn.sample, HeavyRows) == heavy
        assert (drawn.squares > 0) == heavy


@pytest.mark.slow
def test_rows_drawn_alike_take_no_read_of_all_rows():
    A = planted(0)
    assert start_from_sample(engine_on(A), OPTIONS).bytes_read < 0.2 * A.nbytes


@pytest.mark.broad(1)
@pytest.mark.parametrize("way", ["cut", "threads", "chunks", "columns"])
def test_which_rows_are_drawn_follows_from_the_data_and_the_seed(tmp_path, way):
    A = planted(2)
    H = start_from_sample(engine_cut(open_source(A), 2**20), OPTIONS).H
    chunks = {"chunks": (700, 40), "columns": (5_000, 3)}.get(way)
    if chunks:
        zarr.create_array(tmp_path / "a.zarr", data=A, chunks=chunks)
    source = open_source(tmp_path / "a.zarr" if chunks else A)
    found = start_from_sample(engine_cut(source, 2**13, threads=3 if way == "threads" else 1), OPTIONS)
    assert found.H.tobytes() == H.tobytes()


def test_dense_and_sparse_rows_are_drawn_alike():
    A = planted(2)
    one, other = (draw_rows(engine_cut(open_source(each), 2**14), OPTIONS) for each in (A, scipy.sparse.csr_array(A)))
    rows = other.sample.first(500).read(0, 500)
    dense = scipy.sparse.csr_array(tuple(rows), shape=(500, 40)).toarray()
    np.testing.assert_allclose(dense, one.sample.first(500).read(0, 500), rtol=1e-5)


@pytest.mark.broad(1)
@pytest.mark.parametrize("rows", [750, 200])
def test_the_loss_of_the_rows_is_an_estimate_of_that_of_all(rows):
    A, total = planted(2), []
    for seed in range(40):
        drawn = draw_rows(engine_on(A), FitOptions(5, seed=seed))
        held = drawn.sample.first(min(rows, drawn.size))
        total.append(float((held.read(0, held.shape[0]).astype(np.float64) ** 2).sum()))
    assert np.mean(total) == pytest.approx((A.astype(np.float64) ** 2).sum(), rel=0.05)


def test_smaller_samples_are_parts_of_larger_ones():
    sample = draw_rows(engine_on(planted(3)), OPTIONS).sample

    def directions(rows):
        values = sample.first(rows).read(0, rows).astype(np.float64)
        return {tuple(np.round(row / row.max(), 4)) for row in values}

    assert directions(100) < directions(700)
    assert len(sample.weights(100)) == 100
    assert (sample.weights(100) >= 1).all()


@pytest.mark.broad(1)
@pytest.mark.parametrize(
    "asked", [{"loss": "kullback-leibler"}, {"missing": "nan"}, {"weights": "ones"}, {"loss": "itakura-saito"}]
)
def test_losses_and_missing_entries_have_such_starts_too(asked):
    A = planted(2, rows=1_500) + np.float32(1e-3)
    asked = dict(asked)
    if "missing" in asked:
        A[np.random.default_rng(0).random(A.shape) < 0.1] = np.nan
    if "weights" in asked:
        asked["weights"] = np.ones_like(A)
    fit = {init: dnmf.fit(A, 5, init=init, tol=0, max_passes=4, **asked) for init in ("sample", "random")}
    assert fit["sample"].relative_error < 1.02 * fit["random"].relative_error


@pytest.mark.parametrize(("scale", "shape"), [(0.0, (700, 30)), (1e-12, (700, 30)), (1.0, (3, 2))])
def test_data_with_little_or_nothing_in_it_has_a_start(scale, shape):
    A = np.zeros(shape)
    A[0] = scale
    assert np.isfinite(start_from_sample(engine_on(A), FitOptions(1, dtype="float64")).H).all()


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_a_bad_value_is_refused_where_all_rows_are_read_for_the_start(bad):
    A = planted(3)
    A[4_321, 7] = bad
    with pytest.raises(dnmf.InputError, match="row 4321"):
        start_from_sample(engine_on(A), OPTIONS)


def test_as_many_rows_are_expected_above_a_threshold_as_are_wanted():
    importance = np.exp(4 * np.random.default_rng(0).standard_normal(2_000))
    for rows in (1, 10, 500, 1_900):
        expected = np.minimum(1, importance / threshold_for(importance, rows)).sum()
        assert expected == pytest.approx(rows, rel=1e-6)


def test_rows_that_count_are_all_where_they_are_alike():
    assert rows_that_count(np.full(70, 3.0)) == pytest.approx(70)
    assert rows_that_count(np.zeros(70)) == 70
    assert rows_that_count(np.append(np.zeros(69), 1.0)) == 1
