"""The start: from the seed and the data alone, nested samples, honest about what it read."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import zarr
from engines import engine_on
from hypothesis import given
from hypothesis import strategies as st

from dnmf.constraints import Limits
from dnmf.fitting.step import advance
from dnmf.memory import ANY_START, NO_START, Start
from dnmf.options import FitOptions
from dnmf.penalty import Penalty
from dnmf.sources import open_source
from dnmf.starts.choose import start_of_fit
from dnmf.starts.race import race_stages, sample_rows, work_of_alternation
from dnmf.starts.sample import sample_order
from dnmf.starts.start import start_at_random, start_from_sample

pytestmark = pytest.mark.numeric

OPTIONS = FitOptions(5, dtype="float64", seed=3)


@given(st.integers(1, 100_000), st.integers(0, 10))
def test_the_runs_of_a_sample_order_are_all_rows_once(rows, seed):
    spans = sorted(sample_order(rows, seed))
    assert spans[0][0] == 0
    assert spans[-1][1] == rows
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))


@given(st.integers(1, 10**7), st.integers(1, 100), st.integers(1, 10**6), st.integers(1, 12))
def test_every_round_of_the_race_has_no_more_starts_and_no_fewer_rows(n_rows, rank, affordable, starts):
    rows = sample_rows(n_rows, rank, affordable)
    stages = race_stages(rows, n_rows, rank, starts)
    assert all(1 <= stage.rows <= min(n_rows, affordable) for stage in stages)
    assert all(a.rows <= b.rows and a.alive >= b.alive for a, b in itertools.pairwise(stages))
    assert (stages[0].alive, stages[-1].alive, stages[-1].rows) == (starts, 1, rows)


def test_the_work_of_an_alternation_is_that_of_the_matrix_however_it_is_held(planted):
    thin = planted * (np.random.default_rng(0).random(planted.shape) < 0.05)
    with_zeros = scipy.sparse.csr_array(planted)
    with_zeros.data *= np.random.default_rng(0).random(planted.shape).reshape(-1)[: with_zeros.nnz] < 0.5
    for matrix in (planted, thin, with_zeros.toarray()):
        held = open_source(scipy.sparse.csr_array(matrix)).read(0, len(matrix))
        assert work_of_alternation(held, matrix.shape[1]) == work_of_alternation(matrix, matrix.shape[1])


@pytest.mark.parametrize(("columns", "few"), [(300, False), (30_000, True)])
def test_a_start_makes_few_alternations_where_one_costs_what_a_pass_does(columns, few, monkeypatch):
    monkeypatch.setattr("dnmf.starts.race.LONG_WORK", 0)
    alternated = []
    monkeypatch.setattr("dnmf.starts.race.advance", lambda *given: alternated.append(1) or advance(*given))
    density, rng = min(0.5, 10 / columns * 10), np.random.default_rng(0)
    A = scipy.sparse.random_array((2_000, columns), density=density, random_state=rng, format="csr")
    start_from_sample(engine_on(A), FitOptions(2, seed=0))
    assert len(alternated) == 3 if few else len(alternated) >= 20


@pytest.mark.parametrize(
    "wrap", [np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array]
)
def test_the_start_does_not_depend_on_how_the_matrix_is_held(planted, wrap):
    H = start_from_sample(engine_on(planted), OPTIONS).H
    same = start_from_sample(engine_on(wrap(planted)), OPTIONS).H
    np.testing.assert_allclose(H, same, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_the_start_does_not_depend_on_chunks_but_its_cost_does(planted, tmp_path):
    tall = np.vstack([planted] * 5)
    starts = []
    for rows in (50, 1500):
        path = tmp_path / f"{rows}.zarr"
        zarr.create_array(path, data=tall, chunks=(rows, 80), config={"write_empty_chunks": True})
        starts.append(start_from_sample(engine_on(str(path)), OPTIONS))
    first, second = starts
    assert first.H.tobytes() == second.H.tobytes()
    assert first.bytes_read < second.bytes_read <= tall.nbytes


def test_a_start_is_better_than_a_random_one(planted):
    from dnmf.api import fit

    sampled = fit(planted, 5, max_passes=1).relative_error
    assert sampled < fit(planted, 5, max_passes=1, init="random").relative_error


def test_a_random_start_reads_nothing_unless_scale_matters(planted):
    engine = engine_on(planted)
    assert start_at_random(engine, OPTIONS).bytes_read == 0
    for penalty in (Penalty(l1=0.1, scale="objective"), Penalty(l1=0.1)):
        begun = start_at_random(engine, FitOptions(5, penalty=penalty))
        assert 0 < begun.bytes_read < planted.nbytes
        assert np.isfinite(begun.H).all()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"init": "random"}, NO_START),
        ({"init": "sample"}, Start(500, beside=True)),
        ({"init": "auto"}, Start(500, beside=True)),
        ({"init": "sample", "loss": "itakura-saito"}, Start(2_000, beside=False)),
        ({"init": "given"}, ANY_START),
        ({"init": "random", "penalty": Penalty(l1=0.1, scale="fraction")}, Start(500, beside=True)),
        ({"init": "sample", "penalty": Penalty(l1=0.1, scale="fraction")}, Start(500, beside=True)),
        ({"init": "sample", "limits": Limits(held=(1, 0))}, Start(500, beside=True)),
        ({"init": "sample", "limits": Limits(held=(0, 1))}, Start(500, beside=True)),
    ],
)
def test_what_a_start_has_in_memory_is_known_before_it_is_taken(options, found):
    source = open_source(np.ones((2_000, 30), np.float32))
    assert start_of_fit(FitOptions(5, **options), source, begun=False) == found
    assert start_of_fit(FitOptions(5, **options), source, begun=True) == NO_START
