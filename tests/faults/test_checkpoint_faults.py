"""Crashes, power failures, full disks and late writers: what a store still promises then."""

import contextlib
import errno
import itertools
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from commits_on_disk import assert_is, commit
from faulty_files import RefusedFiles, Stopped, StoppingFiles, UnsyncedFiles
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_contract import assert_empty_or_first, record_of, state_of

from dnmf.checkpoint import CheckpointWarning, Files, Generation, Store, exists, read_latest
from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError

# Make the directory, write two arrays and the manifest, sync, name it, sync; write the pointer, sync, flip, sync.
OPERATIONS_UNTIL_PRUNED = 11


def operations_of_a_commit(base: Path, number: int) -> int:
    files = StoppingFiles()
    root = shutil.copytree(base, base.with_name("counted"))
    commit(root, number, files=files)
    return files.done


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


@pytest.mark.broad(3)
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


# ---- F13: the disk is full ----


@pytest.mark.broad(4)
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
