"""The strongest columns and rows of a model in a table, and a model in a notebook."""

import itertools

import numpy as np
import pytest
from example_models import random_model, stored, watched

import dnmf
from dnmf.errors import InputError
from dnmf.inspection import components
from dnmf.tables import top_entries


@pytest.fixture
def model():
    A = np.random.default_rng(0).random((30, 12))
    names = {"row_names": [f"doc {at}" for at in range(30)], "column_names": [f"word {at}" for at in range(12)]}
    return dnmf.fit(A, 3, max_passes=3, **names)


@pytest.mark.parametrize("side", ["H", "W"])
def test_entries_come_by_component_and_share(model, side):
    factor = model.H if side == "H" else model.read_W().T
    table = model.top(4, side)
    assert len(table) == 3 * 4
    for component in range(3):
        entries = table.of(component)
        expected = np.argsort(-factor[component], kind="stable")[:4]
        assert [entry.number for entry in entries] == expected.tolist()
        assert [entry.share for entry in entries] == pytest.approx(factor[component][expected].tolist())
        assert [entry.place for entry in entries] == [0, 1, 2, 3]
        word = "word" if side == "H" else "doc"
        assert table.names()[component] == [f"{word} {at}" for at in expected]


def test_rows_are_read_a_chunk_at_a_time_and_come_out_the_same(tmp_path):
    model = stored(random_model(rows=200, rank=3), tmp_path, chunk_rows=7)
    whole = random_model(rows=200, rank=3)
    assert model.top(9, "W").entries == whole.top(9, "W").entries
    seen = watched(whole)
    seen.top(5, "W")
    assert [start for start, _ in seen.stored_W.reads] == list(range(0, 200, 7))


@pytest.mark.parametrize("cuts", [[0, 10], [0, 3, 4, 10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
@pytest.mark.parametrize("values", [[1, 5, 5, 0, -7, 5, 0, 2, 2, 5], [0] * 10, [3] * 10])
def test_how_entries_are_cut_changes_nothing(values, cuts):
    row = np.array([values], float)
    blocks = [(low, row[:, low:high]) for low, high in itertools.pairwise(cuts)]
    expected = [at for at in np.argsort(-np.abs(row[0]), kind="stable")[:4] if row[0, at]]
    assert [entry.number for entry in top_entries(blocks, None, 4)] == expected


def test_a_component_that_is_zero_has_no_entries():
    entries = top_entries([(0, np.array([[0.0, 0.0], [0.25, 0.75]]))], None, 2)
    assert [(entry.component, entry.number) for entry in entries] == [(1, 1), (1, 0)]


def test_names_that_only_count_are_numbers():
    entries = top_entries([(0, np.array([[0.25, 0.75]]))], np.array(["0", "1"]), 2)
    assert [entry.name for entry in entries] == ["1", "0"]


def test_a_table_is_a_sequence_a_text_a_frame_and_html(model):
    pytest.importorskip("pandas")
    table = model.top(2)
    assert table[0] == next(iter(table))
    assert len(table[:3]) == 3
    frame = table.to_pandas()
    assert list(frame.columns) == ["component", "place", "number", "name", "share"]
    assert frame.name[0] == table[0].name
    assert repr(table).splitlines()[1].strip().startswith(f"0  {table[0].name}")
    assert f"{table[0].name} ({table[0].share:.1%})" in table._repr_html_()


def test_a_model_in_a_notebook_tells_its_sizes_its_fit_and_its_components(model):
    html = model._repr_html_()
    assert "30 × 12, rank 3" in html
    assert f"relative error {model.relative_error:.4f}" in html
    assert html.count("<tr>") == 1 + 3
    assert model.top(1)[0].name in html
    assert "<script>" not in dnmf.fit(np.eye(3), 2, column_names=["<script>"] * 3)._repr_html_()


def test_inspection_names_the_same_columns(model):
    found = components(model, 3)
    named = [place["name"] for entry in found for place in entry["top"]]
    assert named == [entry.name for entry in model.top(3)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": 0}, "count=0: a whole number, at least 1"),
        ({"count": 2.5}, "count=2.5: a whole number, at least 1"),
        ({"count": True}, "count=True: a whole number, at least 1"),
        ({"side": "V"}, "side='V': use one of 'W', 'H'"),
    ],
)
def test_what_cannot_be_is_refused(model, wrong, words):
    with pytest.raises(dnmf.InputError, match=words):
        model.top(**wrong)


NAMES = [f"term {at}" for at in range(12)]


@pytest.mark.parametrize(
    "names",
    [NAMES, tuple(NAMES), np.array(NAMES), np.array(NAMES, object), iter(NAMES), "names.txt"],
    ids=["list", "tuple", "array", "objects", "iterator", "file"],
)
def test_names_can_be_given_afterwards(model, names, tmp_path, monkeypatch):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    monkeypatch.chdir(tmp_path)
    before = model.top(3)
    table = model.top(3, names=names)
    assert [entry.name for entry in table] == [f"term {entry.number}" for entry in before]
    assert model.top(3).entries == before.entries


def test_names_of_rows_can_be_given_afterwards(model):
    table = model.top(2, "W", names=range(100, 130))
    assert all(entry.name == str(100 + entry.number) for entry in table)


@pytest.mark.broad(7)
@pytest.mark.parametrize("side", ["H", "W"])
@pytest.mark.parametrize(
    "names", [[], ["a"], NAMES[:11], [*NAMES, "more"], dict.fromkeys(NAMES), {*NAMES}, 3, np.eye(12)]
)
def test_names_that_are_not_those_of_all_are_refused(model, names, side):
    with pytest.raises(InputError, match="names"):
        model.top(2, side, names=names)


def test_names_given_afterwards_are_kept_with_the_model(tmp_path):
    model = dnmf.fit(np.random.default_rng(0).random((30, 12)), 3, max_passes=3)
    named = model.with_names(column_names=NAMES, row_names=range(5, 35))
    assert model.column_names is None
    kept = dnmf.load(named.save(tmp_path / "kept.dnmf").path)
    assert kept.column_names.tolist() == NAMES
    assert kept.row_names.tolist() == [str(at) for at in range(5, 35)]
    assert named.with_names(column_names=NAMES[::-1]).row_names.tolist() == kept.row_names.tolist()
