"""Rows of a sample: the same however they are stored, and no more is read at once than the plan has room for."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import zarr

from dnmf import open_source, start_memory
from dnmf.fitting.loop import Engine
from dnmf.memory import Shape
from dnmf.passes.threads import InProcess
from dnmf.plan import make_plan
from dnmf.schemes.rehearsal import Kernels
from dnmf.starts.sample import Sample, sample_order

pytestmark = pytest.mark.numeric

ROWS, COLUMNS = 900, 40


class Noting(InProcess):
    """Notes the rows that are read."""

    def __init__(self):
        super().__init__(1)
        self.spans = []

    def read(self, parts):
        self.spans += [span for _, *span in parts]
        return super().read(parts)


def engine_over(data, executor) -> Engine:
    source = open_source(data)
    layout = source.layout()
    machine = executor.machine(2**33, Kernels(4, "float32"))
    return Engine(executor, source, make_plan(layout, Shape(COLUMNS, 4, 4), machine), layout)


def values():
    return np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [20, 300, ROWS])
@pytest.mark.parametrize("chunk", [(1, 40), (16, 40), (50, 7), (450, 40), (ROWS, 40)])
def test_a_sample_has_the_same_rows_however_they_are_stored(tmp_path, chunk, wanted):
    zarr.create_array(tmp_path / "a.zarr", data=values(), chunks=chunk)
    executor = Noting()
    sample = Sample(engine_over(tmp_path / "a.zarr", executor), wanted, seed=3)
    for rows in {16, wanted}:
        runs = list(itertools.islice(sample_order(ROWS, 3), -(-rows // 16)))
        expected = np.concatenate([values()[low:high] for low, high in sorted(runs)])
        found = sample.first(rows)
        assert np.array_equal(found.read(0, found.shape[0]), expected)
    objects = [number for low, high in executor.spans for number in range(low // chunk[0], -(-high // chunk[0]))]
    assert len(objects) == len(set(objects))


@pytest.mark.parametrize("most", [1, 10_000, 50_000])
def test_whole_objects_are_read_up_to_a_size_and_at_least_one(tmp_path, monkeypatch, most):
    monkeypatch.setattr(start_memory, "REGION_BYTES", most)
    zarr.create_array(tmp_path / "a.zarr", data=values(), chunks=(50, COLUMNS))
    executor = Noting()
    engine = engine_over(tmp_path / "a.zarr", executor)
    Sample(engine, ROWS, seed=0)
    most = min(most, engine.plan.need.panels // 4)
    sizes = [(high - low) * COLUMNS * 4 for low, high in executor.spans]
    assert all(low % 50 == 0 for low, _ in executor.spans)
    assert max(sizes) == max(8_000, most // 8_000 * 8_000)


def test_a_sparse_sample_has_the_same_rows(tmp_path):
    matrix = scipy.sparse.random(ROWS, COLUMNS, 0.2, format="csr", dtype=np.float32, random_state=0)
    sample = Sample(engine_over(matrix, InProcess(1)), 100, seed=1)
    runs = sorted(itertools.islice(sample_order(ROWS, 1), 7))
    dense = matrix.toarray()
    found = sample.first(100).read(0, 112)
    rebuilt = scipy.sparse.csr_array(tuple(found), shape=(112, COLUMNS)).toarray()
    assert np.array_equal(rebuilt, np.concatenate([dense[low:high] for low, high in runs]))
