"""The experiment of ridge and sparse CP: its own arithmetic, what it writes, and what the committed figures say."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # benchmarks/ is not installed with the package

from benchmarks import report, ridge_cp, sparse_cp  # noqa: E402
from benchmarks.ridge_cp import BALANCED, DNMF, EVERY, NEVER, START, UNBALANCED, Effort  # noqa: E402
from benchmarks.ridge_cp_page import component_lines, section, swamp_lines  # noqa: E402
from benchmarks.ridge_cp_pictures import draw  # noqa: E402

REFERENCE = {"False": NEVER, "init_only": START, "True": EVERY}


@pytest.fixture(scope="module")
def committed():
    return report.read(ROOT / "benchmarks")["ridge CP"]


@pytest.fixture(scope="module")
def published(golden):
    """Components and objectives (over ‖A‖²) of the published run, by way and strength."""
    with (golden / "hrsi_ridge_ncpd.csv").open() as stream:
        return {
            (REFERENCE[row["balancing"]], float(row["weight"])): (
                float(row["median_components"]), float(row["median_loss"]),
            )
            for row in csv.DictReader(stream)
        }  # fmt: skip


def test_without_ridge_the_loop_is_that_of_tensorly():
    array, start = ridge_cp.dense_array(0), ridge_cp.start_of(0)
    course = ridge_cp.hals(array, start, 0.0, 4, NEVER)
    theirs = sparse_cp.of_tensorly(array, start, 0.0, 4)
    assert course.objectives[-1] == pytest.approx(ridge_cp.squares(array, theirs, 0.0), rel=1e-10)


def test_balanced_factors_are_the_same_components_with_norms_alike():
    factors = [X * scale for X, scale in zip(ridge_cp.start_of(1), (100.0, 0.1, 1.0), strict=True)]
    alike = ridge_cp.balanced(factors)
    np.testing.assert_allclose(ridge_cp.array_of(alike), ridge_cp.array_of(factors), rtol=1e-12)
    norms = np.stack([np.linalg.norm(X, axis=0) for X in alike])
    np.testing.assert_allclose(norms, np.broadcast_to(norms[0], norms.shape), rtol=1e-12)


def test_scaled_factors_are_those_of_the_least_objective():
    array = ridge_cp.dense_array(0)
    best = ridge_cp.scaled_to(array, ridge_cp.start_of(0), 2.0)
    at_best = ridge_cp.squares(array, best, 2.0)
    assert all(at_best < ridge_cp.squares(array, [X * x for X in best], 2.0) for x in (0.99, 1.01))


def test_what_tensorly_leaves_standing_of_dead_components_counts_as_nothing():
    factors = ridge_cp.start_of(0)
    factors[1][:, 2] = 0
    assert ridge_cp.alive_of(factors) == 5
    assert all(not X[:, 2].any() for X in ridge_cp.left_of(factors))


@pytest.mark.slow
def test_a_small_experiment_runs_and_is_a_part_of_the_page_with_pictures(tmp_path):
    record = ridge_cp.measured(
        Effort(seeds=1, strengths=(0.0, 0.1, 10.0), swamps=(0.1,), early=3, sweeps=20, passes=20)
    )
    page = section(record, "")
    assert "\n".join(component_lines(record)) in page
    assert record["path"]["alive"] == [6, 4, 1]
    assert set(record["swamps"]["0.1"]["ways"]) == {*BALANCED, UNBALANCED, DNMF}
    pictures = draw(record, tmp_path)
    assert all(path.stat().st_size < 100_000 for path in pictures)
    assert len(pictures) == 2


def test_the_figures_of_the_page_on_tensors_are_those_of_the_committed_records(committed):
    page = (ROOT / "docs" / "tensors.md").read_text(encoding="utf-8")
    assert "\n".join(component_lines(committed)) in page
    assert "\n".join(swamp_lines(committed)) in page


def test_components_over_the_committed_path_are_those_of_the_reference_or_gone_earlier(committed, published):
    strengths, alive = committed["effort"]["strengths"], committed["path"]["alive"]
    for strength, left in zip(strengths, alive, strict=True):
        expected, _ = published[EVERY, strength]
        assert left == expected if strength >= 0.1 else 4 <= left <= expected, strength


def test_the_committed_objectives_of_hals_are_near_those_of_the_published_run(committed, published):
    """Other arrays and starts of the same kind."""
    for way in BALANCED:
        for strength, one in zip(committed["effort"]["strengths"], committed["components"][way], strict=True):
            if strength:
                assert one["loss_early"] == pytest.approx(published[way, strength][1], rel=0.2), (way, strength)


def test_in_the_committed_figures_the_swamp_is_there_without_balance_and_gone_with_it(committed):
    for told in committed["swamps"].values():
        ways = told["ways"]
        assert ways[DNMF]["settled"] <= 40
        assert ways[UNBALANCED]["settled"] > 3 * ways[DNMF]["settled"]
        assert ways[NEVER]["settled"] > 500
        assert ways[DNMF]["above"][-1] < 1e-6
        assert ways[NEVER]["above"][-1] > 5e-4
