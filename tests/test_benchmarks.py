"""The benchmarks still run, what they write can be read, and their arithmetic is right."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # benchmarks/ is not installed with the package

from benchmarks import best_known, report, solver_picture, starts, suite, wide  # noqa: E402
from benchmarks.clusters import CENTRES, ONE_A_ROW, SINGULAR, clusters  # noqa: E402
from benchmarks.clusters import table as clusters_table  # noqa: E402
from benchmarks.counts import Effort, counts  # noqa: E402
from benchmarks.counts_page import table  # noqa: E402
from benchmarks.measure import Bench, Job, load_matrix, save_matrix  # noqa: E402
from benchmarks.missing import BIASES, Entries, held_out_ratings  # noqa: E402
from benchmarks.missing_page import rating_lines, tables  # noqa: E402
from benchmarks.objective import divergence, relative_error  # noqa: E402
from benchmarks.peers import Found, Peer, peers  # noqa: E402
from benchmarks.planted_ranks import KINDS, WITHOUT, Planted  # noqa: E402
from benchmarks.problems import Problem, planted_sparse, poisson_sparse, problems  # noqa: E402
from benchmarks.process import processors, timed  # noqa: E402
from benchmarks.ranks import OURS, chosen, lowest_error, stable, within_the_drop  # noqa: E402
from benchmarks.ranks_page import in_short as ranks_in_short  # noqa: E402
from benchmarks.ranks_page import reads_lines, without_lines  # noqa: E402
from benchmarks.reached import reached  # noqa: E402
from benchmarks.search import first_reaching  # noqa: E402
from benchmarks.solvers import COUNTS, in_short, solvers  # noqa: E402
from benchmarks.solvers import table as solvers_table  # noqa: E402
from dnmf.schemes.updates import UPDATES  # noqa: E402


@pytest.mark.slow
def test_the_quick_suite_runs_and_writes_a_page_and_records(tmp_path):
    command = ["-m", "benchmarks", "--quick", "--only", "small sparse", "--out", str(tmp_path)]
    command += ["--peer", "dnmf", "--peer", "scikit-learn cd"]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True, timeout=200)

    page, found = (tmp_path / "RESULTS.md").read_text(), report.read(tmp_path)
    record = found["problems"]["small sparse"]
    assert page == report.markdown(found)
    assert "## small sparse" in page
    assert "| dnmf |" in page
    for peer in ("dnmf", "scikit-learn cd"):
        section = record["peers"][peer]
        assert min(run["error"] for run in section["runs"]) < record["best"]["error"] * 1.01
    assert record["peers"]["dnmf"]["runs"][0]["bytes_read"] > 0


def test_the_committed_page_is_that_of_the_committed_records():
    results = report.read(ROOT / "benchmarks")

    assert (ROOT / "benchmarks" / "RESULTS.md").read_text() == report.markdown(results)


def test_the_figures_of_the_page_on_losses_are_those_of_the_committed_records():
    page = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")

    assert "\n".join(table(report.read(ROOT / "benchmarks")["counts"])) in page


def test_the_figures_of_the_page_on_algorithms_are_those_of_the_committed_records():
    page = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")

    found = report.read(ROOT / "benchmarks")

    assert "\n".join(in_short(found["solvers"])) in page
    assert "\n".join(solvers_table(found["solvers"], COUNTS)) in page
    assert "\n".join(clusters_table(found["clusters"])) in page


def test_the_figures_of_the_page_on_ranks_are_those_of_the_committed_records():
    page = (ROOT / "docs" / "ranks.md").read_text(encoding="utf-8")

    found = report.read(ROOT / "benchmarks")

    assert "\n".join(ranks_in_short(found["ranks"])) in page
    assert "\n".join(without_lines(found["ranks"])) in page
    assert "\n".join(reads_lines(found["reads of ranks"])) in page


@pytest.mark.parametrize("kind", [*KINDS, *WITHOUT])
def test_a_planted_matrix_is_the_same_again_and_not_negative(kind):
    one = Planted("planted", kind, 7, 3 if kind in KINDS else None, (60, 40))
    A = one.draw()

    assert (A >= 0).all()
    np.testing.assert_array_equal(A, one.draw())


def test_of_a_matrix_with_missing_entries_a_fifth_is_hidden():
    A = Planted("missing", "dense, small noise", 7, 3, (300, 200)).draw()
    assert np.isnan(A).mean() == pytest.approx(0.2, abs=0.01)


def test_rules_choose_from_the_table_of_ranks():
    table = {"rank": [1, 2, 3, 4], "held_out": [0.9, 0.5, 0.3, 0.295], "stability": [1.0, 0.95, 0.92, 0.5]}

    assert (lowest_error(table), within_the_drop(table), stable(table)) == (4, 3, 3)
    assert stable({**table, "stability": [1.0, 0.5, 0.5, 0.5]}) is None


@pytest.mark.slow
def test_the_rank_that_is_chosen_of_a_planted_matrix_is_noted():
    one = chosen(Planted("planted", "dense, small noise", 7, 3, (120, 60)))

    assert one["chosen"][OURS] == 3
    assert one["found"][0] == 3


@pytest.mark.slow
def test_every_solver_but_one_is_a_line_in_the_picture_of_both_kinds_of_rows():
    small = Problem("small", "counts", 3, lambda: poisson_sparse(60, 40, 3))
    exact, swept = solver_picture.picture([small], passes=3).axes
    for axes in (exact, swept):
        assert {line.get_label() for line in axes.lines} == set(UPDATES) - {"bpp"}


@pytest.mark.slow
def test_the_more_a_row_of_W_may_be_the_smaller_the_error():
    rng = np.random.default_rng(0)
    apart = 10 * rng.permuted(np.eye(12, 30), axis=1)[rng.integers(0, 3, 90)] + rng.random((90, 30))
    (found,) = clusters([Problem("three kinds of rows", "", 3, lambda: apart)], seeds=1)["problems"].values()
    errors = [found["lines"][name]["error"] for name in (SINGULAR, "NMF", ONE_A_ROW, CENTRES)]

    assert errors == sorted(errors)
    assert found["lines"][ONE_A_ROW]["components"] == 1
    assert found["lines"][ONE_A_ROW]["agreement"] == 1


@pytest.mark.slow
def test_solvers_are_measured_in_every_way_that_they_have():
    small = Problem("small", "counts", 3, lambda: poisson_sparse(60, 40, 3))
    (found,) = solvers([small], seeds=1, passes=2)["problems"].values()
    said = [(line["solver"], line["sweeps"], line["exact_rows"]) for line in found["lines"]]
    assert len(said) == len(set(said))
    assert {name for name, *_ in said} == set(UPDATES)
    assert ("hals", 5, False) in said


@pytest.mark.slow
def test_what_starts_cost_and_find_is_a_part_of_the_page():
    small = Problem("small", "counts", 3, lambda: poisson_sparse(60, 40, 3))
    record = {
        "in memory": {"small": starts.in_memory(small, seeds=1)},
        "heavy rows": {"2.0": [2.0, 3.0, None]},
        "twins": {"small": {"CSR": 0.5, "CSC": 0.25}},
    }
    page = starts.section(record, "")
    assert "| 2.0 | 3.0 (never) |" in page
    assert "error 0.50000; stored by columns: 0.25000" in page
    assert record["in memory"]["small"]["auto"]["cpu_s"] > 0


def test_the_committed_records_were_measured_against_the_best_errors_known():
    best = best_known.known()
    results = report.read(ROOT / "benchmarks")

    for name, record in results["problems"].items():
        assert record["best"]["error"] == pytest.approx(best[name]["error"], rel=1e-4), name


@pytest.mark.parametrize("peer", [pytest.param(peer, id=peer.name) for peer in peers()])
def test_every_peer_returns_factors_of_the_matrix(peer):
    if peer.missing():
        pytest.skip(f"{peer.name}: {peer.missing()}")
    rng = np.random.default_rng(0)
    A = (rng.random((60, 3)) @ rng.random((3, 20)) * (rng.random((60, 20)) < 0.7)).astype(np.float32)

    for matrix in (A, scipy.sparse.csr_array(A)):
        few, many = (peer.run(matrix, 3, 0, n) for n in (2, 40))
        assert many.W.shape == (60, 3)
        assert many.W.min() >= 0 <= many.H.min()
        assert few.iterations <= 2
        errors = [relative_error(A, found.W, found.H) for found in (few, many)]
        assert errors[1] < min(0.5, errors[0] * 1.001)


@pytest.mark.slow
def test_a_fit_of_wide_counts_is_measured_beside_scikit_learns():
    size = wide.Size(rows=1500, columns=4000, rank=3)
    A = wide.wide_counts(size.rows, size.columns)
    theirs = wide.scikit_learns(A, size)
    ours = wide.dnmfs(A, size, error=1.02 * theirs["error"])
    halves = wide.half_steps(size) if processors() > 1 else {}
    record = {"size": asdict(size), "iterations": 12, "scikit-learn": theirs, "dnmf": ours, "half steps": halves}

    assert A.sum() == 50 * 1500
    assert ours["error"] <= 1.02 * theirs["error"]
    assert 0 < ours["visits_cpu_s"] < 1
    assert ours["pass_cpu_s"] > 0
    assert f"| dnmf, {ours['passes']} passes | {ours['error']:.5f} |" in wide.section(record, "")


def test_the_error_is_that_of_the_residual_however_the_data_is_stored():
    rng = np.random.default_rng(0)
    A = rng.random((30, 20)) * (rng.random((30, 20)) < 0.3)
    W, H = rng.random((30, 4)), rng.random((4, 20))
    expected = np.linalg.norm(A - W @ H) / np.linalg.norm(A)

    assert np.isclose(relative_error(A, W, H), expected, rtol=1e-12)
    assert np.isclose(relative_error(scipy.sparse.csr_array(A), W, H), expected, rtol=1e-12)


@given(
    falls=st.lists(st.floats(1.0, 3.0), min_size=1, max_size=40), share=st.floats(1e-6, 1.0), guess=st.integers(0, 40)
)
def test_the_search_finds_the_first_entry_that_a_scan_finds(falls, share, guess):
    excess = 1.0 / np.cumprod(falls)
    scan = next((entry for entry, value in enumerate(excess) if value <= share), None)

    assert first_reaching(excess.__getitem__, range(1, len(excess) + 1), share, guess) == scan


def test_the_search_needs_few_runs_where_the_error_falls_as_a_power():
    tried = []

    def excess(entry):
        tried.append(entry)
        return (entry + 1.0) ** -1.5

    assert first_reaching(excess, range(1, 1001), 1e-3) == 99
    assert len(tried) <= 12


@pytest.mark.slow
def test_a_bench_makes_the_shortest_run_that_is_good_enough_and_the_longest_that_is_not():
    W, H = np.ones((50, 1)), np.ones((1, 8))

    def halve(matrix, rank, seed, iterations):
        return Found(W * (1 - 0.5**iterations), H, iterations, float(iterations))

    job = Job("", "", rank=1, best=0.01, within=[0.2], seeds=2, longest_s=1.0, enough_s=1.0)
    section = Bench(Peer("halve", halve, halve, tuple(range(1, 20))), W @ H, job).measure()

    found = reached(section["runs"], 0.012)
    assert [run["asked"] for run in found.shortest] == [7, 7]  # 2⁻⁶ = 0.0156, 2⁻⁷ = 0.0078
    assert {(run["seed"], run["asked"]) for run in section["runs"]} >= {(0, 6), (1, 6)}


def test_a_seed_that_never_came_to_a_quality_counts_as_infinitely_slow():
    runs = [
        {"seed": 0, "asked": 5, "error": 0.5, "cpu_s": 1.0},
        {"seed": 0, "asked": 9, "error": 0.1, "cpu_s": 2.0},
        {"seed": 0, "asked": 12, "error": 0.1, "cpu_s": 3.0},
        {"seed": 1, "asked": 9, "error": 0.1, "cpu_s": 4.0},
        {"seed": 2, "asked": 9, "error": 0.3, "cpu_s": 2.5},
    ]
    found = reached(runs, 0.2)

    assert found.by_most
    assert found.spread("cpu_s") == (4.0, float("inf"))
    assert [run["asked"] for run in found.longest] == [9]
    assert not reached(runs, 0.01).by_most


def test_records_are_merged_only_where_they_speak_of_the_same():
    def record(error, **sections):
        return {"shape": [3, 2], "nonzeros": None, "rank": 1, "within": [0.1], "longest_s": 1, "best": {"error": error},
                "peers": sections}  # fmt: skip

    old, new = record(0.5, a="old", b="old"), record(0.5, b="new")
    assert suite.merged(old, new)["peers"] == {"a": "old", "b": "new"}
    assert suite.merged(record(0.4, a="old"), new)["peers"] == {"b": "new"}
    assert suite.merged(None, new) == new


def test_the_best_error_known_of_a_matrix_never_rises():
    def record(error, rank=2, fits=1):
        return {"error": error, "found": f"at {error}", "tried": fits, "matrix": {"rank": rank}}

    assert best_known.lower(record(0.2), record(0.1, fits=9)) == record(0.1, fits=9)
    assert best_known.lower(record(0.1), record(0.2, fits=9)) == {**record(0.1), "tried": 9}
    assert best_known.lower(record(0.1, rank=3), record(0.2)) == record(0.2)


@pytest.mark.parametrize("draw", [poisson_sparse, planted_sparse])
def test_a_planted_matrix_is_that_of_its_seed_and_can_be_stored(draw, tmp_path):
    matrix = draw(500, 100, 5)
    save_matrix(matrix, tmp_path)
    back = load_matrix(tmp_path)

    assert matrix.dtype == back.dtype == np.float32
    assert 0 < matrix.nnz < 0.2 * 500 * 100
    assert (back != matrix).nnz == (draw(500, 100, 5) != matrix).nnz == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell a process's peak")
def test_memory_is_the_peak_during_the_work():
    np.ones(2 * 10**7)  # 160 MB that are gone again before

    _, taken = timed(lambda: np.ones(10**7).sum())

    assert 75e6 < taken.added_bytes < 110e6


def test_what_is_not_run_says_why():
    torch = next(peer for peer in peers() if peer.name == "nmf-torch halsvar")
    huge = scipy.sparse.csr_array((10**6, 10**5), dtype=np.float32)

    assert json.dumps(torch.why_not(huge, 3)) in ('"not installed"', '"would make 400.0 GB of this sparse matrix"')


@pytest.mark.slow
def test_counts_are_measured_beside_scikit_learn():
    problem = next(problem for problem in problems(quick=True) if problem.name == "small sparse")
    found = counts([problem], Effort(iterations=3, seeds=(0,), longest=4, differences=1))
    one = found["problems"]["small sparse"]

    assert one["best"] <= one["scikit-learn"]["divergence"]
    assert one["to scikit-learn"][0]["reads"] >= 2
    assert "| small sparse, 5 |" in "\n".join(table(found))


@pytest.mark.slow
def test_missing_ratings_are_predicted_with_strengths_that_others_chose():
    rng = np.random.default_rng(0)
    stars = np.clip(np.rint(1 + 4 * rng.random((60, 1)) * rng.random(30)), 1, 5)
    users, films = np.nonzero(rng.random(stars.shape) < 0.4)
    found = held_out_ratings(Entries(users, films, stars[users, films], stars.shape))

    assert found["ways"]["ridge by counts"]["rmse"] < 1
    assert found["ways"]["ridge by counts, biases"]["chosen"] in BIASES
    assert len(rating_lines(found)) == 7


def test_the_figures_of_the_page_on_missing_entries_are_those_of_the_committed_records():
    page = (ROOT / "docs" / "missing.md").read_text(encoding="utf-8")

    assert "\n".join(tables(report.read(ROOT / "benchmarks")["missing entries"])) in page


def test_the_divergence_is_that_of_all_entries():
    rng = np.random.default_rng(0)
    A = scipy.sparse.random_array((30, 20), density=0.3, random_state=rng, format="csr")
    W, H = rng.random((30, 4)), rng.random((4, 20))
    a, p = A.toarray(), W @ H

    assert np.isclose(divergence(A, W, H), (np.where(a > 0, a * np.log(np.where(a > 0, a, 1) / p), 0) - a + p).sum())
