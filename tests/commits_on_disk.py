"""Commits of the contract's states on a disk that nobody syncs, and what is read of them."""

from pathlib import Path

import store_contract as contract
from faulty_files import UnsyncedFiles
from store_contract import record_of, state_of

from dnmf.checkpoint import Files, Generation, Store


def assert_is(generation: Generation, number: int) -> None:
    contract.assert_is(generation, number, {})


def commit(root: Path, *numbers: int, files: Files | None = None) -> Path:
    with Store(root, files or UnsyncedFiles()) as store:
        for number in numbers:
            store.commit(number, record_of(number), state_of(number))
    return root


def newest_directory(root: Path) -> Path:
    return max(root.glob("gen-*"))
