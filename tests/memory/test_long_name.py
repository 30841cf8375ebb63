"""One long name among many rows stays within the plan."""

import subprocess
import sys

import pytest

import dnmf

LONG_NAME = """
import sys
import numpy as np, scipy.sparse
import dnmf
from dnmf.fitting.events import Planned

rng, rows, each = np.random.default_rng(0), 60_000, 8
columns = np.sort(rng.integers(0, 250, (rows, each), dtype="i4") + 250 * np.arange(each, dtype="i4"), axis=1)
parts = rng.random(rows * each, dtype="f4"), columns.ravel(), np.arange(0, rows * each + 1, each)
A = scipy.sparse.csr_array(parts, shape=(rows, 2000))
names = ["x" * 2000, *(f"row {at}" for at in range(1, 60_000))]
planned = []
note = lambda event: planned.append(event) if isinstance(event, Planned) else None
dnmf.fit(A, 8, row_names=names, store=sys.argv[1], max_passes=3, memory_limit="4GB", callbacks=[note])
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(peak, planned[0].projected_bytes)
"""


@pytest.mark.slow
def test_one_long_name_stays_within_the_plan(tmp_path):
    ran = subprocess.run([sys.executable, "-c", LONG_NAME, tmp_path / "run.dnmf"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    peak, projected = map(int, ran.stdout.split())
    assert peak <= projected
    assert dnmf.load(tmp_path / "run.dnmf").row_names[0] == "x" * 2000
