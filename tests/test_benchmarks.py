"""The benchmarks still run, and what they write can be read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.sparse

ROOT = Path(__file__).resolve().parents[1]


def test_the_quick_suite_runs_and_writes_its_tables(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--seeds", "1", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=200)

    found = json.loads((tmp_path / "results.json").read_text())
    page = (tmp_path / "RESULTS.md").read_text()
    by_problem = {}
    for one in found["measurements"]:
        by_problem.setdefault(one["problem"], {})[one["peer"]] = one
    assert set(by_problem) == {"digits", "planted dense", "planted sparse"}
    for problem, peers in by_problem.items():
        assert f"## {problem}" in page
        ours, theirs = peers["dnmf, 4 passes"], peers["scikit-learn cd, 10 iterations"]
        assert ours["error"] <= theirs["error"] * 1.001
        assert ours["reads"] < theirs["reads"]


def test_the_error_of_sparse_data_equals_that_of_the_same_data_dense(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.suite import relative_error

    rng = np.random.default_rng(0)
    A = rng.random((30, 20)) * (rng.random((30, 20)) < 0.3)
    W, H = rng.random((30, 4)), rng.random((4, 20))

    assert np.isclose(relative_error(scipy.sparse.csr_array(A), W, H), relative_error(A, W, H), rtol=1e-12)


def test_the_committed_results_belong_to_the_problems_and_peers_there_are(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.peers import peers
    from benchmarks.report import markdown
    from benchmarks.suite import Measurement

    folder = ROOT / "benchmarks"
    found = json.loads((folder / "results.json").read_text())
    measurements = [Measurement(**{**one, "shape": tuple(one["shape"])}) for one in found["measurements"]]

    assert {one.peer for one in measurements} == {peer.name for peer in peers()}
    assert (folder / "RESULTS.md").read_text() == markdown(measurements, found["environment"])
