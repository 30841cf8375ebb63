"""What a report says, and that it holds all it needs."""

from dataclasses import replace

import numpy as np
import pytest
from example_pages import parse
from example_pictures import RowsThatCount, example_model, example_path, history

import dnmf
from dnmf.errors import InputError
from dnmf.options import FitOptions
from dnmf.plots import report
from dnmf.plots.sums import factor_sums

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")


@pytest.mark.slow
def test_it_says_what_was_factorized_how_it_went_and_what_was_found(tmp_path):
    options = FitOptions(3, penalty=dnmf.Penalty(l1=(0, 0.25), scale="absolute"), seed=7, max_passes=9)
    model = replace(example_model(), options=options, history=history([0.5, 0.4, 0.6, 0.35], undone=[3]))
    page = parse(report(model, tmp_path / "run.html").read_text())
    for words in (
        "example.zarr", "40 × 12", "L1 0.25 on H (absolute)", "seed 7", "at most 9 passes", "0.3500", "4.5",
        "tol: the objective hardly falls", "1, because the objective rose", "3 of 3",
    ):  # fmt: skip
        assert words in page.text
    assert page.headings == [
        "example.zarr", "What was factorized", "How it went", "Components", "Angles between components",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_fit_under_a_rule_has_no_gradient_and_a_free_factor_is_not_called_non_negative(tmp_path, planted):
    rule = dnmf.fit(planted, 3, penalty=dnmf.Penalty(l1=0.1), max_passes=5)
    text = parse(report(rule, tmp_path / "rule.html").read_text()).text
    assert "Change of H" in text
    assert "radient" not in text
    assert "Non-negative" in text
    free = dnmf.fit(planted - 0.2, 3, constraints=dnmf.Constraints(free="W"), max_passes=3)
    text = parse(report(free, tmp_path / "free.html").read_text()).text
    assert "Factorization with W of any sign" in text
    assert "Projected gradient" in text


@pytest.mark.slow
@pytest.mark.parametrize("free", ["", "H"])
def test_a_path_has_a_report_with_a_slider_where_nothing_is_negative(tmp_path, planted, free):
    found = dnmf.path(planted, 2, dnmf.Penalty(l2=1.0), [0, 0.3], measures="cheap", max_passes=3,
                      constraints=dnmf.Constraints(free=free))  # fmt: skip
    page = parse(report(found, tmp_path / "path.html").read_text())
    assert "First the model of strength 0 and seed 0" in page.text
    assert "L2 1 (relative)" in page.text
    assert ("Components at each strength" in page.headings) == (not free)


def test_a_page_is_called_one(tmp_path):
    with pytest.raises(InputError, match="ends in .html"):
        report(example_model(), tmp_path / "run.pdf")


@pytest.mark.slow
def test_it_names_the_strongest_columns_of_each_component(tmp_path):
    model = example_model()
    text = parse(report(model, tmp_path / "run.html", top=3).read_text()).text
    for row in model.H:
        assert f"column {np.argmax(row)} ({100 * row.max():.1f}\N{NO-BREAK SPACE}%)" in text


@pytest.mark.slow
def test_it_names_the_strongest_rows_beside_the_columns(tmp_path):
    model = replace(example_model(), row_names=np.array([f"document {at}" for at in range(40)]))
    text = parse(report(model, tmp_path / "run.html", top=2).read_text()).text
    for component, column in enumerate(model.stored_W.T):
        first, second = np.argsort(-column)[:2]
        names = [f"document {at} ({100 * column[at]:.1f}\N{NO-BREAK SPACE}%)" for at in (first, second)]
        assert ", ".join(names) in text
        assert [entry.number for entry in factor_sums(model, 2).top_rows.of(component)] == [first, second]


@pytest.mark.parametrize(("names", "what"), [(True, "as bars"), (False, "as profiles")])
@pytest.mark.broad(1)
def test_components_are_drawn_as_their_names_suggest(tmp_path, names, what):
    page = parse(report(example_model(names=names), tmp_path / "run.html").read_text())
    assert any(picture["alt"].endswith(what) for picture in page.pictures)


@pytest.mark.slow
def test_names_can_be_given_to_a_model_without(tmp_path):
    names, without = [f"term {at}" for at in range(12)], example_model(names=False)
    text = report(without, tmp_path / "run.html", names=names).read_text()
    assert f"term {np.argmax(without.H[0])} (" in text
    assert "bars" in text
    with pytest.raises(InputError, match="3 names were given for 12 columns"):
        report(without, tmp_path / "other.html", names=names[:3])


@pytest.mark.slow
def test_it_is_whole_loads_nothing_and_describes_its_pictures(tmp_path):
    page = parse(report(example_model(), tmp_path / "run.html").read_text())
    assert page.external == []
    assert len(page.pictures) == 4
    assert all(picture["alt"] for picture in page.pictures)


@pytest.mark.slow
def test_names_and_addresses_are_escaped(tmp_path):
    evil = "<script>alert('x')</script> & $\\frac{"
    model = replace(example_model(), column_names=np.array([evil] * 12), address=evil, stop_reason=evil)
    out = report(model, tmp_path / "run.html", title=evil)
    page = parse(out.read_text())
    assert "<script>alert" not in out.read_text()
    assert page.title == evil
    assert page.text.count(evil) > 20


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(tmp_path):
    first, second = (report(example_model(), tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


@pytest.mark.slow
def test_a_path_adds_its_figure_and_table(tmp_path):
    page = parse(report(example_model(), tmp_path / "run.html", path={"L1": example_path()}).read_text())
    assert page.headings[-1] == "Along the penalty"
    assert len(page.pictures) == 5
    assert "0.01" in page.text


@pytest.mark.slow
@pytest.mark.broad(1)
@pytest.mark.parametrize("shape", [None, (3, 4)])
def test_models_add_a_slider(tmp_path, shape):
    pytest.importorskip("bokeh", reason="the slider needs the extra 'plot'")
    models = {0: example_model(), 1: example_model(seed=1)}
    page = parse(report(example_model(), tmp_path / "run.html", models=models, shape=shape).read_text())
    assert page.headings[-1] == "Components at each strength"
    assert page.external == []


@pytest.mark.slow
def test_a_model_whose_components_died_has_a_report(tmp_path):
    some = parse(report(example_model(rank=5, dead=[1, 4]), tmp_path / "some.html").read_text())
    assert "Zero as a whole, and not shown: 1, 4." in some.text
    none = parse(report(example_model(rank=2, dead=[0, 1]), tmp_path / "none.html").read_text())
    assert "All components are zero" in none.text


def test_one_component_without_names(tmp_path):
    assert report(example_model(rank=1, names=False), tmp_path / "one.html").exists()


def test_rows_of_H_as_images(tmp_path):
    page = parse(report(example_model(), tmp_path / "run.html", shape=(3, 4)).read_text())
    assert any("images" in picture["alt"] for picture in page.pictures)


@pytest.mark.slow
def test_W_is_read_in_blocks_and_a_very_long_one_is_sampled(tmp_path):
    model = example_model()
    sums = factor_sums(model)
    assert np.allclose(sums.gram_W, model.stored_W.T @ model.stored_W)
    assert np.allclose(sums.gram_H, model.H @ model.H.T)
    W = RowsThatCount(1_000_000_000, 3)
    text = parse(report(replace(model, stored_W=W), tmp_path / "run.html").read_text()).text
    assert W.read == 20_000
    assert "20,000 of its 1,000,000,000 rows" in text


@pytest.mark.slow
def test_an_existing_file_stays_unless_it_may_be_replaced(tmp_path):
    out = tmp_path / "run.html"
    out.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        report(example_model(), out)
    assert out.read_text() == "mine"
    report(example_model(), out, overwrite=True)
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["run.html"]


@pytest.mark.parametrize("place", ["missing/run.html", "."])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, place):
    with pytest.raises(InputError):
        report(example_model(), tmp_path / place)
