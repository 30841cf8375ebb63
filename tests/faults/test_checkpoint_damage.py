"""Damage of what was committed is named, and what is whole is read; files made to harm are refused."""

import io
import os
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from commits_on_disk import assert_is, commit, newest_directory
from faulty_files import UnsyncedFiles
from store_contract import record_of, state_of

from dnmf.checkpoint import CheckpointWarning, Store, exists, read_latest
from dnmf.checkpoint.generations import FORMAT, seal
from dnmf.checksums import crc32c_of
from dnmf.errors import CheckpointError, CorruptError


@pytest.fixture
def no_warning():
    """A crash is no damage: nothing is said about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        yield


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


@pytest.mark.broad(1)
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
