"""Where memory holds a diagonal of each column's curvature it bounds the objective, whatever signs the factors have."""

import itertools

import numpy as np
import pytest

from dnmf.constraints import Limits
from dnmf.passes.visitors.visitor import Block
from dnmf.schemes.observed import ObservedLeastSquares

pytestmark = pytest.mark.numeric
ROWS, COLUMNS, RANK, PASSES = 120, 20, 4, 15


def data(free, rng):
    W, H = rng.random((ROWS, 3)), rng.random((3, COLUMNS))
    W, H = (2 * W - 1 if free == "W" else W), (2 * H - 1 if free == "H" else H)
    return W @ H + 0.1 * rng.standard_normal((ROWS, COLUMNS)) * (free != "")


def holes(A, rng, share):
    return np.where(rng.random(A.shape) < share, np.nan, A), None


OBSERVED = {
    "few missing": lambda A, rng: holes(A, rng, 0.1),
    "most missing": lambda A, rng: holes(A, rng, 0.7),
    "lighter": lambda A, rng: (A, np.where(rng.random(A.shape) < 0.3, 0.1, 1.0)),
    "heavier": lambda A, rng: (A, np.where(rng.random(A.shape) < 0.3, 9.0, 1.0)),
}


@pytest.mark.parametrize("observed", OBSERVED.values(), ids=OBSERVED)
@pytest.mark.parametrize("free", ["", "W", "H"])
def test_no_pass_raises_the_objective(free, observed):
    rng = np.random.default_rng(1)
    A, weights = observed(data(free, rng), rng)
    scheme = ObservedLeastSquares(limits=Limits(free=free), diagonal_curvature=True)
    H, objectives = scheme.enter(rng.random((RANK, COLUMNS))), []
    for _ in range(PASSES):
        visitor = scheme.visitor(H, first=True)
        running = visitor.begin(COLUMNS, "float64", residual=False)
        visitor.visit(Block(A, 0, None, weights), running, None)
        sums = running.finish()
        objectives.append(scheme.measure(sums, H, sums.whole).objective)
        H = scheme.update(sums, H).H
    assert all(b <= a + 1e-9 * objectives[0] for a, b in itertools.pairwise(objectives))
    assert objectives[-1] < 0.9 * objectives[0]
