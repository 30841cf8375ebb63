"""What is said of matrices and runs: testable without the command line."""

from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from command_line import assert_one_clear_line, call
from example_models import model_of
from random_matrices import random_csr

import dnmf
from dnmf import checkpoint
from dnmf.cli.texts import run_lines, source_lines
from dnmf.inspection import components, inspect_run, is_run, run_status
from dnmf.matrix_inspection import inspect_source
from dnmf.penalty import Penalty
from dnmf.sources import open_source

SHAPE = (300, 40)


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).random(SHAPE, dtype=np.float32)


@pytest.fixture(scope="module")
def dense(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("dense") / "a.zarr"
    zarr.create_array(path, data=values, chunks=(50, 40))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, dense):
    store = tmp_path_factory.mktemp("run") / "a.dnmf"
    dnmf.fit(str(dense), rank=3, store=store, tol=0, max_passes=4)
    return store


@pytest.fixture
def stopped(tmp_path, dense):
    def stop(event):
        if getattr(event, "record", None) and event.record.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dnmf.fit(str(dense), rank=3, store=tmp_path / "b.dnmf", tol=0, callbacks=[stop])
    return tmp_path / "b.dnmf"


def compressed(path, matrix, encoding):
    group = zarr.open_group(path, mode="w", attributes={"encoding-type": encoding, "shape": list(matrix.shape)})
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(matrix, name))
    return path


def test_a_dense_matrix_is_described_without_reading_its_values(dense):
    found = inspect_source(open_source(dense), rank=3)
    assert (found["kind"], found["shape"], found["dtype"]) == ("dense", [300, 40], "float32")
    assert found["decoded_bytes"] == 300 * 40 * 4
    assert found["nonzeros"] is None
    assert found["layout"]["row_step"] == 50
    assert found["plan"]["refused"] is None
    assert found["plan"]["panels"] >= found["plan"]["tasks"] >= 1


@pytest.mark.broad(1)
@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_a_sparse_matrix_has_the_users_shape_and_its_density(tmp_path, kind):
    matrix = random_csr((60, 20), 0.1).asformat(kind)
    found = inspect_source(open_source(compressed(tmp_path / "s.zarr", matrix, f"{kind}_matrix")), rank=3)
    assert (found["kind"], found["shape"]) == (kind, [60, 20])
    assert found["nonzeros"] == matrix.nnz
    assert found["density"] == pytest.approx(0.1)
    assert found["layout"]["transposed"] == (kind == "csc")


def test_names_are_told(values):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(values[:5, :3], columns=["x", "y", "z"], index=list("abcde"))
    found = inspect_source(open_source(frame))
    assert (found["row_names"], found["first_row_name"]) == (True, "a")
    assert (found["column_names"], found["first_column_name"]) == (True, "x")


def test_the_default_rank_is_what_a_small_matrix_allows(values):
    assert inspect_source(open_source(values[:7]))["plan"]["rank"] == 7
    assert inspect_source(open_source(values))["plan"]["rank"] == 20


@pytest.mark.parametrize("rank", [0, 41])
def test_a_rank_the_matrix_does_not_allow_is_refused(dense, rank):
    with pytest.raises(dnmf.InputError, match="40"):
        inspect_source(open_source(dense), rank=rank)


def test_a_plan_that_does_not_fit_is_said_with_its_numbers(dense):
    plan = inspect_source(open_source(dense), rank=3, memory_limit="1MiB")["plan"]
    assert "1.0 MiB" in plan["refused"]
    assert plan["limit_bytes"] == 2**20


ASKED = {
    "nothing": {},
    "a random start": {"init": "random"},
    "a surrogate": {"init": "surrogate"},
    "singular vectors": {"init": "nndsvda"},
    "restarts": {"init": "random", "restarts": 3},
    "float64": {"dtype": "float64"},
    "no extrapolation": {"extrapolate": False},
    "sweeps of rows": {"solver": "hals", "sweeps": 2, "exact_rows": False},
    "counts": {"loss": "kullback-leibler"},
    "implicit feedback": {"implicit": 2.0},
    "a penalty in the objective": {"penalty": Penalty(l1=0.1, scale="objective")},
    "fractions": {"penalty": Penalty(l1=0.1, scale="fraction"), "init": "random"},
    "a free factor": {"constraints": dnmf.Constraints(free="W")},
    "given columns": {"constraints": dnmf.Constraints(fixed_W=np.ones(SHAPE[0]))},
    "nothing kept": {"keep": "stream"},
    "all kept": {"keep": "memory"},
}


@pytest.mark.parametrize("limit", ["1GB", "305MB"])
@pytest.mark.parametrize("options", ASKED.values(), ids=ASKED)
@pytest.mark.broad(1)
def test_the_plan_is_that_of_a_fit_with_the_same_options(dense, tmp_path, monkeypatch, options, limit):
    monkeypatch.setattr("psutil.Process.memory_info", lambda process: SimpleNamespace(rss=150 * 2**20))
    events = []

    def stop(event):
        events.append(event)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dnmf.fit(str(dense), 3, memory_limit=limit, store=tmp_path / "a.dnmf", callbacks=[stop], **options)
    (expected,) = events
    plan = inspect_source(open_source(dense), 3, limit, **options)["plan"]
    for name in ("tasks", "panels", "projected_bytes", "limit_bytes", "keeps"):
        assert plan[name] == getattr(expected, name)
    assert tuple(plan["gave_up"]) == expected.gave_up


@pytest.mark.slow
def test_what_is_asked_for_decides_the_plan(monkeypatch):
    monkeypatch.setattr("psutil.Process.memory_info", lambda process: SimpleNamespace(rss=150 * 2**20))
    wide = open_source(np.ones((300, 20_000), np.float32))
    takes = {
        what: inspect_source(wide, 3, "8GB", **ASKED[what])["plan"]
        for what in ("a random start", "a surrogate", "singular vectors", "restarts", "float64", "counts")
    }
    assert {plan["init"] for plan in takes.values()} == {"random", "surrogate", "nndsvda", "sample"}
    assert len({plan["projected_bytes"] for plan in takes.values()}) == len(takes)
    cut_alike = {what: plan for what, plan in takes.items() if plan["tasks"] == takes["a random start"]["tasks"]}
    assert len(cut_alike) > 3
    assert min(cut_alike, key=lambda what: cut_alike[what]["projected_bytes"]) == "a random start"


def test_starts_that_take_turns_are_told(monkeypatch):
    monkeypatch.setattr("psutil.Process.memory_info", lambda process: SimpleNamespace(rss=150 * 2**20))
    wide = open_source(np.ones((300, 20_000), np.float32))
    found = inspect_source(wide, 3, "1GB", init="random", restarts=500)
    together = found["plan"]["starts_per_pass"]
    assert 1 < together < 500
    assert f"start     500 starts, each at random; {together} of them in a pass" in source_lines(found)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"init": "svd"}, "init='svd': use one of"),
        ({"init": "nndsvd", "restarts": 3}, "the same every time"),
        ({"sweeps": 3}, "leave sweeps out"),
        ({"keep": "always"}, "keep='always'"),
    ],
)
def test_what_a_fit_refuses_a_plan_refuses_too(dense, options, reason):
    with pytest.raises(dnmf.InputError, match=reason):
        inspect_source(open_source(dense), 3, **options)


def test_a_run_is_told_from_data(run, dense, tmp_path):
    assert is_run(run)
    assert not is_run(dense)
    assert not is_run(tmp_path / "nothing")
    assert not is_run("https://host/a.zarr")


def test_a_finished_run_has_its_error_and_its_components(run):
    model, found = dnmf.load(run), inspect_run(run, top=2)
    assert (found["status"], found["passes"], found["rank"]) == ("done", 4, 3)
    assert found["relative_error"] == model.relative_error
    assert np.array_equal(zarr.open_array(found["W"], mode="r")[:], model.read_W())
    assert [len(entry["top"]) for entry in found["components"]] == [2, 2, 2]


CORNERS = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1.0]])  # of rank 3, of non-negative rank 4
SIGNED = dnmf.Constraints(free="W")


@pytest.mark.broad(2)
@pytest.mark.parametrize(
    ("rank", "asked", "said"),
    [
        (4, {"dtype": "float32"}, None),
        (4, {"dtype": "float64"}, "the non-negative rank is at most 4"),
        (3, {"dtype": "float64"}, None),
        (3, {"dtype": "float64", "constraints": SIGNED}, "the rank is at most 3"),
        (2, {"dtype": "float64", "constraints": SIGNED}, None),
        (4, {"mask": np.ones((4, 4), bool)}, None),
        (4, {"implicit": 1.0}, None),
        (4, {"loss": "kullback-leibler"}, None),
    ],
)
def test_an_exact_low_rank_is_noted_and_nothing_else_is(tmp_path, rank, asked, said):
    store = tmp_path / "corners.dnmf"
    dnmf.fit(CORNERS, rank, store=store, **asked)
    lines = [line for line in run_lines(inspect_run(store)) if line.startswith("exact")]
    assert [line.rpartition("; ")[2] for line in lines] == ([said] if said else [])


def test_components_come_by_weight_with_their_strongest_columns():
    model = model_of([[1.0, 1.0], [0.0, 2.0]], [[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    first, second = components(model.with_names(column_names=["x", "y", "z"]), top=2)
    assert (first["number"], first["weight"], first["share"]) == (1, 3.0, 0.75)
    assert [place["name"] for place in first["top"]] == ["z", "y"]
    assert [place["column"] for place in second["top"]] == [0, 1]
    first, second = components(model, top=2, side="W")
    assert ([place["row"] for place in first["top"]], first["rows"]) == ([1, 0], 1)
    assert ([place["row"] for place in second["top"]], second["rows"]) == ([0], 1)


def test_a_dead_component_has_no_columns():
    assert components(model_of(np.zeros((2, 1)), np.zeros((1, 4))), top=3)[0]["top"] == []


def test_a_stopped_run_says_how_far_it_is(stopped, dense):
    found = run_status(stopped)
    assert (found["status"], found["passes"], found["source"]) == ("stopped", 2, str(dense))
    assert found["writer"] is None
    assert inspect_run(stopped) == found


def test_a_run_that_is_being_written_names_its_writer(stopped):
    with checkpoint.Store(stopped):
        found = run_status(stopped)
    assert found["status"] == "running"
    assert found["writer"]["pid"] > 0
    assert run_status(stopped)["status"] == "stopped"


def test_a_run_before_its_first_commit_is_starting(tmp_path):
    with checkpoint.Store(tmp_path / "c.dnmf"):
        assert is_run(tmp_path / "c.dnmf")
        assert run_status(tmp_path / "c.dnmf")["status"] == "starting"
    with pytest.raises(dnmf.CheckpointError):
        run_status(tmp_path / "c.dnmf")


def test_looking_at_a_run_does_not_keep_a_writer_out(stopped):
    run_status(stopped)
    with checkpoint.Store(stopped):
        pass


def test_a_place_where_nothing_is_is_no_matrix(tmp_path):
    refused = call("inspect", tmp_path / "nothere.dnmf", "--top", 2)
    assert_one_clear_line(refused, "there is nothing at this path")


def test_a_place_without_a_run_is_refused(tmp_path):
    with pytest.raises(dnmf.CheckpointError):
        run_status(tmp_path / "nothing")
