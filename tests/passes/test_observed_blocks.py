"""Who visits data learns what of it was observed, and nobody visits it who would take it for whole."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse

from dnmf.errors import InputError
from dnmf.passes import blocks
from dnmf.passes.problem import solve_for_rows
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.visitor import Visitor
from dnmf.passes.work import Work
from dnmf.plan import Group
from dnmf.sources import open_source

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


def count(block):
    return blocks.count_rows(block.rows)
