"""Paths as people write them: homes, links, odd names, and what cannot be followed, at every door."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call

import dnmf
from dnmf.inspection import run_status
from dnmf.locations import local_path

A = np.random.default_rng(0).random((30, 8))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home, and a current directory beside it, which stays empty."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert os.listdir(tmp_path / "here") == []


@pytest.mark.slow
def test_a_tilde_is_the_home_at_every_door(home):
    np.save(home / "A.npy", A)
    (home / "names.txt").write_text("\n".join("abcdefgh"))
    dnmf.convert("~/A.npy", "~/A.zarr", column_names="~/names.txt")
    dnmf.fit("~/A.zarr", 2, store="~/run.dnmf", max_passes=2)
    model = dnmf.resume("~/run.dnmf", source="~/A.zarr", max_passes=3)
    assert dnmf.load("~/run.dnmf").address == str(home / "A.zarr::X")
    assert model.save("~/saved.dnmf").path == home / "saved.dnmf"
    model.transform("~/A.zarr", out="~/W.zarr")
    path = dnmf.path("~/A.zarr", 2, dnmf.Penalty(l1=1.0), [0.1], store=Path("~/path.dnmf"), max_passes=2)
    assert dnmf.resume_path("~/path.dnmf").strengths == dnmf.load_path("~/path.dnmf").strengths
    assert path.save("~/again.dnmf").path == home / "again.dnmf"
    assert run_status("~/run.dnmf")["status"] == "done"
    assert dnmf.NMF(2, store="~/nmf.dnmf", max_iter=2).fit("~/A.zarr").model_.path == home / "nmf.dnmf"


@pytest.mark.slow
def test_a_tilde_is_the_home_on_the_command_line(home):
    np.save(home / "A.npy", A)
    np.save(home / "H.npy", A[:1])
    for line in (
        "convert ~/A.npy ~/A.zarr",
        "fit ~/A.zarr --rank 2 --max-passes 2 --store ~/run.dnmf --fixed-h ~/H.npy",
        "resume ~/run.dnmf --max-passes 3 --source ~/A.zarr",
        "status ~/run.dnmf",
        "inspect ~/run.dnmf",
        "inspect ~/A.zarr",
        "transform ~/run.dnmf ~/A.zarr --out ~/W.zarr",
        "plot ~/run.dnmf --out ~/run.png",
        "report ~/run.dnmf --out ~/run.html",
    ):
        result = call(*line.split())
        assert result.exit_code == 0, result.output
    assert {"A.zarr", "run.dnmf", "W.zarr", "run.png", "run.html"} <= set(os.listdir(home))


@pytest.mark.parametrize(
    "name", ["with space", "50%", "a#b?c", "a::b", "file::", "::", "line\nbreak", "-x", "~x", os.fsdecode(b"\xff")]
)
@pytest.mark.broad(1)
def test_odd_names_are_names(home, name):
    folder = home / name
    folder.mkdir()
    zarr.save_array(folder / "A.zarr", A)
    model = dnmf.fit(folder / "A.zarr", 2, store=folder / "run.dnmf", max_passes=2)
    np.testing.assert_array_equal(dnmf.resume(folder / "run.dnmf", max_passes=3).H.shape, model.H.shape)
    assert model.transform(folder / "A.zarr", out=folder / "W.zarr").compute().shape == (30, 2)
    assert call("status", folder / "run.dnmf").exit_code == 0
    assert pickle.loads(pickle.dumps(model)).rank == 2


DOORS = {
    "fit": lambda path: dnmf.fit(path, 2),
    "a store": lambda path: dnmf.fit(A, 2, store=path),
    "a path's store": lambda path: dnmf.path(A, 2, dnmf.Penalty(l1=1.0), [0], store=path),
    "load": dnmf.load,
    "resume": dnmf.resume,
    "load_path": dnmf.load_path,
    "resume_path": dnmf.resume_path,
    "convert": lambda path: dnmf.convert(path, "target.zarr"),
    "a target": lambda path: dnmf.convert(__file__, path),
    "save": lambda path: dnmf.fit(A, 2, max_passes=1).save(path),
    "transform": lambda path: dnmf.fit(A, 2, max_passes=1).transform(A, out=path),
}
WRONG = {
    "a file on the way": lambda folder: f"{__file__}/x",
    "a long name": lambda folder: str(folder / ("n" * 300)),
    "a circle of links": lambda folder: f"{circle(folder)}/x",
    "nobody's home": lambda folder: "~nobody-of-this-name/x",
    "a NUL": lambda folder: "a\0b",
    "half a sign": lambda folder: "\ud800",
    "no text": lambda folder: "",
    "bytes": lambda folder: b"run.dnmf",
    "a number": lambda folder: 3.5,
    "nothing": lambda folder: object(),
}


def circle(folder):
    (folder / "circle").symlink_to(folder / "circle")
    return folder / "circle"


@pytest.mark.broad(40)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_what_cannot_be_followed_is_refused_in_words(home, make, door):
    with pytest.raises(dnmf.DnmfError) as refused:
        door(make(home))
    assert "Errno" not in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.fixture
def lost(tmp_path, monkeypatch):
    """The current directory is gone."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_path_from_a_current_directory_that_is_gone_says_so(lost, door):
    with pytest.raises(dnmf.DnmfError, match=r"^\S+: the current directory is gone"):
        door("x.zarr")


def test_so_do_the_commands_and_workers_that_would_start_there(lost, tmp_path):
    zarr.save_array(tmp_path / "x.zarr", A)
    commands = (
        "inspect x.zarr", "status r.dnmf", "resume r.dnmf", "fit x.zarr --rank 2 --store r.dnmf",
        "convert a.npy a.zarr", "transform r.dnmf x.zarr --out W.zarr", "plot r.dnmf --out p.png",
        "report r.dnmf --out p.html", "demo --dir d",
        f"fit {tmp_path}/x.zarr --rank 2 --store {tmp_path}/r.dnmf --workers 1",
    )  # fmt: skip
    for line in commands:
        assert_one_clear_line(call(*line.split()), "the current directory is gone")


def test_paths_from_the_root_need_no_current_directory(lost, tmp_path):
    zarr.save_array(tmp_path / "x.zarr", A)
    model = dnmf.fit(tmp_path / "x.zarr", 2, store=tmp_path / "run.dnmf", max_passes=2)
    assert model.transform(tmp_path / "x.zarr", out=tmp_path / "W.zarr").shape == (30, 2)
    assert dnmf.convert(tmp_path / "x.zarr", tmp_path / "converted.zarr").shape == (30, 8)


@pytest.mark.parametrize("name", ["x.zarr", "x.npy", "x.mtx", "x.h5ad", "x.csv", "x"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    path = tmp_path / name
    for door in (lambda: dnmf.fit(path, 2), lambda: dnmf.convert(path, tmp_path / "out.zarr")):
        with pytest.raises(dnmf.InputError, match="neither a file nor a directory"):
            door()
    for command in (["inspect", path], ["fit", tmp_path, "--rank", 2, "--store", "s.dnmf", "--fixed-h", path]):
        assert call(*command).exit_code == 1


def test_a_link_is_followed_and_a_path_stays_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zarr.save_array(str(tmp_path / "A.zarr"), A)
    (tmp_path / "link").symlink_to("A.zarr")
    assert dnmf.fit("link/", 2, max_passes=1).shape == (30, 8)
    assert local_path("./link") == Path("link")
