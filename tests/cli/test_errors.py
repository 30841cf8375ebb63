"""What goes wrong: an exit code and one clear line, never a traceback, nothing written over."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call, records

import dnmf
from dnmf import checkpoint
from dnmf.cli.exits import explain


def test_a_path_that_is_not_there(tmp_path):
    for command in (["inspect"], ["fit", "--rank", 2, "--store", tmp_path / "s.dnmf"]):
        assert_one_clear_line(call(*command, tmp_path / "gone.zarr"), "gone.zarr", "nothing at this path")
    for command in ("status", "resume"):
        assert_one_clear_line(call(command, tmp_path / "gone.dnmf"), "gone.dnmf")


def test_a_nan_is_named_with_its_place(tmp_path, values):
    broken = values.copy()
    broken[123, 4] = np.nan
    zarr.create_array(tmp_path / "nan.zarr", data=broken, chunks=(50, 40))
    result = call("fit", tmp_path / "nan.zarr", "--rank", 2, "--store", tmp_path / "s.dnmf")
    assert_one_clear_line(result, "nan.zarr", "row 123", "column 4")


def test_a_missing_chunk_is_not_read_as_zeros(tmp_path, data):
    shutil.copytree(data, tmp_path / "hole.zarr")
    (tmp_path / "hole.zarr" / "c" / "2" / "0").unlink()
    fit = ["fit", tmp_path / "hole.zarr", "--rank", 2, "--max-passes", 2, "--store"]
    assert_one_clear_line(call(*fit, tmp_path / "s.dnmf"), "c/2/0", "missing")
    assert call(*fit, tmp_path / "t.dnmf", "--missing-chunks", "zeros").exit_code == 0


def test_a_rank_that_is_too_large(tmp_path, data):
    assert_one_clear_line(call("fit", data, "--rank", 41, "--store", tmp_path / "s.dnmf"), "41", "40")


def test_a_store_in_use(half_way, data):
    with checkpoint.Store(half_way):
        assert_one_clear_line(call("resume", half_way), "half.dnmf")
        assert "running" in call("status", half_way).stdout


def test_a_store_that_holds_a_run_already(finished, data):
    before = dnmf.load(finished).H
    assert_one_clear_line(call("fit", data, "--rank", 3, "--store", finished), "dnmf resume")
    assert np.array_equal(dnmf.load(finished).H, before)


def test_a_corrupt_store(half_way):
    for manifest in Path(half_way).glob("gen-*/manifest.json"):
        manifest.write_text("{}")
    for command in ("status", "inspect", "resume"):
        assert_one_clear_line(call(command, half_way), "manifest.json")


def test_a_store_with_one_damaged_generation_warns_and_goes_on(half_way):
    newest = max(Path(half_way).glob("gen-*/manifest.json"))
    newest.write_text("{}")
    result = call("status", half_way)
    assert result.exit_code == 0
    assert result.stderr.startswith("dnmf: warning: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_scheduler_that_is_none(tmp_path, data):
    result = call("fit", data, "--rank", 2, "--store", tmp_path / "s.dnmf", "--scheduler", "nowhere")
    assert_one_clear_line(result, "nowhere", "tcp://")


@pytest.mark.parametrize("content", ["{}", "no json", "3"])
def test_a_file_that_is_no_scheduler_file(tmp_path, data, content):
    (tmp_path / "file.json").write_text(content)
    result = call("fit", data, "--rank", 2, "--store", tmp_path / "s.dnmf", "--scheduler", tmp_path / "file.json")
    assert_one_clear_line(result, "file.json", "not a scheduler file")


def test_other_columns_at_transform(tmp_path, finished):
    zarr.create_array(tmp_path / "wide.zarr", data=np.ones((5, 41), np.float32))
    result = call("transform", finished, tmp_path / "wide.zarr", "--out", tmp_path / "W.zarr")
    assert_one_clear_line(result, "wide.zarr", "41", "40")


def test_a_transform_that_fails_leaves_nothing(tmp_path, finished, values):
    broken = values.copy()
    broken[200, 0] = -1
    zarr.create_array(tmp_path / "negative.zarr", data=broken, chunks=(50, 40))
    result = call("transform", finished, tmp_path / "negative.zarr", "--out", tmp_path / "W.zarr")
    assert_one_clear_line(result, "row 200")
    assert [path.name for path in tmp_path.iterdir()] == ["negative.zarr"]


def test_too_little_memory_is_said_before_anything_starts(tmp_path, data):
    result = call("fit", data, "--rank", 2, "--store", tmp_path / "s.dnmf", "--memory-limit", "1MB")
    assert_one_clear_line(result, "Try a memory limit of")
    assert not (tmp_path / "s.dnmf").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rank", "3"],
        ["--store", "s.dnmf"],
        ["--rank", "0", "--store", "s.dnmf"],
        ["--rank", "3", "--store", "s.dnmf", "--memory-limit", "some"],
        ["--rank", "3", "--store", "s.dnmf", "--l1", "1,strong"],
        ["--rank", "3", "--store", "s.dnmf", "--penalty-scale", "sklearn"],
        ["--rank", "3", "--store", "s.dnmf", "--scheduler", "tcp://127.0.0.1:1", "--workers", "2"],
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(data, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("fit", data, *arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "W.zarr"), ["W.zarr: No space left on device", "free some room"]),
        (OSError(30, "Read-only file system", "W.zarr"), ["W.zarr: Read-only file system", "how it is mounted"]),
        (OSError(24, "Too many open files"), ["Too many open files", "ulimit -n"]),
        (OSError(5, "Input/output error", b"x"), ["x: Input/output error", "the disk", "try again"]),
        (OSError(36, "File name too long", "x" * 300), ["File name too long", "a shorter name"]),
        (OSError(18, "Invalid cross-device link", "a", None, "b"), ["a → b: Invalid cross-device", "try again"]),
        (TimeoutError(110, "Connection timed out"), ["Connection timed out", "network"]),
        (OSError("no number at all"), ["no number at all", "try again"]),
        (OSError(), ["OSError", "try again"]),
        (MemoryError("Unable to allocate 3 TiB"), ["out of memory", "3 TiB", "--memory-limit"]),
        (ImportError("No module named 's3fs'", name="s3fs"), ["s3fs", "pip install"]),
        (ImportError("cannot import name", name="dnmf.plan"), ["bug"]),
        (ZeroDivisionError("division\nby zero"), ["bug", "ZeroDivisionError: division by zero", "--debug"]),
        (dnmf.InputError("a NaN at row 1"), ["a NaN at row 1"]),
    ],
)
def test_every_error_is_one_line(error, words):
    code, line = explain(error)
    assert code == 1
    assert "\n" not in line
    assert "[Errno" not in line
    for word in words:
        assert word in line


def test_an_unexpected_error_shows_its_traceback_only_with_debug(monkeypatch, finished):
    def fail(path):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("dnmf.inspection.run_status", fail)
    assert_one_clear_line(call("status", finished), "bug", "ZeroDivisionError")
    result = call("status", finished, "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("status",), ("resume",), ("transform", "x.zarr", "--out", "W.zarr"), ("report", "--out", "r.html"),
        *(("plot", "--out", "x.png", "--kind", kind) for kind in ("convergence", "heatmap", "path", "slider")),
    ],
)  # fmt: skip
def test_a_store_that_is_not_there_is_one_text_in_every_command(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    name, *options = command
    result = call(name, "gone.dnmf", *options)
    assert_one_clear_line(result, "gone.dnmf: there is nothing at this path")


def test_an_error_is_an_object_in_json_too(tmp_path):
    result = call("status", tmp_path / "gone.dnmf", "--json")
    (record,) = records(result)
    assert (record["type"], record["error"], record["exit_code"]) == ("error", "CheckpointError", 1)
    assert_one_clear_line(result)
