"""Crashes, power failures, damage, full disks and second writers: what a store still promises then."""

import contextlib
import errno
import io
import itertools
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import store_contract as contract
from faulty_files import (
    RefusedFiles,
    Stopped,
    StoppingFiles,
    UnsyncedFiles,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_contract import assert_empty_or_first, record_of, state_of

from dnmf.checkpoint import CheckpointWarning, Files, Generation, Store, exists, read_latest
from dnmf.checkpoint.generations import FORMAT, seal
from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError, CorruptError

# Make the directory, write two arrays and the manifest, sync, name it, sync; write the pointer, sync, flip, sync.
OPERATIONS_UNTIL_PRUNED = 11


def assert_is(generation: Generation, number: int) -> None:
    contract.assert_is(generation, number, {})


def commit(root: Path, *numbers: int, files: Files | None = None) -> Path:
    with Store(root, files or UnsyncedFiles()) as store:
        for number in numbers:
            store.commit(number, record_of(number), state_of(number))
    return root


def operations_of_a_commit(base: Path, number: int) -> int:
    files = StoppingFiles()
    root = shutil.copytree(base, base.with_name("counted"))
    commit(root, number, files=files)
    return files.done


def newest_directory(root: Path) -> Path:
    return max(root.glob("gen-*"))


@pytest.fixture(params=[1, 2, 3], ids="{0} committed".format)
def base(request, tmp_path):
    """A store of so many commits, the last of them request.param."""
    return commit(tmp_path / "base", *range(1, request.param + 1))


@pytest.fixture
def no_warning():
    """A crash is no damage: nothing is said about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        yield


# ---- F9: a crash or a power failure after every operation ----


@pytest.mark.parametrize("torn", [False, True], ids=["before a write", "half-way in a write"])
@pytest.mark.usefixtures("no_warning")
def test_killed_at_any_operation_the_old_or_the_new_generation_is_read_and_the_run_goes_on(base, torn):
    old = read_latest(base).number
    seen = []
    for operations in range(operations_of_a_commit(base, old + 1)):
        root = shutil.copytree(base, base.with_name(f"killed-{operations}"))
        with pytest.raises(Stopped):
            commit(root, old + 1, files=StoppingFiles(operations, torn))
        survivor = read_latest(root)
        assert_is(survivor, max(survivor.number, old))
        seen.append(survivor.number)
        assert_is(read_latest(commit(root, survivor.number + 1)), survivor.number + 1)
        assert len(list(root.glob("gen-*"))) == 2  # what the killed writer left behind is gone
    assert seen == sorted(seen)
    assert set(seen) == {old, old + 1}


@pytest.mark.parametrize("torn", [False, True], ids=["before a write", "half-way in a write"])
@pytest.mark.usefixtures("no_warning")
def test_killed_at_any_operation_of_its_first_commit_the_store_is_empty_or_holds_it(tmp_path, torn):
    files = StoppingFiles()
    commit(tmp_path / "counted.dnmf", 1, files=files)
    for operations in range(files.done):
        root = tmp_path / f"killed-{operations}.dnmf"
        with pytest.raises(Stopped):
            commit(root, 1, files=StoppingFiles(operations, torn))
        assert_empty_or_first(root, {})


@pytest.mark.slow
@pytest.mark.usefixtures("no_warning")
def test_when_the_power_fails_at_any_operation_the_old_or_the_new_generation_is_read(base):
    old = read_latest(base).number
    for operations in range(operations_of_a_commit(base, old + 1)):

        def die(operations=operations):
            root = shutil.copytree(base, unused_name(base))
            return root, stop_in_a_commit(root, old + 1, operations)

        for root in power_failures(die):
            survivor = read_latest(root)
            assert_is(survivor, max(survivor.number, old))


@pytest.mark.slow
@pytest.mark.usefixtures("no_warning")
def test_when_the_power_fails_in_a_first_commit_the_store_is_empty_or_holds_it(tmp_path):
    histories = [(None, operations) for operations in range(OPERATIONS_UNTIL_PRUNED)]
    # From the operation that names the manifest on: refused, and killed while that is cleaned up.
    histories += [(refused, refused + later) for refused in range(5, 10) for later in range(1, 7)]
    for refused, operations in histories:

        def die(refused=refused, operations=operations):
            root = unused_name(tmp_path / "run")
            Store(root, UnsyncedFiles()).close()
            return root, stop_in_a_commit(root, 1, operations, refused)

        for root in power_failures(die):
            if exists(root):
                assert_is(read_latest(root), 1)
            assert_is(read_latest(commit(root, 2)), 2)


def unused_name(path: Path) -> Path:
    return path.with_name(f"{path.name}-{uuid.uuid4().hex}")


def stop_in_a_commit(root: Path, number: int, operations: int, refused: int | None = None) -> StoppingFiles:
    files = StoppingFiles(operations, refused=refused)
    with contextlib.suppress(Stopped, CheckpointError):
        commit(root, number, files=files)
    return files


def power_failures(die: Callable[[], tuple[Path, StoppingFiles]]) -> Iterator[Path]:
    """The store that died, once for each way to lose the names that were not synced: all, one, all but one."""
    names = set(range(len(die()[1].unsynced)))
    for lost in [names, *({name} for name in names), *(names - {name} for name in names)]:
        root, files = die()
        files.power_fails(lost)
        yield root
        shutil.rmtree(root, ignore_errors=True)  # there are hundreds of them


@pytest.mark.usefixtures("no_warning")
def test_an_acknowledged_commit_outlives_a_power_failure(base):
    files = StoppingFiles()
    number = read_latest(base).number + 1
    commit(base, number, files=files)
    files.power_fails(set(range(len(files.unsynced))))
    assert_is(read_latest(base), number)


LASTING = {"given": np.arange(5.0)}


def commit_with_links(root: Path, *numbers: int, files: Files) -> Path:
    """From the second commit on the lasting array is a link."""
    with Store(root, files) as store:
        for number in numbers:
            store.commit(number, record_of(number), state_of(number), LASTING)
    return root


def assert_is_with_links(generation: Generation, number: int) -> None:
    np.testing.assert_array_equal(generation.arrays.pop("given"), LASTING["given"])
    assert_is(generation, number)


@pytest.mark.slow
@pytest.mark.usefixtures("no_warning")
def test_killed_or_without_power_a_generation_that_shares_a_file_is_whole_and_the_next_ones_too(tmp_path):
    base, files = commit(tmp_path / "base", 1), StoppingFiles()
    commit_with_links(shutil.copytree(base, tmp_path / "counted"), 2, 3, files=files)
    for operations in range(OPERATIONS_UNTIL_PRUNED, files.done):

        def die(operations=operations):
            root, files = shutil.copytree(base, unused_name(base)), StoppingFiles(operations)
            with contextlib.suppress(Stopped):
                commit_with_links(root, 2, 3, files=files)
            return root, files

        for root in itertools.chain([die()[0]], power_failures(die)):
            survivor = read_latest(root).number
            (assert_is if survivor == 1 else assert_is_with_links)(read_latest(root), survivor)
            commit_with_links(root, survivor + 1, survivor + 2, files=UnsyncedFiles())
            assert_is_with_links(read_latest(root), survivor + 2)


# ---- F10: any history of saves, crashes, power failures and restarts ----


class StoreHistory(RuleBasedStateMachine):
    """A store beside the plainest model of it: the number of the newest generation."""

    @initialize()
    def start(self):
        self.directory = tempfile.TemporaryDirectory()
        self.root = Path(self.directory.name) / "run.dnmf"
        self.newest: int | None = None
        self.store = Store(self.root, UnsyncedFiles())

    def number(self, step: int) -> int:
        return step + (self.newest or 0)

    @rule(step=st.integers(1, 3))
    def save(self, step):
        number = self.number(step)
        self.store.commit(number, record_of(number), state_of(number))
        self.newest = number

    @rule(
        step=st.integers(1, 3),
        operations=st.integers(0, 22),
        torn=st.booleans(),
        refused=st.none() | st.integers(0, 10),
        data=st.data(),
    )
    def die_in_a_save(self, step, operations, torn, refused, data):
        self.store.close()
        number, files = self.number(step), StoppingFiles(operations, torn, refused)
        try:
            commit(self.root, number, files=files)
            acknowledged = True
        except (Stopped, CheckpointError):
            acknowledged = False
        if data.draw(st.booleans(), label="the power fails"):
            lost = data.draw(st.sets(st.integers(0, max(0, len(files.unsynced) - 1))), label="lost names")
            files.power_fails(lost)
        survivor = read_latest(self.root).number if exists(self.root) else None
        assert survivor in ({number} if acknowledged else {self.newest, number})
        self.newest = survivor
        self.store = Store(self.root, UnsyncedFiles())

    @rule()
    def restart(self):
        self.store.close()
        self.store = Store(self.root, UnsyncedFiles())

    @rule(back=st.integers(0, 3))
    def save_an_old_number(self, back):
        if self.newest is not None:
            with pytest.raises(CheckpointError, match="cannot follow"):
                self.store.commit(self.newest - back, {}, {})

    @rule(errno_=st.sampled_from([errno.ENOSPC, errno.EIO]), at=st.integers(0, 7))
    def fail_to_save(self, errno_, at):
        self.store.close()
        with pytest.raises(CheckpointError, match="cannot be committed"):
            commit(self.root, self.number(1), files=RefusedFiles(at, errno_))
        self.store = Store(self.root, UnsyncedFiles())

    @invariant()
    def reads_as_the_model_says(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error", CheckpointWarning)
            assert exists(self.root) == (self.newest is not None)
            if self.newest is not None:
                assert_is(read_latest(self.root), self.newest)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.directory.cleanup()


TestStoreHistory = StoreHistory.TestCase
TestStoreHistory.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)


# ---- F11: damage of what was committed ----

DAMAGE = {
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "lengthened": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
    "swapped": lambda path: path.write_bytes(
        next(other for other in path.parent.parent.glob(f"gen-000001-*/{path.name}")).read_bytes()
    ),
}
FILES = ["H.npy", "d.npy", "manifest.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_generation_is_named_and_the_one_before_is_read(tmp_path, name, damage):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    damaged = newest_directory(root) / name
    DAMAGE[damage](damaged)
    with pytest.warns(CheckpointWarning, match=re.escape(f"{damaged.parent.name}/{name}")) as warned:
        assert_is(read_latest(root), 1)
    assert "generation 1 was read" in str(warned[0].message)
    assert warned[0].filename == __file__


@pytest.mark.parametrize("name", [*FILES, "CURRENT"])
def test_no_flipped_bit_goes_unseen(tmp_path, name):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    path = root / name if name == "CURRENT" else newest_directory(root) / name
    whole = path.read_bytes()
    for position in range(len(whole)):
        content = bytearray(whole)
        content[position] ^= 1 << position % 8
        path.write_bytes(content)
        with pytest.warns(CheckpointWarning, match=name):
            assert_is(read_latest(root), 2 if name == "CURRENT" else 1)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "lengthened", "emptied", "deleted"])
def test_a_damaged_pointer_is_named_and_the_newest_generation_is_read(tmp_path, damage):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    DAMAGE[damage](root / "CURRENT")
    with pytest.warns(CheckpointWarning, match="CURRENT"):
        assert_is(read_latest(root), 2)
    assert exists(root)


@pytest.mark.parametrize("damage", ["flipped", "deleted"])
def test_a_new_writer_says_that_the_pointer_was_damaged_and_mends_it(tmp_path, damage):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    DAMAGE[damage](root / "CURRENT")
    with pytest.warns(CheckpointWarning, match="CURRENT") as warned:
        Store(root, UnsyncedFiles()).close()
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        assert_is(read_latest(root), 2)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "deleted"])
def test_with_every_generation_damaged_the_files_are_named_and_left_for_repair(tmp_path, name, damage):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    paths = [directory / name for directory in root.glob("gen-*")]
    for path in paths:
        DAMAGE[damage](path)
    left = sorted(path for path in root.rglob("*") if path.name != "LOCK")
    for enter in (read_latest, Store):
        with pytest.raises(CorruptError) as refused:
            enter(root)
        named = paths if damage != "deleted" or name != "manifest.json" else [max(paths)]
        assert all(f"{path.parent.name}/{name}" in str(refused.value) for path in named)
    assert exists(root)
    assert sorted(path for path in root.rglob("*") if path.name != "LOCK") == left


@pytest.mark.parametrize("name", FILES)
def test_a_run_goes_on_from_the_generation_before_and_keeps_it(tmp_path, name):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    DAMAGE["flipped"](newest_directory(root) / name)
    commit(root, 2)
    assert_is(read_latest(root), 2)
    assert len(list(root.glob("gen-*"))) == 2
    DAMAGE["flipped"](root / current_generation(root) / name)
    with pytest.warns(CheckpointWarning):
        assert_is(read_latest(root), 1)


def current_generation(root: Path) -> str:
    found = re.search(r"gen-\d+-[0-9a-f]+", (root / "CURRENT").read_text())
    assert found
    return found[0]


def test_the_next_commit_mends_a_pointer_damaged_during_a_run(tmp_path, no_warning):
    root = tmp_path / "run.dnmf"
    for damage in (DAMAGE["flipped"], DAMAGE["deleted"]):
        with Store(root, UnsyncedFiles()) as store:
            number = 1 + (read_latest(root).number if exists(root) else 0)
            store.commit(number, record_of(number), state_of(number))
            damage(root / "CURRENT")
            store.commit(number + 1, record_of(number + 1), state_of(number + 1))
        assert_is(read_latest(root), number + 1)


def test_a_file_that_may_not_be_read_is_an_error_not_a_reason_to_go_back(tmp_path):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    refused = newest_directory(root) / "H.npy"
    refused.unlink()
    refused.symlink_to(refused)  # ELOOP, which root gets too; EACCES goes the same way
    for enter in (read_latest, Store):
        with pytest.raises(CheckpointError, match=re.escape(str(refused))) as error:
            enter(root)
        assert not isinstance(error.value, CorruptError)


# ---- F13: the disk is full ----


@pytest.mark.parametrize(
    ("errno_", "advice"),
    [(errno.ENOSPC, "free some room"), (errno.EROFS, "how it is mounted"), (errno.EIO, "check")],
)
def test_refused_at_any_operation_a_commit_fails_cleanly_and_can_be_tried_again(base, errno_, advice):
    old = read_latest(base).number
    for at in range(OPERATIONS_UNTIL_PRUNED):
        root = shutil.copytree(base, base.with_name(f"refused-{at}"))
        before = sorted(root.iterdir())
        with Store(root, RefusedFiles(at, errno_)) as store:
            with pytest.raises(CheckpointError, match=f"{re.escape(str(root))}.*{advice}"):
                store.commit(old + 1, record_of(old + 1), state_of(old + 1))
            if at < OPERATIONS_UNTIL_PRUNED - 1:
                assert sorted(root.iterdir()) == before
                assert_is(read_latest(root), old)
            else:  # only the last sync was refused: the new generation is in place, though not promised
                assert_is(read_latest(root), old + 1)
            store.commit(old + 1, record_of(old + 1), state_of(old + 1))
            assert_is(read_latest(root), old + 1)
        assert len(list(root.glob("gen-*"))) == 2


def test_a_commit_is_done_though_an_old_generation_cannot_be_removed_yet(tmp_path):
    base = commit(tmp_path / "base", 1, 2)
    operations = operations_of_a_commit(base, 3)
    assert operations == OPERATIONS_UNTIL_PRUNED + 5  # the manifest, a sync, two arrays, their directory
    for at in range(OPERATIONS_UNTIL_PRUNED, operations):
        root = shutil.copytree(base, tmp_path / f"refused-{at}")
        with Store(root, RefusedFiles(at, errno.EIO)) as store:
            with pytest.warns(CheckpointWarning, match="cannot be removed yet"):
                store.commit(3, record_of(3), state_of(3))
            assert_is(read_latest(root), 3)
            store.commit(4, record_of(4), state_of(4))
        assert_is(read_latest(root), 4)
        assert len(list(root.glob("gen-*"))) == 2


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


def test_without_room_for_a_file_the_old_generation_stays_and_a_smaller_one_fits(tmp_path):
    root = tmp_path / "run.dnmf"
    done = python(FULL_DISK, str(root))
    said, complaint = done.communicate(timeout=60)
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
    first.communicate(timeout=60)
    with Store(root) as second:
        assert read_latest(root).number == 2
        second.commit(3, record_of(3), state_of(3))
    assert_is(read_latest(root), 3)


# ---- F15: writers that were taken for dead ----


def test_a_directory_written_late_by_an_older_attempt_is_ignored_and_then_removed(tmp_path, no_warning):
    root = commit(tmp_path / "run.dnmf", 1, 2)
    committed = {path: crc32c_of(path.read_bytes()) for path in root.glob("gen-*/*")}
    late = root / f"gen-000003-{'0' * 32}"
    late.mkdir()
    (late / "H.npy").write_bytes(b"late")
    (late / "manifest.json.tmp").write_bytes(b"late")
    assert_is(read_latest(root), 2)
    assert {path: crc32c_of(path.read_bytes()) for path in committed} == committed
    commit(root, 3)
    assert not late.exists()
    assert_is(read_latest(root), 3)


# ---- F27: files made to harm ----


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def object_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def archive_of_an_object_array() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, H=np.array([Bomb()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("forge", [object_array, archive_of_an_object_array, lambda: pickle.dumps(Bomb())])
def test_a_pickle_in_a_well_sealed_generation_is_refused_and_not_run(tmp_path, monkeypatch, forge):
    monkeypatch.chdir(tmp_path)
    content = forge()
    is_ = {"size": len(content), "crc32c": crc32c_of(content), "dtype": "|O", "shape": [1]}
    root = commit_forged(tmp_path / "run.dnmf", {"H": is_}, content)
    with pytest.raises(CorruptError, match=r"H\.npy"):
        read_latest(root)
    assert not Path("exploded").exists()


def test_a_name_that_leads_out_of_the_store_is_not_followed(tmp_path):
    np.save(tmp_path / "secret.npy", np.ones(3))
    content = (tmp_path / "secret.npy").read_bytes()
    is_ = {"size": len(content), "crc32c": crc32c_of(content), "dtype": "<f8", "shape": [3]}
    root = commit_forged(tmp_path / "run.dnmf", {"../../secret": is_}, content)
    with pytest.raises(CorruptError, match=r"names an array '\.\./\.\./secret'"):
        read_latest(root)


def commit_forged(root: Path, arrays: dict, content: bytes) -> Path:
    """A store whose checksums are all right, made by someone who means harm."""
    directory = newest_directory(commit(root, 1))
    manifest = seal({"format": FORMAT, "dnmf": "0", "number": 1, "record": {}, "arrays": arrays})
    (directory / "H.npy").write_bytes(content)
    (directory / "manifest.json").write_bytes(manifest)
    pointer = {"generation": directory.name, "manifest_crc32c": crc32c_of(manifest)}
    (root / "CURRENT").write_bytes(seal(pointer))
    return root


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
