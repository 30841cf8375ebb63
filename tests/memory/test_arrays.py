"""CP of arrays stays within the plan where every column has sums of its own: with holes, and of counts."""

import json
import subprocess
import sys

import numpy as np
import pytest
import zarr

SHAPE, RANK = (400, 250, 240), 8  # 60,000 columns: their Gram matrices are 18 MiB a set

IN_A_PROCESS = """
import json, os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import dnmf

path, rank, asked, tight = sys.argv[1:]


def fitted(limit, *callbacks):
    dnmf.cp(path, int(rank), max_passes=3, tol=0.0, memory_limit=limit, keep="stream", callbacks=callbacks,
            **json.loads(asked))


class Planned(Exception):
    pass


def plan_of(limit):
    def stop(plan):
        raise Planned(plan)

    try:
        fitted(limit, stop)
    except Planned as stopped:
        return stopped.args[0]


def keeps_diagonals(plan):
    return "diagonal" in str(plan.gave_up)


limit = 1 << 30
if tight == "True":  # as it is depends on what a process takes
    limit = next(limit for limit in range(1 << 30, 1 << 28, -(1 << 24)) if keeps_diagonals(plan_of(limit)))
said = []
fitted(limit, said.append)
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak, said[0].projected_bytes, keeps_diagonals(said[0]))
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Counts of which three of ten are missing, slab after slab."""
    rng = np.random.default_rng(0)
    W, X, Y = (rng.gamma(0.5, size=(length, 6)).astype("f4") for length in SHAPE)
    path = tmp_path_factory.mktemp("counts") / "counts.zarr"
    stored = zarr.create_array(path, shape=SHAPE, chunks=(20, *SHAPE[1:]), dtype="f4")
    for start in range(0, SHAPE[0], 20):
        slabs = rng.poisson(4 * np.einsum("iq,jq,kq->ijk", W[start : start + 20], X, Y)).astype("f4")
        slabs[rng.random(slabs.shape) < 0.3] = np.nan
        stored[start : start + 20] = slabs
    return path


@pytest.mark.slow
@pytest.mark.parametrize("tight", [False, True])
@pytest.mark.parametrize(
    "asked", [{}, {"loss": "kullback-leibler"}, {"loss": "kullback-leibler", "solver": "mu"}], ids=str
)
def test_cp_of_counts_with_holes_stays_under_the_projected_peak(asked, tight, counts):
    given = json.dumps({"missing": "nan", **asked})
    command = [sys.executable, "-c", IN_A_PROCESS, str(counts), str(RANK), given, str(tight)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    peak, projected, kept_diagonals = ran.stdout.split()
    assert int(peak) <= int(projected)
    assert kept_diagonals == str(tight)
