"""Processes that write one store: without room on the disk, two at a time, and killed again and again."""

import socket
import subprocess
import sys

import numpy as np
import pytest
from commits_on_disk import assert_is
from store_contract import record_of, state_of

from dnmf.checkpoint import Store, read_latest
from dnmf.errors import CheckpointError

# ---- F13: the disk is full ----

FULL_DISK = """
import resource, sys
import numpy as np
from dnmf.checkpoint import Store, read_latest
from dnmf.errors import CheckpointError
with Store(sys.argv[1]) as store:
    store.commit(1, {}, {"H": np.ones(10)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        store.commit(2, {}, {"d": np.ones(2), "H": np.ones(10_000)})
    except CheckpointError as error:
        print(error)
    assert read_latest(sys.argv[1]).number == 1
    store.commit(2, {}, {"H": np.full(10, 2.0)})
"""


@pytest.mark.slow
def test_without_room_for_a_file_the_old_generation_stays_and_a_smaller_one_fits(tmp_path):
    root = tmp_path / "run.dnmf"
    done = python(FULL_DISK, str(root))
    said, complaint = done.communicate(timeout=280)
    assert done.returncode == 0, complaint
    assert str(root) in said
    assert "file size limit" in said
    np.testing.assert_array_equal(read_latest(root).arrays["H"], np.full(10, 2.0))
    assert sorted(path.name[:10] for path in root.glob("gen-*")) == ["gen-000001", "gen-000002"]


# ---- F14: two writers ----

HOLDER = """
import sys
import numpy as np
from dnmf.checkpoint import Store
store = Store(sys.argv[1])
for number in range(1, 9):
    store.commit(number, {}, {"d": np.full(3, number)})
    print(number, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_a_second_run_is_refused_the_first_goes_on_and_its_death_frees_the_store(tmp_path):
    root = tmp_path / "run.dnmf"
    first = python(HOLDER, str(root))
    assert first.stdout.readline() == "1\n"
    with pytest.raises(CheckpointError) as refused:
        Store(root)
    assert f"process {first.pid} on host {socket.gethostname()}" in str(refused.value)
    assert read_latest(root).number == 1
    first.stdin.write("\n")
    first.stdin.flush()
    assert first.stdout.readline() == "2\n"
    first.kill()
    first.communicate(timeout=280)
    with Store(root) as second:
        assert read_latest(root).number == 2
        second.commit(3, record_of(3), state_of(3))
    assert_is(read_latest(root), 3)


# ---- kill -9 at random times ----

KILLED_AGAIN_AND_AGAIN = """
import os, random, signal, sys, time, warnings
import numpy as np
from dnmf.checkpoint import CheckpointWarning, Store, exists, read_latest

warnings.simplefilter("error", CheckpointWarning)
root, trials = sys.argv[1], int(sys.argv[2])

def commit_until_killed(acknowledge):
    with Store(root) as store:
        number = read_latest(root).number if exists(root) else 0
        while True:
            number += 1
            store.commit(number, {"pass": number}, {"H": np.full((20, 500), number), "d": np.full(9, number)})
            os.write(acknowledge, b"%d " % number)

acknowledged = 0
for trial in range(trials):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        commit_until_killed(writing)
    os.close(writing)
    time.sleep(random.uniform(0.005, 0.08))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "it ended by itself"
    with open(reading) as said:
        acknowledged = int((said.read().split() or [acknowledged])[-1])
    if not exists(root):
        assert not acknowledged
        continue
    generation = read_latest(root)
    assert generation.number in (acknowledged, acknowledged + 1), (generation.number, acknowledged)
    assert generation.record == {"pass": generation.number}
    assert all((array == generation.number).all() for array in generation.arrays.values())
    acknowledged = generation.number
print(acknowledged)
"""


@pytest.mark.slow
def test_killed_at_random_times_very_often_a_run_is_never_older_than_what_was_acknowledged(tmp_path):
    done = python(KILLED_AGAIN_AND_AGAIN, str(tmp_path / "run.dnmf"), "300")
    said, complaint = done.communicate(timeout=280)
    assert done.returncode == 0, complaint
    assert int(said) > 1


def python(script: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
