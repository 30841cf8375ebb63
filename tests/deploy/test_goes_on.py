"""What dnmf says of how a fit goes on is the line of the script that made its cluster, and does the same again."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROGRAMS = {
    "dask": 'while [ "$1" != --scheduler-file ]; do shift; done; echo "{}" >"$2"; exec sleep 100',
    "dnmf": 'printf "%s\\n" "$DNMF_GO_ON" "$*" >>"$NOTES"',
    "sbatch": 'printf "%s\\n" "$DNMF_GO_ON" "$*" >>"$NOTES"',
}
SETTINGS = {"WORKERS": "3", "MEMORY_LIMIT": "2 GiB", "INTERFACE": "eth0", "DASHBOARD": "127.0.0.1:0"}
NAMES = re.search(r"for name in ([A-Z_\s\\]+);", (DEPLOY / "common" / "goes-on.sh").read_text(encoding="utf-8"))[1]


@pytest.fixture
def call(tmp_path):
    """Call a line of a shell; return what programs noted: how it goes on, and their words but for files of its own."""
    for name, what in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{what}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if name not in NAMES.split()}
    notes = tmp_path / "notes"

    def called(line, **settings):
        notes.unlink(missing_ok=True)
        told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NOTES": str(notes), **settings}
        subprocess.run(["bash", "-c", line], cwd=tmp_path, env=outside | told, timeout=120, check=True)
        said, words = notes.read_text(encoding="utf-8").splitlines()
        return said, re.sub(r"/\S*/(tmp\.\w+)", "", words)

    return called


@pytest.mark.parametrize("script", ["local/run.sh", "slurm/run.sh"])
def test_the_line_that_is_said_does_the_same_again(call, script):
    line = shlex.join([str(DEPLOY / script), "--insecure", "my data's.zarr", "run.dnmf", "--rank", "3"])
    said, words = call(line, **SETTINGS)
    assert shlex.split(said) == [*sorted(f"{name}={value}" for name, value in SETTINGS.items()), *shlex.split(line)]
    assert call(said) == (said, words)


def test_a_script_that_calls_another_is_what_goes_on(call):
    said, _ = call(f"DNMF_GO_ON='all.sh 3' {DEPLOY}/local/run.sh --insecure a.zarr run.dnmf --rank 3")
    assert said == "all.sh 3"


def test_every_setting_that_a_place_has_is_in_the_line():
    had = [re.findall(r': "\${(\w+):=', path.read_text(encoding="utf-8")) for path in DEPLOY.rglob("settings.sh")]
    assert {name for names in had for name in names} <= set(NAMES.split())
