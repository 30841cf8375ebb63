"""The benchmark of streaming still runs: programs read the same rows, are stopped in time, and are measured alike."""

import json
import subprocess
import sys
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import zarr
from scipy.optimize import nnls

from dnmf import open_source

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # benchmarks/ is not installed with the package

from benchmarks import large_stores, streaming, streaming_page  # noqa: E402

KINDS = {"dense": np.asarray, "csr": scipy.sparse.csr_array}


@pytest.fixture(params=KINDS)
def stored(request, tmp_path, monkeypatch):
    """A matrix of 70 rows, of which there are a few in a chunk and 20 or so are read at a time, and where it lies."""
    monkeypatch.setattr(large_stores, "CHUNK_BYTES", 200)
    monkeypatch.setattr(streaming, "READ_ROWS", 20)
    values = np.random.default_rng(0).poisson(1.0, (70, 9)).astype(np.float32)
    values[11] = 0
    large_stores.store_matrix(tmp_path / "a.zarr", KINDS[request.param](values))
    return values, tmp_path / "a.zarr"


def dense(rows):
    return rows.toarray() if scipy.sparse.issparse(rows) else rows


def never_done(rank, shape):
    return streaming.Learner(lambda rows: None, lambda: np.ones((rank, shape[1])))


def test_a_matrix_is_stored_in_several_chunks_as_it_is(stored):
    values, path = stored
    source = open_source(path)
    rows = source.read(0, 70)
    if source.sparse:
        rows = scipy.sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=values.shape).toarray()
    np.testing.assert_array_equal(rows, values)
    assert zarr.open_group(path)["X/data" if source.sparse else "X"].nchunks > 2


@pytest.mark.broad(5)
@pytest.mark.parametrize("batch_rows", [1, 7, 20, 33, 70, 100])
def test_batches_are_the_rows_in_order_again_and_again(stored, batch_rows):
    values, path = stored
    batches = streaming.Batches(path, batch_rows)
    of_a_read = -(-70 // batch_rows)
    found = [dense(batch) for batch in islice(batches, 2 * of_a_read)]
    np.testing.assert_array_equal(np.concatenate(found), np.tile(values, (2, 1)))
    assert {len(batch) for batch in found[: of_a_read - 1]} <= {batch_rows}
    assert batches.rows_read == 140


def test_a_program_is_stopped_after_the_batch_in_which_it_has_taken_what_was_granted(stored):
    _, path = stored
    seconds = count()  # one for each look at the clock, of which one is the beginning
    marks = streaming.stream(streaming.Program(never_done, 7), path, 3, [2.5, 5.0, 5.5, 11.0], lambda: next(seconds))
    assert [mark.cpu_s for mark in marks] == [3, 5, 6, 11]
    assert [mark.reads for mark in marks] == pytest.approx([0.3, 0.5, 0.6, 1.1])


def test_what_a_program_had_found_is_not_what_it_finds_later(stored):
    H = np.zeros((2, 9))

    def learn(rows):
        H[:] += 1

    program = streaming.Program(lambda rank, shape: streaming.Learner(learn, lambda: H), 10)
    seconds = count()
    first, second = streaming.stream(program, stored[1], 2, [1, 3], lambda: next(seconds))
    assert (second.H - first.H == 2).all()


@pytest.mark.broad(3)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_an_error_is_that_of_the_best_rows_whatever_h_is_scaled_to(stored, scale):
    values, path = stored
    H = np.random.default_rng(1).random((4, 9)).astype(np.float32)
    H[2] = 0
    left = [nnls(H.T.astype(float), row.astype(float))[1] for row in values]
    assert streaming.error_of(scale * H, path) == pytest.approx(np.linalg.norm(left) / np.linalg.norm(values), rel=1e-6)


@pytest.mark.broad(2)
@pytest.mark.parametrize("name", [name for name in streaming.PROGRAMS if not streaming.PROGRAMS[name].missing()])
def test_every_program_that_is_installed_learns_from_both_kinds_of_rows(stored, name):
    _, path = stored
    (mark,) = streaming.stream(streaming.PROGRAMS[name], path, 3, [1e-9])
    assert mark.H.shape == (3, 9)
    assert (mark.H >= 0).all()
    assert mark.reads == 1
    assert streaming.error_of(mark.H, path) < 1


FITTED = {
    "marks": [{"error": 0.125, "reads": 4.0, "cpu_s": 3.0, "reading_s": 0.0}],
    "passes": [{"error": 0.5, "reads": 2.0, "cpu_s": 1.0}, {"error": 0.125, "reads": 4.0, "cpu_s": 2.5}],
}


def streamed(*errors):
    return {
        "marks": [{"error": error, "reads": 2.0, "cpu_s": 3.0, "reading_s": 0.5} for error in errors],
        "passes": [],
    }


def test_the_page_says_what_is_not_installed_and_when_the_fit_had_come_as_far_as_the_others(tmp_path, monkeypatch):
    said = {"dnmf": FITTED, "here": streamed(0.75, 0.25), "better": streamed(0.1, 0.01)}
    monkeypatch.setattr(streaming, "in_its_process", lambda name, *_: said[name])
    programs = {"here": str, "better": str, "elsewhere": lambda: "not installed"}
    programs = {name: streaming.Program(never_done, 5, missing) for name, missing in programs.items()}
    monkeypatch.setattr(streaming, "PROGRAMS", programs)
    stores = {"dense": streaming.measure(streaming.problems(quick=True)[0], tmp_path, lambda said: None)}
    facts = {"date": "2026-01-01", "versions": {"dnmf": "1"}, "processors": 2}
    page = streaming_page.section({"stores": stores, "environment": facts, "settings": streaming.SETTINGS})
    assert "| dnmf | **0.12500** (4.0 reads, 3.0 s) |  |  |" in page
    assert "| **0.25000** (2.0 reads, 3.0 s, of which reading 0.5) | 4.0 reads, 2.5 s |" in page
    assert "| **0.01000** (2.0 reads, 3.0 s, of which reading 0.5) | never |" in page
    assert "| elsewhere | not installed |  |  |" in page


@pytest.mark.slow
def test_it_runs(tmp_path):
    command = [sys.executable, "-m", "benchmarks.streaming", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=280)
    record = json.loads((tmp_path / "streaming.json").read_text())
    for store in record["stores"].values():
        assert list(store["programs"]) == ["dnmf", *streaming.PROGRAMS]
        ran = {name: found["marks"] for name, found in store["programs"].items() if isinstance(found, dict)}
        (fit,) = ran.pop("dnmf")
        for marks in ran.values():
            assert all(
                mark["cpu_s"] >= n * fit["cpu_s"] for n, mark in zip(streaming.SETTINGS["times"], marks, strict=True)
            )
            assert all(0 < mark["error"] < 1 for mark in marks)
    assert (tmp_path / "OUT_OF_CORE.md").read_text().startswith(f"## {streaming_page.HEADING}\n")
