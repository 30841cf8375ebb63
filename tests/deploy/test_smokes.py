"""A fit in each place that can be tried here has the bits of one in process.

``deploy/test.sh`` tries them all, longer: `local`, whose run.sh that of `tls` calls, is tried only there.
"""

import os
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PLACES = ("tls", "several-hosts", "slurm", "slurm-jobqueue", "docker", "kubernetes")
CANNOT_BE_TRIED = 77


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other tests
@pytest.mark.parametrize("place", PLACES)
def test_a_fit_in_a_place_has_the_bits_of_one_in_process(place, tmp_path):
    environment = os.environ | {"SMOKE_FOLDER": str(tmp_path), "IDLE_S": "60"}
    command = ["timeout", "840", DEPLOY / place / "smoke.sh"]  # which is told, and stops what it started
    result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    *_, last = [line for line in result.stdout.splitlines() if line.strip()] or [""]
    if result.returncode == CANNOT_BE_TRIED:
        pytest.skip(last)
    assert (result.returncode, last) == (0, "same bits: True"), result.stdout + result.stderr
