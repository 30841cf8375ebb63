"""Every place has the same four files, and what they say of themselves holds."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PLACES = sorted(folder.name for folder in DEPLOY.iterdir() if folder.is_dir() and folder.name != "common")
SCRIPTS = sorted(DEPLOY.rglob("*.sh")) + sorted(DEPLOY.rglob("*.sbatch"))
CALLED = [script for script in SCRIPTS if os.access(script, os.X_OK)]  # the others are sourced


def called(*command, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*map(str, command)],
        env=os.environ | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_place_has_a_page_a_configuration_and_two_scripts(place):
    names = {path.name for path in (DEPLOY / place).iterdir() if not path.name.startswith("__")}
    assert {"README.md", "run.sh", "smoke.sh"} < names
    assert all(os.access(DEPLOY / place / name, os.X_OK) for name in ("run.sh", "smoke.sh"))


@pytest.mark.parametrize("place", PLACES)
def test_every_smoke_test_ends_with_the_same_comparison(place):
    *_, last = (DEPLOY / place / "smoke.sh").read_text(encoding="utf-8").splitlines()
    assert last.startswith("same_bits")


@pytest.mark.parametrize("place", PLACES)
def test_the_page_says_of_every_place_what_was_tried(place):
    rows = (DEPLOY / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = [row for row in rows if row.startswith(f"| [{place}]({place}/README.md) |")]
    assert re.search(r"\| (run|schema-checked|not tried)\b", row)


@pytest.mark.parametrize("place", PLACES)
def test_a_fit_without_arguments_says_what_it_takes_and_makes_nothing(place, tmp_path):
    result = called(DEPLOY / place / "run.sh", CERTIFICATES=tmp_path / "made", SETTINGS=tmp_path / "made")
    assert result.returncode == 2
    assert "DATA STORE FIT_OPTIONS" in result.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("script", [pytest.param(path, id=path.relative_to(DEPLOY).as_posix()) for path in CALLED])
def test_a_script_that_is_asked_for_help_says_what_its_head_says(script):
    result = called(script, "--help")
    assert (result.returncode, result.stdout) == (2, "")
    head = script.read_text(encoding="utf-8").splitlines()[1:]
    head = head[: next(number for number, line in enumerate(head) if not line.startswith("#"))]
    assert result.stderr.splitlines() == [line.removeprefix("#").removeprefix(" ") for line in head]


def test_scripts_name_the_file_of_settings_and_not_its_folder_which_packages_of_dask_write_into():
    named = [
        Path(default.replace("$here", str(script.parent)))
        for script in SCRIPTS
        for default in re.findall(r"DASK_CONFIG:-([^}]+)}", script.read_text(encoding="utf-8"))
    ]
    assert len(named) >= 3
    assert {path.resolve() for path in named} == {DEPLOY / "dask.yaml"}


TOLD = [*DEPLOY.rglob("*.md"), *DEPLOY.rglob("*.service"), *DEPLOY.rglob("run.sh"), DEPLOY / "slurm" / "job.sbatch"]
STARTS = [
    pytest.param(line, id=f"{path.parent.name}-{path.name}-{number}")
    for path in [*TOLD, DEPLOY.parent / "docs" / "watching.md", DEPLOY / "common" / "worker-loop.sh"]
    for number, line in enumerate(path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines())
    if re.search(r"dask (scheduler|worker) .*(--|\$)", line)
]


@pytest.mark.parametrize("line", STARTS)
def test_pages_which_know_no_certificates_are_for_their_own_host(line):
    assert re.search(r'--dashboard-address ("\$DASHBOARD"|127\.0\.0\.1:)', line)


@pytest.mark.slow
def test_scripts_are_as_shellcheck_wants_them():
    if shutil.which("shellcheck") is None:
        pytest.skip("there is no shellcheck here")
    result = called("shellcheck", "--shell=bash", *SCRIPTS)
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    folder = tmp_path_factory.mktemp("place") / "certificates"
    result = called(DEPLOY / "tls" / "certs.sh", folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_certificates_are_named_by_absolute_paths_that_are_there(certificates):
    told = yaml.safe_load((certificates / "dask-tls.yaml").read_text(encoding="utf-8"))["distributed"]["comm"]
    paths = [told["tls"]["ca-file"], *(told["tls"][role][what] for role in ("scheduler", "worker", "client")
                                       for what in ("cert", "key"))]  # fmt: skip
    assert told["require-encryption"] is True
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in paths)


def test_keys_are_for_their_owner_alone_and_that_of_the_authority_is_gone(certificates):
    assert stat.S_IMODE((certificates / "key.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in certificates.iterdir()) == [
        "ca.pem", "cert.pem", "dask-tls.yaml", "dask.yaml", "key.pem"
    ]  # fmt: skip


def test_certificates_that_are_good_are_left_as_they_are(certificates):
    before = (certificates / "cert.pem").read_bytes()
    assert called(DEPLOY / "tls" / "certs.sh", certificates).returncode == 0
    assert (certificates / "cert.pem").read_bytes() == before


def test_certificates_may_be_named_where_they_will_be_mounted(certificates):
    elsewhere = certificates.parent / "mounted"
    assert called(DEPLOY / "tls" / "certs.sh", elsewhere, "--at", "/etc/dnmf").returncode == 0
    told = yaml.safe_load((elsewhere / "dask-tls.yaml").read_text(encoding="utf-8"))
    assert told["distributed"]["comm"]["tls"]["ca-file"] == "/etc/dnmf/ca.pem"


def test_certificates_for_another_place_than_a_folder_was_made_for_are_refused(certificates):
    before = (certificates / "dask-tls.yaml").read_bytes()
    result = called(DEPLOY / "tls" / "certs.sh", certificates, "--at", "/etc/dnmf")
    assert result.returncode == 1
    assert f"{certificates} was made for another path than /etc/dnmf" in result.stderr
    assert called(DEPLOY / "tls" / "certs.sh", certificates, "--at", f"{certificates}/").returncode == 0
    assert (certificates / "dask-tls.yaml").read_bytes() == before


def test_an_option_of_certificates_without_a_value_is_told_how_it_is_written(tmp_path):
    result = called(DEPLOY / "tls" / "certs.sh", tmp_path / "made", "--at")
    assert (result.returncode, "[--at PATH]" in result.stderr) == (2, True)
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_nothing_is_started_without_tls_where_others_reach_it(tmp_path):
    result = called(DEPLOY / "local" / "run.sh", "data.zarr", tmp_path / "run.dnmf", HOST="192.0.2.1")
    assert result.returncode == 2
    assert "or say --insecure" in result.stderr
