"""The out-of-core benchmark still runs, and its stores and its page are right."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from dnmf import open_source

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # benchmarks/ is not installed with the package

from benchmarks import large_stores, little_memory, out_of_core  # noqa: E402

MIB = 2**20


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(large_stores, "CHUNK_BYTES", MIB)


@pytest.mark.parametrize("kind", large_stores.STORES)
def test_a_store_has_the_size_asked_for_and_can_be_read(tmp_path, small, kind):
    large_stores.STORES[kind](tmp_path / "a.zarr", 8 * MIB)
    source = open_source(tmp_path / "a.zarr")
    assert source.layout().total_bytes == pytest.approx(8 * MIB, rel=0.02)
    assert source.sparse == kind.startswith("csr")
    rows = source.read(0, 50)
    values = rows.data if source.sparse else rows
    assert values.dtype == np.float32
    assert values.min() >= 0 < values.max()
    if source.sparse:
        assert all((np.diff(part) > 0).all() for part in np.split(rows.indices, rows.indptr[1:-1]))
    first = zarr.open_group(tmp_path / "a.zarr")["X/data" if source.sparse else "X"]
    assert first.nbytes / first.nbytes_stored() > 1.5


def outcome(wall_s):
    passes = [out_of_core.Passage(wall_s, 10**9, 0.1, 0.2)]
    return out_of_core.Outcome(
        "dense", (10, 5), 2, 10**9, 10**8, 2**29, 3 * 10**8, 2 * 10**8, 0, 0, 4, 8, [(2.0, 1.0), (1.0, 0.9)], passes,
        4.0, 0.5,
    )  # fmt: skip


def test_the_share_is_of_the_faster_reading():
    assert outcome(2.0).share(outcome(2.0).passes[0]) == 0.5


def test_the_page_says_what_was_found():
    facts = {"date": "2026-01-01", "python": "3", "versions": {"zarr": "3"}, "processors": 2, "architecture": "x"}
    page = out_of_core.markdown([outcome(1.25)], facts)
    assert "| pass 1: share of reading alone | **80%** (800 MB/s;" in page
    assert "| reading alone, before and after | 500 MB/s, 1,000 MB/s |" in page


@pytest.mark.slow
def test_it_runs(tmp_path):
    command = [
        "-m",
        "benchmarks.out_of_core",
        "--limit",
        "640MiB",
        "--times",
        "1",
        "--passes",
        "2",
        "--out",
        str(tmp_path),
    ]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True, timeout=280)
    record = json.loads((tmp_path / "out_of_core.json").read_text())
    assert [one["kind"] for one in record["outcomes"]] == list(large_stores.STORES)
    for one in record["outcomes"]:
        assert one["peak_bytes"] <= one["projected_bytes"] <= one["limit_bytes"]
        assert one["spilled_bytes"] == one["restarts"] == 0
        assert len(one["passes"]) == 2


def test_a_part_of_the_page_stays_when_another_is_measured_again(tmp_path):
    one = {
        "where": "a worker, 2 thread(s)", "limit_mib": 512, "projected_bytes": 324 * 2**20, "peak_bytes": 298 * 2**20,
        "spilled_bytes": 0, "gave_up": ["one thread works at a time"], "bits": "9df7a481", "seconds": [1.2, 1.1],
        "reads": [1.26, 1.0],
    }  # fmt: skip
    facts = {"date": "2026-11-28", "processors": 2}
    section = little_memory.section(
        {"large_chunks": [one], "raw_chunks": [one], "small_chunks": [one], "environment": facts}
    )
    assert "| 512 MiB | 324 MiB | 298 MiB | 0 MiB | one thread works at a time | 9df7a481 |" in section
    assert "| 1.26, 1.00 |" in section
    page = tmp_path / "OUT_OF_CORE.md"
    out_of_core.replace_part(page, "# Out of core\n\nfirst\n")
    out_of_core.replace_part(page, section, little_memory.HEADING)
    out_of_core.replace_part(page, "| else |\n", "Something else")
    out_of_core.replace_part(page, "# Out of core\n\nsecond\n")
    out_of_core.replace_part(page, "| again |\n", "Something else")
    assert page.read_text() == (
        f"# Out of core\n\nsecond\n\n## In little memory\n\n{section}\n## Something else\n\n| again |\n"
    )
