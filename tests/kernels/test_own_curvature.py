"""The benchmark of what a pass costs where curvature is a row's own."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # benchmarks/ is not installed with the package

from benchmarks import own_curvature
from benchmarks.problems import poisson_sparse


@pytest.mark.slow
def test_every_part_is_measured(monkeypatch):
    monkeypatch.setattr(own_curvature, "ROUNDS", 1)
    A = poisson_sparse(60, 40, 5)
    H = own_curvature.some_profiles(A, 3)
    of = own_curvature.operands(A, H)
    seconds = own_curvature.measure(of)
    assert seconds.keys() == own_curvature.parts(of).keys()
    assert all(second >= 0 for second in seconds.values())
    assert own_curvature.solve(of, 1e-3)[1] == 0
