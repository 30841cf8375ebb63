"""What several-hosts/run.sh says of hosts that it cannot log in to, with an `ssh` and a `dnmf` that only note it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "deploy" / "several-hosts" / "run.sh"
SCHEDULER, REFUSED, HERE = "127.0.0.1", "refused.invalid", "here.invalid"
DOOR = """
import os, select, socket, sys, time
port, refused, waited = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def is_there(pid):
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True

while waited:  # for the login that fails, as one does before a scheduler is there
    time.sleep(0.01)
    pid = open(refused).read() if os.path.exists(refused) else ""
    waited = not pid.endswith("\\n") or is_there(pid)
door = socket.create_server(("127.0.0.1", port))
while select.select([door, 0], [], [])[0] == [door]:
    door.accept()
"""
LOGIN = f"""case $1 in
{SCHEDULER}) [ "$NO_SCHEDULER" ] || exec {sys.executable} "$DOOR" "$PORT" "$NOTES.refused" "$REFUSED" ;;
{HERE}) exec cat ;;
*) echo $$ >"$NOTES.refused" ;;
esac
echo "Host key verification failed." >&2
exit 255"""
PROGRAMS = {"dnmf": 'echo called >>"$NOTES"; exit "${CODE:-0}"', "login": LOGIN}


@pytest.fixture
def call(tmp_path):
    """Call the script with workers on these hosts; return how it ended and whether there was a fit."""
    for name, what in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{what}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    with socket.create_server((SCHEDULER, 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "door.py").write_text(DOOR, encoding="utf-8")
    told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PORT": str(port), "DASK_CONFIG": "none", "LOGS": str(tmp_path)}
    files = {"NOTES": "notes", "SSH": "login", "HOSTS": "hosts.txt", "DOOR": "door.py"}
    told |= {name: str(tmp_path / file) for name, file in files.items()}

    def called(*workers, **more):
        (tmp_path / "hosts.txt").write_text("\n".join([SCHEDULER, *workers]), encoding="utf-8")
        environment = os.environ | told | more | {"REFUSED": str(workers.count(REFUSED)), "PATIENCE": "1000"}
        result = subprocess.run(
            [RUN, "--insecure", "a.zarr", "run.dnmf", "--rank", "3"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return result.returncode, result.stderr, (tmp_path / "notes").exists()

    return called


def test_without_a_scheduler_the_login_is_told_and_nothing_is_fitted(call):
    code, said, fitted = call(HERE, NO_SCHEDULER="1")
    assert (code, fitted) == (1, False)
    assert f"no scheduler on {SCHEDULER}, port " in said
    assert said.splitlines()[-1] == "Host key verification failed."


def test_without_any_worker_too(call):
    code, said, fitted = call(REFUSED)
    assert (code, fitted) == (1, False)
    assert f"no worker on {REFUSED}; last words, from " in said
    assert said.splitlines()[-1] == "Host key verification failed."


def test_with_one_that_is_left_the_fit_begins(call):
    code, said, fitted = call(REFUSED, HERE)
    assert (code, fitted) == (0, True)
    assert said.count("no worker on ") == 1


def test_where_a_fit_fails_the_logs_are_named(call, tmp_path):
    code, said, _ = call(HERE, CODE="1")
    assert code == 1
    assert said.splitlines()[-1].endswith(f"what hosts said is in scheduler.log and HOST.log in {tmp_path}")
