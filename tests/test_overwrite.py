"""What --overwrite replaces, when, and what it never touches."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call
from small_runs import A, a_file, along, files, fit

import dnmf
from dnmf import checkpoint
from dnmf.studies.study import folder_of


class Stopped(Exception):
    """What the test's own callback raises."""


def stop_at(kind, number=None):
    def stop(event):
        if type(event).__name__ == kind and number in (None, getattr(getattr(event, "record", event), "number", None)):
            raise Stopped

    return stop


def same(one, other):
    return all(np.array_equal(a, b) for a, b in ((one.H, other.H), (one.d, other.d), (one.read_W(), other.read_W())))


@pytest.fixture
def store(tmp_path):
    return tmp_path / "run.dnmf"


# ---- a fit ----


@pytest.mark.slow
def test_a_run_that_is_overwritten_is_the_new_one_to_the_bit_and_nothing_of_the_old_is_left(store):
    old, new = fit(store), fit(store, seed=5, rank=3, overwrite=True)
    assert same(new, fit(None, seed=5, rank=3))
    assert same(dnmf.load(store), new)
    assert same(dnmf.resume(store), new)
    assert [place.name for place in store.glob("*.zarr")] == [new.W_name]
    with pytest.raises(dnmf.CheckpointError, match=old.W_name):
        old.read_W()
    with pytest.raises(dnmf.CheckpointError, match=old.W_name):
        old.W.sum().compute()


@pytest.mark.slow
def test_a_store_with_nothing_in_it_and_a_saved_model_may_be_overwritten(store, tmp_path):
    assert same(fit(store, overwrite=True), fit(None))
    fit(None, seed=1).save(tmp_path / "saved.dnmf")
    assert same(fit(tmp_path / "saved.dnmf", overwrite=True), fit(None))


def test_the_old_run_stands_until_the_start_of_the_new_one_is_committed(store):
    old = fit(store)
    before = files(store)
    bad = np.where(np.arange(480).reshape(60, 8) == 100, np.nan, A)
    for wrong, options in ((bad, {"init": "auto"}), (A, {"memory_limit": "1MB"}), (A, {"rank": 9}), (A, {"H": A})):
        with pytest.raises(dnmf.DnmfError):
            fit(store, wrong, **options, overwrite=True)
        assert files(store) == before
    assert same(dnmf.load(store), old)


@pytest.mark.broad(1)
@pytest.mark.parametrize("moment", [("Started", None), ("PassDone", 2)])
def test_stopped_later_it_is_the_new_run_that_is_resumed(store, tmp_path, moment):
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(20, 8))
    fit(store)
    with pytest.raises(Stopped):
        fit(store, str(tmp_path / "a.zarr"), seed=5, overwrite=True, callbacks=stop_at(*moment))
    with pytest.raises(dnmf.CheckpointError, match="not finished"):
        dnmf.load(store)
    new = dnmf.resume(store)
    assert same(new, fit(None, str(tmp_path / "a.zarr"), seed=5))
    assert [place.name for place in store.glob("*.zarr")] == [new.W_name]


KILLED = """
import os, signal, sys
import zarr
import dnmf
from dnmf.checkpoint import Files
from dnmf.schemes.rehearsal import Kernels

def counted(name):
    whole = getattr(Files, name)
    def act(self, *given):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, *given)
    return act

for name in ("make_directory", "write", "sync_directory", "replace", "remove"):
    setattr(Files, name, counted(name))
for said in sys.stdin:
    left, child = int(said), os.fork()  # what they import is imported once
    if not child:
        try:
            dnmf.fit(sys.argv[1], 2, init="random", tol=0.0, max_passes=3, seed=5, store=sys.argv[2], overwrite=True)
            os._exit(0)
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def killed_after(store, tmp_path):
    """The exit code of a process that fits into a store, and is killed at its next operation after so many."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a.zarr"), str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def fits(operations):
            print(operations, file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield fits


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_any_operation_there_is_the_old_run_or_the_new_one(store, tmp_path, killed_after):
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(20, 8))
    old, new = fit(tmp_path / "old.dnmf"), fit(None, str(tmp_path / "a.zarr"), seed=5)
    found, operations = set(), 0
    while True:
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(tmp_path / "old.dnmf", store)
        ended = killed_after(operations)
        resumed = dnmf.resume(store)
        found.add(same(resumed, new))
        assert same(resumed, new) or same(resumed, old)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        operations += 3
    assert found == {True, False}


# ---- a path ----


@pytest.mark.slow
def test_a_path_that_is_overwritten_is_the_new_one_and_strengths_of_the_old_are_gone(store):
    old = along(store, (0, 0.1, 0.5))
    (store / "notes").mkdir()
    (store / "strength-of-mine.dnmf").write_text("mine")
    new = along(store, (0, 0.2), seeds=[3], overwrite=True)
    alone = along(None, (0, 0.2), seeds=[3])
    assert all(same(new.models[cell], alone.models[cell]) for cell in alone.models)
    assert str(dnmf.load_path(store).rows) == str(new.rows)
    kept = {folder_of(cell) for cell in new.models} | {"strength-of-mine.dnmf"}
    assert {place.name for place in store.glob("strength-*")} == kept
    assert (store / "notes").is_dir()
    with pytest.raises(dnmf.CheckpointError, match="another path was written here"):
        old.model(0)


@pytest.mark.slow
def test_a_saved_path_may_be_overwritten_and_is_not_without_being_asked(store):
    along(None).save(store)
    with pytest.raises(dnmf.CheckpointError, match="holds a regularization path already.*--overwrite"):
        along(store)
    assert along(store, overwrite=True).strengths == (0, 0.1)


@pytest.mark.slow
def test_a_path_stopped_later_goes_on_as_the_new_one(store, tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(20, 8))
    data = str(tmp_path / "a.zarr")
    old = along(store, (0, 0.5), data)
    with pytest.raises(Stopped):
        along(store, (0, 0.2), data, overwrite=True, callbacks=stop_at("Planned"))
    assert str(dnmf.load_path(store).rows) == str(old.rows)
    with pytest.raises(Stopped):
        along(store, (0, 0.2), data, overwrite=True, callbacks=stop_at("Started"))
    assert str(dnmf.resume_path(store).rows) == str(along(None, (0, 0.2), data).rows)
    assert len(list(store.glob("strength-*"))) == 2


# ---- a result for other rows ----


def test_a_result_is_replaced_at_one_go_and_who_reads_the_old_one_is_told(tmp_path):
    model, out = fit(None), tmp_path / "rows.zarr"
    old = model.transform(A, out=out)
    with pytest.raises(dnmf.CheckpointError, match=r"exists already.*overwrite=True"):
        model.transform(A, out=out)
    before = files(out)
    for wrong, error in ((np.full_like(A, -1), dnmf.InputError), (A[:, :3], dnmf.InputError)):
        with pytest.raises(error):
            model.transform(wrong, out=out, overwrite=True)
        assert files(out) == before
    new = model.transform(A[::-1], out=out, overwrite=True)
    np.testing.assert_array_equal(new.compute(), model.transform(A[::-1]).compute())
    with pytest.raises(dnmf.CheckpointError, match=r"rows\.zarr: another array was written here"):
        old.compute()
    assert [place.name for place in tmp_path.iterdir()] == ["rows.zarr"]


# ---- what is refused ----


def test_an_attempt_whose_last_write_was_cut_off_goes_when_the_run_is_finished(store):
    fit(store, max_passes=1)
    attempt = store / f"W-{'0' * 12}.zarr"
    shutil.copytree(store / dnmf.load(store).W_name, attempt)
    (attempt / "c" / f"0.{'5a' * 16}.partial").write_bytes(b"half")
    dnmf.resume(store, source=A, max_passes=2)
    assert not attempt.exists()


@pytest.mark.slow
def test_data_that_would_be_overwritten_is_not_read_from_there(store, tmp_path):
    model, place = fit(store), tmp_path / "rows.zarr"
    rows = fit(None, A[:, :2]).transform(A[:, :2], out=place)
    (tmp_path / "link.zarr").symlink_to(store / model.W_name)
    before = files(tmp_path)
    inside = str(store / model.W_name)
    for source in (inside, f"file://{inside}", zarr.open_array(inside, mode="r"), model.W, 2 * model.W[5:],
                   tmp_path / "link.zarr"):  # fmt: skip
        with pytest.raises(dnmf.InputError, match="the data is read from there"):
            fit(store, source, overwrite=True)
    narrow = fit(None, A[:, :2])
    for source in (str(place), rows):
        with pytest.raises(dnmf.InputError, match="the data is read from there"):
            narrow.transform(source, out=place, overwrite=True)
    assert files(tmp_path) == before
    assert fit(store, W=model.W, init="auto", overwrite=True).rank == 2


def test_a_store_that_another_process_writes_is_refused_before_anything_is_planned(store):
    fit(store)
    said = []
    with (
        checkpoint.Store(store),
        pytest.raises(dnmf.CheckpointError, match=f"is being written by process {os.getpid()}"),
    ):
        fit(store, overwrite=True, callbacks=said.append)
    assert not said


@pytest.mark.parametrize("overwrite", ["yes", 1, None, np.ones(2)], ids=repr)
def test_overwrite_is_true_or_false(store, overwrite):
    for write in (fit, along, lambda out, **options: fit(None).transform(A, out=out, **options)):
        with pytest.raises(dnmf.InputError, match="overwrite="):
            write(store, overwrite=overwrite)
    assert not store.exists()


# ---- before the plan ----


IMPOSSIBLE = {
    "in no directory": (lambda folder: folder / "nowhere" / "out", "its directory does not exist"),
    "a URL": (lambda folder: "https://host/out.dnmf", "URL"),
    "taken": (lambda folder: fit(folder / "taken.dnmf").path, "holds a|exists"),
    "a file": (lambda folder: a_file(folder / "x"), "is a file|exists"),
}


@pytest.mark.parametrize("place", IMPOSSIBLE)
def test_a_place_that_cannot_be_is_refused_before_anything_is_planned(tmp_path, place):
    where, words = IMPOSSIBLE[place]
    out, model, said = where(tmp_path), fit(None), []
    for write in (fit, along, lambda out, **options: model.transform(A, out=out, **options)):
        with pytest.raises(dnmf.DnmfError, match=words):
            write(out, callbacks=said.append)
    assert not said


def test_too_little_memory_leaves_no_store(store):
    for write in (fit, along):
        with pytest.raises(dnmf.BudgetError):
            write(store, memory_limit="1MB")
        assert not store.exists()


# ---- the command line ----


@pytest.mark.slow
def test_the_commands_overwrite_what_the_functions_do(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(20, 8))
    data, run, out, along_it = tmp_path / "a.zarr", tmp_path / "r.dnmf", tmp_path / "W.zarr", tmp_path / "p.dnmf"
    commands = (
        ("fit", data, "--rank", 2, "--store", run, "--max-passes", 2),
        ("path", data, "--rank", 2, "--store", along_it, "--strengths", 0.1, "--l1", 1, "--max-passes", 2),
        ("transform", run, data, "--out", out),
    )
    for command in commands:
        assert call(*command).exit_code == 0
        refused = call(*command)
        assert_one_clear_line(refused, "--overwrite")
        assert "plan" not in refused.output
        assert call(*command, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (A, {}, r"holds a run already\. Choose another store"),
        (A, {"rank": 1}, r"holds a run already with other options \(rank: 2 → 1\)\. Choose another store"),
        (A[:-1], {}, r"holds a run already of other data \([^)]*shape: [^)]*\)\. Choose another store"),
        (A[:-1], {"seed": 3}, r"holds a run already of other data \(.*\) and with other options \(seed: 0 → 3\)\. "),
    ],
)
def test_a_run_that_is_in_the_way_is_told_from_the_one_that_was_asked_for(store, source, options, words):
    dnmf.fit(A, **{"rank": 2, "max_passes": 2}, store=store)
    asked = {"rank": 2, "max_passes": 2, **options}
    with pytest.raises(dnmf.CheckpointError, match=words + r"?.*overwrite=True \(--overwrite\).*dnmf resume"):
        dnmf.fit(source, **asked, store=store)


@pytest.mark.slow
def test_a_path_of_other_data_is_told_from_the_one_that_was_asked_for(store):
    along(store)
    with pytest.raises(
        dnmf.CheckpointError, match=r"holds a regularization path already of other data \(.*shape: .*--overwrite"
    ):
        along(store, source=A[:-1])
