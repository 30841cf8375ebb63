"""Where stores are: in a directory that is there, under any name, on full disks, on disks nobody can write to."""

import errno
import io
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call
from example_models import random_model

import dnmf
import dnmf.plots
from dnmf import checkpoint
from dnmf.conversion import staging
from dnmf.fitting.events import Started
from dnmf.inspection import run_status
from dnmf.plots import figures

A = np.random.default_rng(0).random((40, 9)).astype(np.float32)
PENALTY = dnmf.Penalty(l1=1.0)


def _path(store):
    return dnmf.path(A, 2, PENALTY, [0, 0.1], max_passes=2, measures="cheap", store=store)


WRITERS = {
    "fit": lambda place: dnmf.fit(A, 2, max_passes=2, store=place),
    "path": _path,
    "save": lambda place: dnmf.fit(A, 2, max_passes=2).save(place),
    "save of a path": lambda place: _path(None).save(place),
    "the estimator": lambda place: dnmf.NMF(2, max_iter=2, tol=0, store=place).fit(A),
    "transform": lambda place: dnmf.fit(A, 2, max_passes=2).transform(A, out=place),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_place_in_a_directory_that_is_not_there_is_refused_by_name(tmp_path, writer):
    above = tmp_path / "mistyped" / "runs"
    with pytest.raises(dnmf.CheckpointError, match=f"does not exist; create {above} first"):
        WRITERS[writer](above / "run.dnmf")
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["run", "run 2.d", "läuft", "RUN.DNMF"])
def test_a_place_may_have_any_name(tmp_path, writer, name):
    WRITERS[writer](tmp_path / name)
    assert (tmp_path / name).is_dir()


@pytest.mark.broad(3)
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["runs::1/r.dnmf", "::.dnmf"])
def test_two_colons_in_a_name_lead_nowhere_else(tmp_path, monkeypatch, writer, name):
    for folder in ("runs", "runs::1"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    WRITERS[writer](name)
    assert sorted(os.listdir()) == sorted({"runs", "runs::1", name.partition("/")[0]})
    assert os.listdir("runs") == []
    assert os.path.isdir(name)


def _converted(place):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/A.npy", A)
        return dnmf.convert(f"{folder}/A.npy", place)


IN_DATA = {
    **WRITERS,
    "convert": _converted,
    "a report": lambda place: dnmf.plots.report(random_model(), place.with_suffix(".html")),
    "a page": lambda place: dnmf.plots.slider_page({0.1: random_model()}, place.with_suffix(".html")),
}


@pytest.mark.broad(4)
@pytest.mark.parametrize("writer", IN_DATA)
def test_the_directory_of_an_array_is_data_and_nothing_else_is_written_there(tmp_path, writer):
    for version in (2, 3):
        zarr.create_array(tmp_path / f"{version}.zarr", data=A, zarr_format=version)
    (tmp_path / "3.zarr" / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "3.zarr" / "c", target_is_directory=True)
    before = sorted(tmp_path.rglob("*"))
    for place in ("2.zarr/run", "3.zarr/run", "3.zarr/c/run", "3.zarr/empty", "link/run"):
        with pytest.raises(dnmf.DnmfError, match=r"lies in the Zarr array .*zarr.*; choose another place"):
            IN_DATA[writer](tmp_path / place)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_group_may_hold_runs_beside_its_arrays(tmp_path):
    data = tmp_path / "a.zarr"
    _converted(data)
    for name in ("one.dnmf", "other.dnmf"):
        dnmf.fit(data, 2, max_passes=2, tol=0, store=data / name)
    dnmf.load(data / "one.dnmf").transform(data, out=data / "W.zarr")
    with pytest.raises(KeyboardInterrupt):
        dnmf.fit(data, 2, max_passes=4, tol=0, store=data / "third.dnmf", callbacks=interrupted_in_pass_2)
    whole = dnmf.fit(data, 2, max_passes=4, tol=0)
    for name in ("one.dnmf", "third.dnmf"):
        resumed = dnmf.resume(data / name, max_passes=4)
        assert resumed.read_W().tobytes() == whole.read_W().tobytes()


def interrupted_in_pass_2(event):
    if getattr(getattr(event, "record", None), "number", 0) == 2:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_on_the_command_line_too(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(10, 9))
    data, store = tmp_path / "a.zarr", tmp_path / "mistyped" / "run.dnmf"
    assert_one_clear_line(call("fit", data, "--rank", 2, "--store", store), f"create {store.parent} first")
    assert call("fit", data, "--rank", 2, "--store", tmp_path / "run").exit_code == 0


def _full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FULL = {
    "an array of W is made": (zarr, "create_array"), "W is written": (zarr.Array, "__setitem__"),
    "a file is written": (checkpoint.Files, "write"), "a file is brought to the disk": (checkpoint.Files, "sync"),
    "a file gets its name": (checkpoint.Files, "replace"), "a directory is made": (checkpoint.Files, "make_directory"),
}  # fmt: skip


@pytest.mark.broad(6)
@pytest.mark.parametrize("existing", [False, True], ids=["new", "empty directory"])
@pytest.mark.parametrize("moment", FULL)
@pytest.mark.parametrize("what", ["save", "save of a path"])
def test_a_disk_that_fills_while_something_is_saved_leaves_nothing(tmp_path, monkeypatch, what, moment, existing):
    place, holder = tmp_path / "saved.dnmf", _path(None) if "path" in what else random_model()
    if existing:
        place.mkdir()
    holder_of, name = FULL[moment]
    with monkeypatch.context() as patch:
        patch.setattr(holder_of, name, _full)
        with pytest.raises(dnmf.CheckpointError, match="No space left on device"):
            holder.save(place)
    left = {path.name for path in tmp_path.rglob("*")}
    assert left <= {"saved.dnmf", "LOCK"} if existing else not left
    holder.save(place)
    assert not [path for path in place.rglob("*") if path.name.startswith("raw")]


def _refuses(code, path=None):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code), path)

    return refuse


class FullFile(io.BytesIO):
    write = _refuses(errno.ENOSPC)


MOMENTS = {
    "a picture is written": (figures, "open", lambda *_: FullFile()),
    "a picture is made": (figures, "open", _refuses(errno.EROFS, ".hidden")),
    "a picture gets its name": (os, "replace", _refuses(errno.EDQUOT, ".hidden")),
    "room is made for a store": (tempfile, "mkdtemp", _refuses(errno.EROFS, ".hidden")),
    "a store gets its mark": (staging, "sign", _refuses(errno.ENOSPC, ".hidden")),
    "a store gets its name": (staging, "_publish", _refuses(errno.EACCES, ".hidden")),
    "an array of W is made": FULL["an array of W is made"] + (_full,),
    "W is written": FULL["W is written"] + (_full,),
}
WRITTEN = {
    "picture": (lambda place: figures.write_whole(place.with_suffix(".png"), b"drawn"), ".png"),
    "store": (lambda place: random_model().transform(np.ones((30, 12)), out=place), ""),
    "W": (lambda place: random_model().transform(np.ones((30, 12)), out=place), ""),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_cannot_be_written_is_called_as_it_was_asked_for(tmp_path, monkeypatch, moment):
    what = next(kind for kind in WRITTEN if kind in moment)
    write, suffix = WRITTEN[what]
    with monkeypatch.context() as patch:
        patch.setattr(*MOMENTS[moment], raising=False)
        with pytest.raises(dnmf.DnmfError) as refused:
            write(tmp_path / "asked")
    assert str(refused.value).startswith(f"{tmp_path / 'asked'}{suffix}")
    assert "hidden" not in str(refused.value)
    assert "converting" not in str(refused.value)
    assert "Errno" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_that_was_killed_left_is_written_over(tmp_path):
    checkpoint.Store(tmp_path / "saved.dnmf").close()
    model = random_model()
    np.testing.assert_array_equal(model.save(tmp_path / "saved.dnmf").read_W(), model.read_W())


@pytest.mark.parametrize("moment", ["an array of W is made", "W is written"])
def test_a_disk_that_fills_in_transform_leaves_nothing(tmp_path, monkeypatch, moment):
    model = random_model()
    with monkeypatch.context() as patch:
        patch.setattr(*FULL[moment], _full)
        with pytest.raises(dnmf.CheckpointError, match="No space left on device"):
            model.transform(np.ones((30, 12)), out=tmp_path / "new.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_disk_that_fills_on_the_last_pass_leaves_its_room_free(tmp_path, monkeypatch):
    store = tmp_path / "run.dnmf"
    for moment in ("an array of W is made", "W is written"):
        with monkeypatch.context() as patch:
            patch.setattr(*FULL[moment], _full)
            with pytest.raises(dnmf.CheckpointError, match="No space left on device"):
                dnmf.resume(store, source=A) if checkpoint.exists(store) else _fit_into(store)
        assert not list(store.glob("*.zarr"))
    whole = dnmf.fit(A, 2, max_passes=3, tol=0)
    assert dnmf.resume(store, source=A).read_W().tobytes() == whole.read_W().tobytes()


def _fit_into(store):
    return dnmf.fit(A, 2, max_passes=3, tol=0, store=store)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_after_a_kill_before_the_first_commit_the_message_says_what_to_run_and_that_works(tmp_path, monkeypatch):
    store = tmp_path / "run.dnmf"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Store, "commit", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            _fit_into(store)
    for way in (dnmf.resume, dnmf.load, run_status, dnmf.resume_path, dnmf.load_path):
        with pytest.raises(dnmf.CheckpointError, match="[Rr]un dnmf fit"):
            way(store)
    assert len(_fit_into(store).history) == 3


@pytest.mark.slow
def test_after_a_kill_in_the_first_pass_both_ways_lead_on(tmp_path):
    def kill(event):
        if isinstance(event, Started):
            raise Killed

    whole = dnmf.fit(A, 2, max_passes=3, tol=0)
    for name, go_on in (("a", lambda store: dnmf.resume(store, source=A)), ("b", _fit_into)):
        with pytest.raises(Killed):
            dnmf.fit(A, 2, max_passes=3, tol=0, store=tmp_path / name, callbacks=(kill,))
        assert go_on(tmp_path / name).read_W().tobytes() == whole.read_W().tobytes()


READ_ONLY = """
import sys
import dnmf
from click.testing import CliRunner
from dnmf.cli import commands

place = sys.argv[1]
try:
    open(place + "/new", "w")
except OSError as error:
    assert error.errno == 30
else:
    sys.exit(3)
for read in (dnmf.load, dnmf.resume):
    assert read(place + "/run.dnmf").read_W().any()
for read in (dnmf.load_path, dnmf.resume_path):
    assert read(place + "/path.dnmf").model(0).read_W().any()
drawn = [sys.argv[2] + ending for ending in (".png", "2.png", ".html")]
stores = [place + name for name in ("/run.dnmf", "/path.dnmf")]
calls = [[command, store] for command in ("status", "inspect", "resume") for store in stores]
calls += [["plot", place + "/run.dnmf", "--out", drawn[0]], ["plot", place + "/path.dnmf", "--out", drawn[1]]]
calls += [["report", place + "/run.dnmf", "--out", drawn[2]]]
for call in calls:
    done = CliRunner().invoke(commands, call)
    assert done.exit_code == 0, (call, done.output)
assert dnmf.load(place + "/run.dnmf").save(sys.argv[2]).read_W().any()
try:
    dnmf.resume(place + "/half.dnmf")
except dnmf.CheckpointError as error:
    assert "Read-only file system" in str(error), error
else:
    sys.exit(4)
"""


@pytest.mark.slow
def test_what_is_finished_is_read_from_a_disk_that_nobody_can_write_to(tmp_path):
    place = tmp_path / "ro"
    place.mkdir()
    _fit_into(place / "run.dnmf")
    _path(place / "path.dnmf")

    def kill(event):
        if isinstance(event, Started):
            raise Killed

    with pytest.raises(Killed):
        dnmf.fit(A, 2, store=place / "half.dnmf", callbacks=(kill,))
    mount = f"mount --bind {place} {place} && mount -o remount,ro,bind {place}"
    if subprocess.run(["unshare", "-m", "bash", "-c", mount], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    script = f"{mount} && exec {sys.executable} -c '{READ_ONLY}' {place} {tmp_path / 'saved.dnmf'}"
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_finished_run_is_resumed_without_its_lock(tmp_path):
    store = tmp_path / "run.dnmf"
    model = _fit_into(store)
    with checkpoint.Store(store):
        np.testing.assert_array_equal(dnmf.resume(store).read_W(), model.read_W())
