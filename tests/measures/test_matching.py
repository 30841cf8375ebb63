"""Components are matched one to one as well as any matching could, whatever the ranks and however W is stored."""

import naive
import numpy as np
import pytest
import scipy.sparse
import zarr
from example_models import model_of, random_model, stored, watched
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf import measures

pytestmark = pytest.mark.numeric

SIDES = ["W", "H", "both"]


def cosines(model, reference, side):
    found = {"W": naive.cosines(reference.read_W(), model.read_W()), "H": naive.cosines(reference.H.T, model.H.T)}
    return found["W"] * found["H"] if side == "both" else found[side]


def shuffled(model, order):
    return model_of(model.read_W()[:, order], (model.d[:, None] * model.H)[order])


@settings(max_examples=40, deadline=None)
@given(
    rank=st.integers(1, 5), rank_of_reference=st.integers(1, 5), seed=st.integers(0, 99),
    dead=st.sampled_from([(), (0,)]), side=st.sampled_from(SIDES),
)  # fmt: skip
def test_no_matching_is_better(rank, rank_of_reference, seed, dead, side):
    model = random_model(rank=rank, seed=seed, dead=dead)
    reference = random_model(rank=rank_of_reference, seed=seed + 1000)
    found, similar = measures.match(model, reference, side), cosines(model, reference, side)
    pairs = [(p, q) for p, q in enumerate(found.order) if q >= 0]
    np.testing.assert_allclose([found.cosines[p] for p, _ in pairs], [similar[pair] for pair in pairs], atol=1e-12)
    assert found.cosines.sum() == pytest.approx(naive.best_matching(similar))
    assert len(pairs) == min(rank, rank_of_reference)
    assert sorted([q for _, q in pairs] + found.unmatched.tolist()) == list(range(rank))
    assert measures.robustness(model, reference, side) == pytest.approx(
        naive.best_matching(similar) / max(rank, rank_of_reference)
    )


@pytest.mark.parametrize("side", SIDES)
def test_components_in_another_order_are_found_again(side):
    reference, order = random_model(rank=5), np.array([3, 1, 4, 0, 2])
    found = measures.match(shuffled(reference, order), reference, side)
    np.testing.assert_array_equal(order[found.order], np.arange(5))
    np.testing.assert_allclose(found.cosines, 1)
    assert found.unmatched.size == 0
    assert measures.robustness(shuffled(reference, order), reference, side) == pytest.approx(1)


def test_the_smaller_rank_counts_as_if_it_had_zero_components_besides():
    five = random_model(rank=5)
    three = shuffled(five, [4, 0, 2])
    few, many = measures.match(three, five), measures.match(five, three)
    assert few.order.tolist() == [1, -1, 2, -1, 0]
    np.testing.assert_allclose(few.cosines, [1, 0, 1, 0, 1])
    assert few.unmatched.size == 0
    assert many.order.tolist() == [4, 0, 2]
    assert many.unmatched.tolist() == [1, 3]
    assert measures.robustness(three, five) == measures.robustness(five, three) == pytest.approx(3 / 5)


def test_a_dead_component_has_no_robust_partner_not_even_another_dead_one():
    model = random_model(rank=4, dead=(1,))
    assert measures.robustness(model, model) == pytest.approx(3 / 4)


def test_the_reference_may_be_factors_that_are_known(tmp_path):
    model = random_model(rank=4)
    W, H = model.read_W()[:, ::-1], model.H[::-1]
    for reference, side in [(W, "W"), (H, "H"), ((W, H), "both"), ((W, H), "W"), ((W, H), "H"), (H.tolist(), "H")]:
        found = measures.match(model, reference, side)
        assert found.order.tolist() == [3, 2, 1, 0]
        np.testing.assert_allclose(found.cosines, 1)
    on_disk = zarr.create_array(tmp_path / "W.zarr", data=np.ascontiguousarray(W), chunks=(9, 2))
    assert measures.robustness(model, on_disk, "W") == pytest.approx(1)


@pytest.mark.parametrize(("of_model", "of_reference"), [(3, 10), (10, 3), (7, 7), (50, 50)])
def test_both_W_are_read_by_chunks(of_model, of_reference):
    model, reference = random_model(rows=41, rank=3, seed=1), random_model(rows=41, rank=4, seed=2)
    larger = max(of_model, of_reference)
    here, there = watched(model, of_model, larger), watched(reference, of_reference, larger)
    expected = naive.best_matching(cosines(model, reference, "W")) / 4
    assert measures.robustness(here, there) == pytest.approx(expected)
    for each in (here, there):
        assert sum(stop - start for start, stop in each.stored_W.reads) == 41


def test_stores_of_different_chunks_are_compared_row_by_row(tmp_path):
    model, reference = random_model(rank=3, seed=1), random_model(rank=3, seed=2)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = stored(model, tmp_path / "a", 7), stored(reference, tmp_path / "b", 11)
    assert measures.robustness(here, there) == pytest.approx(measures.robustness(model, reference))


@pytest.mark.parametrize("side", SIDES)
def test_an_aligned_model_has_the_order_of_the_reference(side):
    reference = random_model(rank=5, dead=(4,))
    found = measures.align(shuffled(reference, [3, 1, 4, 0, 2]), reference, side)
    np.testing.assert_allclose(found.read_W(), reference.read_W(), atol=1e-14)
    np.testing.assert_allclose(found.H, reference.H, atol=1e-14)
    np.testing.assert_allclose(found.d, reference.d)
    assert measures.match(found, reference, side).order[:4].tolist() == [0, 1, 2, 3]


def test_components_that_the_reference_has_not_come_last():
    five = random_model(rank=5)
    found = measures.align(five, shuffled(five, [4, 2]))
    np.testing.assert_array_equal(found.H, five.H[[4, 2, 0, 1, 3]])


def test_what_the_model_has_not_leaves_no_gap():
    five = random_model(rank=5)
    found = measures.align(shuffled(five, [4, 2]), five)
    np.testing.assert_array_equal(found.H, shuffled(five, [2, 4]).H)


def test_similarity_is_the_mean_over_components_and_spare_directions_do_not_count():
    model = random_model(rank=3)
    directions = np.vstack([model.H[[2, 0]], np.zeros((1, 12))])
    assert measures.similarity(model, model.H * 7) == pytest.approx(1)
    assert measures.similarity(model, np.vstack([model.H, np.eye(12)])) == pytest.approx(1)
    assert measures.similarity(model, directions) == pytest.approx(2 / 3)
    assert measures.similarity(model, directions[:2]) == pytest.approx(2 / 3)
    assert measures.similarity(model, model.read_W(), side="W") == pytest.approx(1)


@pytest.mark.parametrize(
    ("reference", "side", "message"),
    [
        (random_model(rows=39), "W", "length 39, the second, W of the model, of length 40"),
        (random_model(columns=11), "H", "length 11"),
        (np.ones((12, 3)), "H", "length 3"),
        (np.ones(40), "W", r"shape \(40,\) .*expected dense numbers \(m, k\)"),
        (np.ones((40, 0)), "W", r"shape \(40, 0\)"),
        (scipy.sparse.eye_array(40), "W", "expected dense numbers"),
        (np.full((40, 2), "a"), "W", "expected dense numbers"),
        (np.full((40, 2), np.inf), "W", "the array given for W holds a NaN, an infinity"),
        (np.ones((40, 3)), "both", "give a model or a pair"),
        (np.ones((40, 3)), "rows", "side='rows'"),
    ],
)
def test_a_reference_that_does_not_go_with_the_model_is_refused(reference, side, message):
    with pytest.raises(dnmf.InputError, match=message):
        measures.match(random_model(), reference, side)


def test_two_fits_of_planted_data_agree_with_the_truth_and_with_each_other():
    rng = np.random.default_rng(8)
    W, H = (rng.random(shape) * (rng.random(shape) < 0.4) for shape in ((300, 4), (4, 40)))
    first, second = (dnmf.fit(W @ H, 4, dtype="float64", seed=seed, tol=1e-8) for seed in (0, 1))
    assert measures.robustness(first, (W, H), "both") > 0.99
    assert measures.robustness(first, second, "both") > 0.99
    order = measures.match(second, first).order
    np.testing.assert_array_equal(measures.align(second, first).H, second.H[order])
