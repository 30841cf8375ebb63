"""What a store promises wherever it lies: each kind of place inherits these tests."""

import contextlib
import errno
import os
import warnings
from collections.abc import Mapping

import numpy as np
import pytest
from faulty_files import Stopped

from dnmf.checkpoint import CheckpointWarning, Generation, Store, exists, read_latest
from dnmf.checkpoint import store as store_module
from dnmf.checkpoint.newest import name_in_current
from dnmf.errors import CheckpointError, CorruptError
from dnmf.places import remove_tree

LASTING = {"given": np.arange(5.0)}


def record_of(number: int) -> dict:
    return {"pass": number, "loss": 1 / (1 + number)}


def state_of(number: int) -> dict[str, np.ndarray]:
    """Arrays that differ from one generation to the next in every element."""
    return {"H": np.arange(12, dtype=np.float32).reshape(3, 4) + number, "d": np.full(3, number, np.float64)}


def assert_is(generation: Generation, number: int, beside: Mapping[str, np.ndarray] = LASTING) -> None:
    """Every part of the generation was committed under this number: nothing is mixed."""
    expected = {**state_of(number), **beside}
    assert (generation.number, generation.record) == (number, record_of(number))
    assert generation.arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(generation.arrays[name], array)


def write(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.commit(number, record_of(number), state_of(number), LASTING)


def commit(place, *numbers: int):
    with Store(place) as store:
        write(store, *numbers)
    return place


def assert_empty_or_first(place, beside: Mapping[str, np.ndarray] = LASTING) -> None:
    """What was stopped in its first commit holds nothing, or all of it; the next one goes on."""
    if exists(place):
        assert_is(read_latest(place), 1, beside)
    else:
        with pytest.raises(CheckpointError) as nothing:
            read_latest(place)
        assert not isinstance(nothing.value, CorruptError)
    assert_is(read_latest(commit(place, 2)), 2)


def generations(place) -> list[str]:
    return sorted(one.name for one in place.iterdir() if one.name.startswith("gen-"))


def at(position: int, event):
    """Something that happens ahead of the operation at a position, and never again."""
    left = [position]

    def before(_):
        left[0] -= 1
        if left[0] == -1:
            event()

    return before


def stop():
    raise Stopped


def refuse():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")


class StoreContract:
    """Subclasses say what a place is, how one is copied, and how a store is opened that is watched."""

    def new(self, tmp_path):
        """A place where nothing is."""
        raise NotImplementedError

    def copied(self, place, name):
        """Another place with the same content."""
        raise NotImplementedError

    def watched(self, place, before) -> Store:
        """The store at a place; `before` is called ahead of each operation that changes something."""
        raise NotImplementedError

    def lose_lock(self, place) -> None:
        """Let others in, as if the writer were dead."""
        raise NotImplementedError

    def operations(self, place, number: int) -> int:
        """How many operations it takes to open a store and to commit to it."""
        seen = []
        with self.watched(self.copied(place, "counted"), seen.append) as store:
            write(store, number)
        return len(seen)

    @pytest.fixture
    def base(self, tmp_path):
        return commit(self.new(tmp_path), 1, 2)

    @pytest.fixture(autouse=True)
    def no_warning(self):
        """A crash is no damage: nothing is said about it."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", CheckpointWarning)
            yield

    def test_the_latest_generation_is_the_last_one_committed_and_two_are_kept(self, base):
        assert exists(commit(base, 3, 5))
        assert_is(read_latest(base), 5)
        assert [name[:10] for name in generations(base)] == ["gen-000003", "gen-000005"]

    def test_a_store_that_was_never_committed_to_holds_nothing_and_can_be_used(self, tmp_path):
        place = self.new(tmp_path)
        assert not exists(place)
        Store(place).close()
        assert not exists(place)
        with pytest.raises(CheckpointError, match="nothing was committed"):
            read_latest(place)
        assert_is(read_latest(commit(place, 1)), 1)

    def test_killed_at_any_operation_the_old_or_the_new_generation_is_read_and_the_run_goes_on(self, base):
        seen = []
        for position in range(self.operations(base, 3)):
            place = self.copied(base, f"killed-{position}")
            self.die(place, position, 3)
            survivor = read_latest(place).number
            assert_is(read_latest(place), survivor)
            seen.append(survivor)
            assert_is(read_latest(commit(place, survivor + 1)), survivor + 1)
            assert len(generations(place)) == 2  # what the killed writer left behind is gone
        assert seen == sorted(seen)
        assert set(seen) == {2, 3}

    def die(self, place, position, number):
        dead = [False]

        def die():
            dead[0] = True

        watch = at(position, die)

        def before(path):
            watch(path)
            if dead[0]:  # the dead write nothing more
                raise Stopped

        with contextlib.suppress(Stopped), self.watched(place, before) as store:
            write(store, number)
        self.lose_lock(place)

    def test_killed_at_any_operation_of_its_first_commit_the_store_is_empty_or_holds_it(self, tmp_path):
        empty = self.new(tmp_path)
        for position in range(self.operations(empty, 1)):
            place = self.copied(empty, f"first-{position}")
            self.die(place, position, 1)
            assert_empty_or_first(place)

    @pytest.mark.filterwarnings("ignore::dnmf.checkpoint.CheckpointWarning")
    def test_refused_at_any_operation_a_commit_fails_cleanly_or_is_done_and_can_be_tried_again(self, base):
        for position in range(self.operations(base, 3)):
            place = self.copied(base, f"refused-{position}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that an old generation cannot be removed yet
                with contextlib.suppress(CheckpointError), self.watched(place, at(position, refuse)) as store:
                    acknowledged = 2
                    with contextlib.suppress(CheckpointError):
                        write(store, 3)
                        acknowledged = 3
                    assert read_latest(place).number >= acknowledged
                    with contextlib.suppress(CheckpointError):
                        write(store, 4)
            self.lose_lock(place)
            newest = read_latest(place).number
            assert newest >= 2
            assert_is(read_latest(place), newest)
            assert_is(read_latest(commit(place, newest + 1)), newest + 1)

    def test_a_second_writer_is_refused_by_name_and_welcome_after_the_first_closed(self, base):
        with Store(base), pytest.raises(CheckpointError, match=rf"written by process {os.getpid()} on host"):
            Store(base)
        assert_is(read_latest(commit(base, 3)), 3)

    @pytest.mark.parametrize("passes_meanwhile", [1, 2])
    def test_a_writer_that_stood_still_while_its_lock_was_broken_harms_nothing(self, base, passes_meanwhile):
        for position in range(self.operations(base, 3)):
            place = self.copied(base, f"zombie-{position}")

            def watched(run_again, place=place, position=position):
                return self.watched(place, at(position, run_again))

            self.stand_still(place, watched, passes_meanwhile)

    @pytest.mark.parametrize("passes_meanwhile", [1, 3])
    @pytest.mark.parametrize("look", ["old_names", "name_in_current", "generation_names"])
    def test_a_writer_that_stood_still_while_it_looked_or_listed_harms_nothing(
        self, base, monkeypatch, look, passes_meanwhile
    ):
        real, came = getattr(store_module, look), []
        for position in range(4):  # as many as there are of a kind, or more
            place = self.copied(base, f"looking-{position}")

            def opened(run_again, place=place, position=position):
                before = at(position, run_again)
                monkeypatch.setattr(store_module, look, lambda *asked: (before(None), real(*asked))[1])
                return Store(place)

            came.append(self.stand_still(place, opened, passes_meanwhile))
        assert came[0]

    def stand_still(self, place, open_zombie, passes_meanwhile) -> bool:
        """A writer stands still and another one takes over, whose commits stay; False if it never came to that."""
        successor: list[Store] = []
        came = []

        def run_again():
            came.append(True)
            self.lose_lock(place)
            successor.append(Store(place))
            newest = read_latest(place).number
            write(successor[0], *range(newest + 1, newest + 1 + passes_meanwhile))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CheckpointWarning)  # it may find that others pruned before it
            with contextlib.suppress(CheckpointError), open_zombie(run_again) as zombie:
                write(zombie, 3)
        if not came:
            return False
        newest = read_latest(place).number
        assert newest >= 2 + passes_meanwhile
        assert_is(read_latest(place), newest)
        if not successor:  # it was opened or closed at this position
            return True
        write(successor[0], newest + 1)  # the one that holds the lock goes on
        assert_is(read_latest(place), newest + 1)
        successor[0].close()
        remove_tree(place / name_in_current(place))
        with pytest.warns(CheckpointWarning):
            assert_is(read_latest(place), newest)  # nor did it take the one to fall back to
        return True

    @pytest.mark.parametrize("name", ["H.npy", "manifest.json"])
    @pytest.mark.parametrize("damage", ["flipped", "truncated", "deleted"])
    def test_a_damaged_generation_is_named_and_the_one_before_is_read(self, base, name, damage):
        damaged = base / generations(base)[-1] / name
        content = damaged.read_bytes()
        if damage == "deleted":
            damaged.unlink()
        else:
            damaged.write_bytes(content[:-1] + (b"" if damage == "truncated" else bytes([content[-1] ^ 1])))
        with pytest.warns(CheckpointWarning, match=f"{damaged.parent.name}/{name}"):
            assert_is(read_latest(base), 1)

    def test_nothing_else_in_the_store_is_touched(self, base):
        (base / "notes.txt").write_bytes(b"mine")
        commit(base, 3, 4, 5)
        assert (base / "notes.txt").read_bytes() == b"mine"
