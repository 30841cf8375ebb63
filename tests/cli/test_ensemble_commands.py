"""The commands ranks and consensus, and what the other commands make of their stores."""

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call, records
from study_bits import stop_after

import dnmf
from dnmf.errors import Interrupted

FEW = ["--seeds", 2, "--folds", 2]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    rng = np.random.default_rng(0)
    A = rng.random((200, 3)) ** 4 @ rng.random((3, 40)) ** 4 * rng.gamma(20, 1 / 20, (200, 40))
    path = str(tmp_path_factory.mktemp("data") / "A.zarr")
    zarr.create_array(path, data=A, chunks=(50, 40))
    return path


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory, matrix):
    store = str(tmp_path_factory.mktemp("ranks") / "r.dnmf")
    assert call("ranks", matrix, "--ranks", "2-4", *FEW, "--store", store).exit_code == 0
    return store


@pytest.fixture(scope="module")
def of_consensus(tmp_path_factory, matrix):
    store = str(tmp_path_factory.mktemp("consensus") / "c.dnmf")
    assert call("consensus", matrix, "--rank", 3, "--seeds", "1,2,5", "--store", store).exit_code == 0
    return store


@pytest.mark.slow
def test_ranks_prints_a_table_and_what_it_suggests(tmp_path, matrix):
    result = call("ranks", matrix, "--ranks", "2-4", *FEW, "--seed", 3, "--store", tmp_path / "r.dnmf")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["rank", "held-out", "error", "±", "found", "again", "stability", "error", "passes",
                                "reads", "CPU", "s"]  # fmt: skip
    assert [line.split()[0] for line in lines[1:4]] == ["2", "3", "4"]
    found = dnmf.load_ranks(tmp_path / "r.dnmf")
    assert found.options.fit.seed == 3
    assert found.reason in result.stdout
    assert "models in it" in result.stderr


@pytest.mark.slow
def test_ranks_may_be_lists_and_ranges(tmp_path, matrix):
    store = tmp_path / "r.dnmf"
    assert call("ranks", matrix, "--ranks", "2,4-5", *FEW, "--max-passes", 3, "--store", store).exit_code == 0
    assert dnmf.load_ranks(store).ranks == (2, 4, 5)
    for wrong in ("5-2", "two", "2;3"):
        result = call("ranks", matrix, "--ranks", wrong, "--store", tmp_path / "q.dnmf")
        assert result.exit_code == 2
        assert "--ranks" in result.stderr


def test_consensus_prints_what_was_agreed_on(of_consensus):
    result = call("inspect", of_consensus)
    assert result.exit_code == 0
    for said in ("silhouette", "kept", "of seeds 1, 2, 5", "dnmf.load_consensus("):
        assert said in result.stdout
    assert dnmf.load_consensus(of_consensus).seeds == (1, 2, 5)


@pytest.mark.slow
def test_json_has_the_same_facts(of_ranks, of_consensus):
    (ranks,) = records(call("inspect", of_ranks, "--json"))
    assert (ranks["kind"], ranks["ranks"], ranks["folds"], len(ranks["rows"])) == ("ranks", [2, 3, 4], 2, 3)
    (consensus,) = records(call("status", of_consensus, "--json"))
    assert (consensus["kind"], consensus["models"], consensus["models_done"]) == ("consensus", 3, 3)


@pytest.mark.slow
@pytest.mark.broad(1)
@pytest.mark.parametrize("what", ["ranks", "consensus"])
def test_what_was_stopped_goes_on_on_the_command_line(tmp_path, matrix, what):
    store = tmp_path / "s.dnmf"
    fit, of = (dnmf.ranks, ([2, 3],)) if what == "ranks" else (dnmf.consensus, (3,))
    with pytest.raises(Interrupted):
        fit(matrix, *of, seeds=2, store=store, callbacks=[stop_after(2)])
    assert "stopped" in call("status", store).stdout
    refused = call("resume", store, "--max-passes", 3)
    assert refused.exit_code == 2
    assert "single fit" in refused.stderr
    assert call("resume", store).exit_code == 0
    again = call("resume", store)
    assert again.exit_code == 0
    assert "nothing to do" in again.output


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", ["ranks", "clustergram"])
def test_they_are_drawn(tmp_path, of_ranks, of_consensus, kind):
    store = of_ranks if kind == "ranks" else of_consensus
    for number, asked in enumerate(([], ["--kind", kind])):
        out = tmp_path / f"{number}.png"
        assert call("plot", store, *asked, "--out", out).exit_code == 0
        assert out.stat().st_size > 10_000


def test_other_commands_say_what_the_store_holds(of_ranks, matrix, tmp_path):
    for command in (
        ("transform", of_ranks, matrix, "--out", tmp_path / "W.zarr"),
        ("fit", matrix, "--rank", 2, "--store", of_ranks),
    ):
        result = call(*command)
        assert_one_clear_line(result)
        assert "models of several ranks" in result.stderr
