"""A loss of one's own on the command line: the module that registers it is imported first."""

import sys

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call

import dnmf
from dnmf.losses.table import _LOSSES

MODULE = """
import numpy as np
import dnmf

class Halved(dnmf.Loss):
    name = "halved"

    def value(self, a, y):
        return 0.25 * np.square(a.astype(np.float64) - y)

    def weights(self, a, y):
        return 0.5 * (a - y), np.full_like(y, 0.5)

dnmf.losses.register(Halved())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "losses_of_mine.py").write_text(MODULE)
    zarr.create_array(tmp_path / "data.zarr", data=np.random.default_rng(0).random((60, 12)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    _LOSSES.pop("halved", None)
    sys.modules.pop("losses_of_mine", None)


FIRST = ["--import", "losses_of_mine"]
SHORT = ["--rank", 2, "--loss", "halved", "--max-passes", 2, "--quiet"]


@pytest.mark.slow
def test_a_module_is_imported_before_a_command_that_needs_its_loss(folder):
    assert call(*FIRST, "fit", "data.zarr", "--store", "run.dnmf", *SHORT).exit_code == 0
    assert dnmf.load("run.dnmf").options.loss == "halved"
    for command in (
        ["inspect", "run.dnmf"],
        ["resume", "run.dnmf", "--max-passes", 3, "--quiet"],
        ["report", "run.dnmf", "--out", "page.html"],
        ["inspect", "data.zarr", "--loss", "halved"],
    ):
        assert call(*FIRST, *command).exit_code == 0, command


@pytest.mark.broad(1)
@pytest.mark.parametrize("command", [["inspect"], ["resume", "--max-passes", 3], ["report", "--out", "page.html"]])
def test_a_run_whose_loss_is_not_known_says_what_to_import(folder, command):
    call(*FIRST, "fit", "data.zarr", "--store", "run.dnmf", *SHORT)
    _LOSSES.pop("halved")
    name, *options = command
    assert_one_clear_line(call(name, "run.dnmf", *options), "run.dnmf", "halved", "dnmf --import MODULE")


def test_a_loss_that_is_not_known_is_no_choice(folder):
    result = call("fit", "data.zarr", "--store", "run.dnmf", *SHORT)
    assert result.exit_code == 2
    assert "itakura-saito; one of yours needs dnmf --import MODULE" in result.stderr


def test_a_module_that_cannot_be_imported_is_told_by_its_name(folder):
    (folder / "broken.py").write_text("1 / 0")
    for module, told in (("no_such_module", "No module named"), ("broken", "ZeroDivisionError")):
        result = call("--import", module, "status", "run.dnmf")
        assert result.exit_code == 2
        assert f"{module}: " in result.stderr
        assert told in result.stderr
