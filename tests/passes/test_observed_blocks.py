"""Who visits data learns what of it was observed, and nobody visits it who would take it for whole."""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
import zarr

from dnmf.errors import InputError
from dnmf.memory import Machine, Shape
from dnmf.passes import blocks
from dnmf.passes.executor import run_pass
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.threads import InProcess
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import Group, make_plan
from dnmf.sources import open_source
from dnmf.sources.kept import KEPT, Keep, KeptSource

ROWS, COLUMNS = 90, 12
RNG = np.random.default_rng(2)
A = RNG.integers(0, 4, (ROWS, COLUMNS)).astype(float)
MASK = RNG.random(A.shape) < 0.6
WEIGHTS = RNG.random(A.shape) * MASK
GROUP = Group(0, ROWS, ((0, 35), (35, ROWS)))
SAID = {
    "NaN": (np.where(MASK, A, np.nan), {"missing": "nan"}),
    "unstored": (scipy.sparse.csr_array(A), {"missing": "unstored"}),
    "mask": (A, {"mask": MASK}),
    "mask of sparse": (scipy.sparse.csr_array(A), {"mask": MASK}),
    "weights": (A, {"weights": WEIGHTS}),
    "weights of sparse": (scipy.sparse.csr_array(A), {"weights": WEIGHTS}),
}


@dataclass(frozen=True)
class Collect(Visitor):
    """Notes what it is given."""

    takes_missing: ClassVar[bool] = True
    seen: list[Any] = field(default_factory=list)
    rank: ClassVar[int] = 1

    def visit(self, block, sums, out):
        self.seen.append(block)


@pytest.mark.parametrize("case", SAID)
def test_who_takes_data_for_whole_does_not_visit_it(case):
    data, said = SAID[case]
    with pytest.raises(InputError, match="missing entries or weights, of which"):
        visit_group(open_source(data, **said), GROUP, Work((solve_for_rows(np.ones((2, COLUMNS))),), "float64"))


@pytest.mark.parametrize("case", SAID)
def test_blocks_come_in_order_with_the_weights_of_their_entries(case, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2500)
    data, said = SAID[case]
    source, visitor = open_source(data, **said), Collect()
    statistics = visit_group(source, GROUP, Work((visitor,), "float64", check=True))
    whole = source.read(0, ROWS)
    rows, weights = whole if source.weighted else (whole, None)
    assert len(visitor.seen) > 2
    assert [block.at for block in visitor.seen] == np.cumsum([0, *map(count, visitor.seen[:-1])]).tolist()
    got = [block.rows if isinstance(rows, np.ndarray) else block.rows.data for block in visitor.seen]
    np.testing.assert_array_equal(np.concatenate(got), rows if isinstance(rows, np.ndarray) else rows.data)
    if weights is None:
        assert all(block.weights is None for block in visitor.seen)
        expected = np.nansum(np.square(got[0] if len(got) == 1 else np.concatenate(got)))
    else:
        assert all(block.weights.shape == part.shape for block, part in zip(visitor.seen, got, strict=True))
        np.testing.assert_array_equal(np.concatenate([block.weights for block in visitor.seen]), weights)
        expected = (WEIGHTS * A**2).sum()
    assert statistics.squares == pytest.approx(expected, rel=1e-12)
    assert statistics.bytes_read == pytest.approx(source.layout().total_bytes, rel=0.1)


def stored(folder, name, values, chunks):
    zarr.create_array(folder / name, data=values, chunks=chunks, config={"write_empty_chunks": True})
    return str(folder / name)


BESIDE = {
    "blocks and blocks": lambda d: (da.from_array(A, chunks=(20, 5)), da.from_array(MASK, chunks=(35, 12))),
    "store and blocks": lambda d: (stored(d, "A", A, (10, 12)), da.from_array(MASK, chunks=(35, 12))),
    "blocks and store": lambda d: (da.from_array(A, chunks=(20, 5)), stored(d, "M", MASK, (7, 5))),
    "store and store": lambda d: (stored(d, "A", A, (10, 12)), stored(d, "M", MASK, (7, 5))),
    "memory and store": lambda d: (A, stored(d, "M", MASK, (7, 5))),
    "sparse blocks and memory": lambda d: (da.from_array(A, (20, 12)).map_blocks(scipy.sparse.csr_array), MASK),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BESIDE)
def test_parts_meet_on_workers_as_in_this_process(case, tmp_path, client):
    values, mask = BESIDE[case](tmp_path)
    source = open_source(values, mask=mask, weights=WEIGHTS)
    plan = make_plan(source.layout(), Shape(COLUMNS, 2, 8), Machine(1, 2**30, 0))
    groups = source.layout().cuts
    groups = tuple(Group(int(low), int(high), ((int(low), int(high)),)) for low, high in itertools.pairwise(groups))
    plan, work = replace(plan, groups=groups), Work((), "float64", check=True)
    found = [run_pass(executor, source, plan, work) for executor in (InProcess(), OnCluster(client))]
    assert found[0].squares == found[1].squares == pytest.approx((WEIGHTS * A**2).sum(), rel=1e-12)
    assert found[0].bytes_read == found[1].bytes_read


@pytest.mark.parametrize("case", ["store and store", "memory and store"])
def test_rows_are_kept_as_they_were_combined(case, tmp_path):
    values, mask = BESIDE[case](tmp_path)
    keep = Keep(case, 10**7)
    source = KeptSource(open_source(values, mask=mask, weights=WEIGHTS), keep)
    try:
        first, second = (source.for_rows(0, 50).read(10, 30) for _ in range(2))
        assert KEPT.bytes_kept(keep.mark, 0, 50) == first.nbytes
        assert not second.weights.flags.writeable
        assert (source.weighted, source.has_missing) == (True, True)
        np.testing.assert_array_equal(second.rows, A[10:30] * (WEIGHTS[10:30] > 0))
    finally:
        KEPT.forget(keep.mark)


def count(block):
    return blocks.count_rows(block.rows)
