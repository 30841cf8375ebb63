"""What a store promises when nothing goes wrong; faults/test_checkpoint_faults.py is for when it does."""

import errno
import json
import os
import re
import socket
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from example_models import random_model

import dnmf
from dnmf.checkpoint import CheckpointWarning, Store, exists, read_latest
from dnmf.checkpoint.generations import FORMAT, read_generation
from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError, CorruptError, InputError
from dnmf.inspection import run_status
from dnmf.locations import local_path


def state_of(number: int) -> dict[str, np.ndarray]:
    """Arrays that differ from one generation to the next in every element."""
    return {"H": np.arange(12, dtype=np.float32).reshape(3, 4) + number, "d": np.full(3, number, np.float64)}


def commit_all(root: Path, *numbers: int) -> Path:
    with Store(root) as store:
        for number in numbers:
            store.commit(number, {"pass": number}, state_of(number))
    return root


def generation_directories(root: Path) -> list[Path]:
    return sorted(root.glob("gen-*"))


def test_the_latest_generation_is_the_last_one_committed(tmp_path):
    generation = read_latest(commit_all(tmp_path / "run.dnmf", 1, 2, 5))
    assert generation.number == 5
    assert generation.record == {"pass": 5}
    np.testing.assert_array_equal(generation.arrays["H"], state_of(5)["H"])


def test_a_relative_path_still_means_the_same_store_after_a_change_of_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with Store("runs/a.dnmf") as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.commit(1, {}, state_of(1))
    assert exists(tmp_path / "runs" / "a.dnmf")


# ---- what is on disk ----


def test_the_manifest_says_what_every_file_must_be(tmp_path):
    root = commit_all(tmp_path / "run.dnmf", 7)
    (directory,) = generation_directories(root)
    manifest = json.loads((directory / "manifest.json").read_text())
    assert re.fullmatch(r"gen-000007-[0-9a-f]{32}", directory.name)
    assert manifest["format"] == FORMAT
    assert manifest["number"] == 7
    assert manifest["record"] == {"pass": 7}
    for name, array in state_of(7).items():
        content = (directory / f"{name}.npy").read_bytes()
        assert manifest["arrays"][name] == {
            "size": len(content),
            "crc32c": crc32c_of(content),
            "dtype": array.dtype.str,
            "shape": list(array.shape),
        }
        np.testing.assert_array_equal(np.load(directory / f"{name}.npy", allow_pickle=False), array)
    pointer = json.loads((root / "CURRENT").read_text())
    assert pointer["generation"] == directory.name
    assert pointer["manifest_crc32c"] == crc32c_of((directory / "manifest.json").read_bytes())
    assert sorted(path.name for path in directory.iterdir()) == ["H.npy", "d.npy", "manifest.json"]


def test_two_generations_are_kept(tmp_path):
    root = commit_all(tmp_path / "run.dnmf", 1, 2, 3, 4)
    assert [path.name[:10] for path in generation_directories(root)] == ["gen-000003", "gen-000004"]


def test_nothing_else_in_the_store_is_touched(tmp_path):
    root = commit_all(tmp_path / "run.dnmf", 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    (root / "W-0123.zarr").mkdir()
    (root / "W-0123.zarr" / "zarr.json").write_text("{}")
    (root / "gen-000001").mkdir()  # not a name that a commit gives
    (root / f"gen-000001-{'a' * 32}").symlink_to(elsewhere, target_is_directory=True)
    (root / "notes.txt").write_text("mine")
    commit_all(root, 2, 3, 4)
    foreign = {"W-0123.zarr", "gen-000001", f"gen-000001-{'a' * 32}", "notes.txt"}
    assert foreign <= {path.name for path in root.iterdir()}
    assert (root / "W-0123.zarr" / "zarr.json").read_text() == "{}"
    assert (elsewhere / "precious").read_text() == "x"


def test_a_lasting_array_is_one_file_of_all_generations_and_outlives_those_before(tmp_path):
    lasting, root = np.arange(1000.0), tmp_path / "run.dnmf"
    with Store(root) as store:
        for number in range(1, 6):
            store.commit(number, {}, state_of(number), {f"given_{number}": lasting})
            np.testing.assert_array_equal(read_latest(root).arrays[f"given_{number}"], lasting)
    files = [*root.glob("gen-*/given_*.npy")]
    assert len(files) == 2
    assert len({path.stat().st_ino for path in files}) == 1
    assert len({path.stat().st_ino for path in root.glob("gen-*/H.npy")}) == 2


def test_another_lasting_array_under_the_same_name_is_written(tmp_path):
    with Store(tmp_path) as store:
        for number in (1, 2, 3):
            store.commit(number, {}, {}, {"given": np.full(4, number)})
            np.testing.assert_array_equal(read_latest(tmp_path).arrays["given"], np.full(4, number))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV])
def test_where_links_are_refused_a_lasting_array_is_written_each_time(tmp_path, monkeypatch, code):
    def refuse(source, target):
        raise OSError(code, os.strerror(code), str(target))

    monkeypatch.setattr("os.link", refuse)
    lasting = np.arange(10.0)
    with Store(tmp_path) as store:
        for number in (1, 2):
            store.commit(number, {}, {}, {"given": lasting})
    assert len({path.stat().st_ino for path in tmp_path.glob("gen-*/given.npy")}) == 2
    np.testing.assert_array_equal(read_latest(tmp_path).arrays["given"], lasting)


def test_what_is_given_to_a_fit_is_one_file_of_its_store(tmp_path, planted):
    given = dnmf.Constraints(fixed_W=planted[:, :2] + 0.1)
    dnmf.fit(planted, 4, constraints=given, store=tmp_path / "run.dnmf", max_passes=4)
    files = [*tmp_path.glob("run.dnmf/gen-*/*guide_W.npy")]
    assert len(files) == 2
    assert len({path.stat().st_ino for path in files}) == 1


# ---- which directory may be a store ----


@pytest.mark.parametrize("url", ["https://host/run.dnmf", "file:///tmp/r", "simplecache::s3://b/r", Path("s3://b/r")])
def test_a_url_that_is_no_object_storage_is_refused_by_every_entrance(url):
    for enter in (Store, exists, read_latest):
        with pytest.raises(
            CheckpointError, match=r"is a URL: stores lie in a directory or on object storage, s3://BUCKET"
        ):
            enter(url)


@pytest.mark.parametrize(
    "foreign",
    [
        {"data.txt": b"precious"},
        {"CURRENT": b"MANIFEST-000004\n", "LOCK": b"", "MANIFEST-000004": b"\x00"},  # a RocksDB database
        {"LOCK": b"another program's"},
    ],
)
def test_a_directory_of_something_else_is_refused_and_left_as_it_was(tmp_path, foreign):
    for name, content in foreign.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a dnmf store"):
        Store(tmp_path)
    with pytest.raises(CheckpointError, match="is not a dnmf store"):
        read_latest(tmp_path)
    assert not exists(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == foreign


def test_a_file_in_the_place_of_the_store_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "run.dnmf").write_text("precious")
    with pytest.raises(CheckpointError, match="is a file"):
        Store(tmp_path / "run.dnmf")
    with pytest.raises(InputError, match="a part of it is a file, not a directory"):
        Store(tmp_path / "run.dnmf" / "below")
    assert not exists(tmp_path / "run.dnmf")
    assert (tmp_path / "run.dnmf").read_text() == "precious"


def test_a_place_in_a_directory_that_is_not_there_is_refused_and_nothing_made(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist; create .*runs/today first"):
        Store(tmp_path / "runs" / "today" / "run.dnmf")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_opened_but_never_committed_to_holds_nothing_and_can_be_used(tmp_path):
    root = tmp_path / "run.dnmf"
    assert not exists(root)
    Store(root).close()
    assert not exists(root)
    with pytest.raises(CheckpointError, match="nothing was committed"):
        read_latest(root)
    assert exists(commit_all(root, 1))


def test_a_lock_file_cut_short_does_not_make_the_directory_foreign(tmp_path):
    (tmp_path / "LOCK").touch()
    assert exists(commit_all(tmp_path, 1))


@pytest.mark.parametrize("door", [read_latest, dnmf.load, dnmf.resume, dnmf.load_path, dnmf.resume_path])
def test_a_store_that_is_not_there_is_said_so_in_the_same_words_everywhere(tmp_path, door):
    with pytest.raises(CheckpointError, match="run.dnmf: there is nothing at this path"):
        door(tmp_path / "run.dnmf")
    with pytest.raises(CheckpointError, match="https://host/run.dnmf is a URL"):
        door("https://host/run.dnmf")


@pytest.mark.parametrize("door", [run_status, random_model(4, 3, 2).save, local_path])
def test_a_url_is_named_as_it_was_given_where_there_can_be_none(door):
    with pytest.raises(dnmf.DnmfError, match=r"https://host/a(: | )is a URL"):
        door("https://host/a")


def test_a_copy_without_its_lock_file_is_a_store(tmp_path):
    root = commit_all(tmp_path / "run.dnmf", 1)
    (root / "LOCK").unlink()
    assert exists(root)
    assert read_latest(commit_all(root, 2)).number == 2


def test_another_format_version_is_refused_by_its_number_for_reading_and_writing(tmp_path, monkeypatch):
    root = tmp_path / "run.dnmf"
    with monkeypatch.context() as later:
        later.setattr("dnmf.checkpoint.generations.FORMAT", 17)
        commit_all(root, 1)
    before = sorted(path.name for path in root.rglob("*"))
    for enter in (read_latest, Store):
        with pytest.raises(CheckpointError, match="format version 17") as refused:
            enter(root)
        assert not isinstance(refused.value, CorruptError)
    assert exists(root)
    assert sorted(path.name for path in root.rglob("*")) == before


# ---- what may be committed ----


@pytest.mark.parametrize("number", [-1, 0, 4, 5])
def test_a_number_that_does_not_increase_is_refused(tmp_path, number):
    root = commit_all(tmp_path / "run.dnmf", 5)
    with (
        Store(root) as store,
        pytest.raises(CheckpointError, match=f"generation {number} cannot follow .* 5"),
    ):
        store.commit(number, {}, state_of(number))
    assert read_latest(root).number == 5


@pytest.mark.parametrize(
    ("record", "arrays", "message"),
    [
        ({"loss": float("nan")}, {}, "not plain JSON"),
        ({"H": np.ones(3)}, {}, "not plain JSON"),
        ({}, {"H": np.array([{}])}, "Python objects"),
        ({}, {"H": np.array([(1, "a")], dtype=[("n", int), ("o", object)])}, "Python objects"),
        ({}, {"../H": np.ones(3)}, "array name"),
        ({}, {"": np.ones(3)}, "array name"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path, record, arrays, message):
    root = commit_all(tmp_path / "run.dnmf", 1)
    before = sorted(root.rglob("*"))
    with Store(root) as store, pytest.raises(CheckpointError, match=message):
        store.commit(2, record, arrays)
    assert sorted(root.rglob("*")) == before


def test_a_closed_store_takes_no_commit(tmp_path):
    store = Store(tmp_path / "run.dnmf")
    store.close()
    store.close()
    with pytest.raises(CheckpointError, match="was closed"):
        store.commit(1, {}, {})


# ---- writers and readers ----


def test_a_second_writer_is_refused_by_name_and_welcome_after_the_first_closed(tmp_path):
    root = tmp_path / "run.dnmf"
    with Store(root), pytest.raises(CheckpointError) as refused:
        Store(root)
    assert re.search(rf"written by process \d+ on host {re.escape(socket.gethostname())}", str(refused.value))
    commit_all(root, 1)


@pytest.mark.slow
def test_a_reader_beside_a_writer_only_sees_whole_generations_that_never_go_back(tmp_path):
    root = commit_all(tmp_path / "run.dnmf", 1)
    stop, failures = threading.Event(), []

    def read_on():
        newest = 0
        try:
            while not stop.is_set():
                generation = read_latest(root)
                assert generation.number >= newest
                np.testing.assert_array_equal(generation.arrays["H"], state_of(generation.number)["H"])
                newest = generation.number
        except BaseException as error:  # noqa: BLE001 - reported by the test
            failures.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        reader = threading.Thread(target=read_on)
        reader.start()
        commit_all(root, *range(2, 40))
        stop.set()
        reader.join()
    assert not failures


def test_a_reader_overtaken_by_a_writer_reads_what_the_writer_moved_on_to(tmp_path, monkeypatch):
    root = commit_all(tmp_path / "run.dnmf", 1)

    def overtaken_read(directory, checksum):
        monkeypatch.undo()
        commit_all(root, 2, 3)  # generation 1 is pruned before the reader gets to it
        return read_generation(directory, checksum)

    monkeypatch.setattr("dnmf.checkpoint.newest.read_generation", overtaken_read)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        assert read_latest(root).number == 3
