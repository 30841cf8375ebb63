"""What is said of one model equals what the obvious computation says, however W is stored."""

import naive
import numpy as np
import pytest
from example_models import model_of, random_model, stored, watched
from hypothesis import given, settings
from hypothesis import strategies as st

import dnmf
from dnmf import measures

pytestmark = pytest.mark.numeric


def factor(model, side):
    return model.read_W() if side == "W" else model.H.T


models = st.builds(
    random_model, rows=st.integers(1, 60), columns=st.integers(1, 20), rank=st.integers(1, 6),
    seed=st.integers(0, 99), dead=st.sampled_from([(), (0,)]), dtype=st.sampled_from(["float32", "float64"]),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(model=models, chunk_rows=st.integers(1, 70), side=st.sampled_from("WH"))
def test_cosines_are_those_of_the_columns_however_W_is_cut(model, chunk_rows, side):
    found = measures.cosines(watched(model, chunk_rows), side)
    expected = naive.cosines(factor(model, side), factor(model, side))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (found == found.T).all()
    assert found.max(initial=0) <= 1


@pytest.mark.parametrize("side", ["W", "H", "both"])
def test_a_dead_component_has_cosine_zero_with_all_and_with_itself(side):
    found = measures.cosines(random_model(rank=4, dead=(2,)), side)
    assert (found[2] == 0).all()
    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(np.diag(found), [1, 1, 0, 1])


def test_the_cosine_on_both_sides_is_that_of_the_components_as_matrices():
    model = random_model(rank=4)
    matrices = np.array([np.outer(w, h).ravel() for w, h in zip(model.read_W().T, model.H, strict=True)])
    np.testing.assert_allclose(measures.cosines(model, "both"), naive.cosines(matrices.T, matrices.T), atol=1e-12)


@pytest.mark.parametrize("side", ["W", "H", "both"])
def test_the_mean_cosine_is_over_all_entries_or_over_those_off_the_diagonal(side):
    model = random_model(rank=3)
    found = measures.cosines(model, side)
    others = [found[p, q] for p in range(3) for q in range(3) if p != q]
    assert measures.mean_cosine(model, side) == pytest.approx(found.mean())
    assert measures.mean_cosine(model, side, diagonal=False) == pytest.approx(np.mean(others))


def test_the_only_component_is_like_itself_and_like_no_other():
    model = random_model(rank=1)
    assert measures.mean_cosine(model) == pytest.approx(1)
    assert measures.mean_cosine(model, diagonal=False) == 0


@settings(max_examples=30, deadline=None)
@given(model=models, chunk_rows=st.integers(1, 70))
def test_sparsity_is_the_share_of_exact_zeros(model, chunk_rows):
    expected = (model.read_W() == 0).mean(), (model.H == 0).mean()
    assert measures.sparsity(watched(model, chunk_rows)) == pytest.approx(expected)


def test_a_value_however_small_is_no_zero():
    W = np.array([[1.0, 0.0], [1e-300, 1.0]])
    assert measures.sparsity(model_of(W, np.eye(2))) == measures.Sides(W=0.25, H=0.5)


@settings(max_examples=30, deadline=None)
@given(model=models)
def test_energy_is_the_squared_norm_of_each_component_alone(model):
    W, H = (np.asarray(X, np.float64) for X in (model.read_W(), model.H))
    alone = [((model.d[q] * np.outer(W[:, q], H[q])) ** 2).sum() for q in range(model.rank)]
    np.testing.assert_allclose(measures.energy(model), alone, rtol=1e-12)


def test_energies_and_cosines_give_the_norm_of_the_model():
    model = random_model(rank=4, dead=(1,))
    energy = measures.energy(model)
    whole = (((model.read_W() * model.d) @ model.H) ** 2).sum()
    parts = np.sqrt(np.outer(energy, energy)) * measures.cosines(model, "both")
    assert parts.sum() == pytest.approx(whole)
    assert energy.sum() <= whole


@pytest.mark.parametrize("side", ["W", "H"])
def test_alike_is_the_mean_cosine_to_a_vector_where_a_dead_component_counts_zero(side):
    model = random_model(rank=4, dead=(3,))
    vector = np.random.default_rng(5).random(40 if side == "W" else 12)
    expected = np.mean([naive.cosine(column, vector) for column in factor(model, side).T])
    assert measures.alike(model, vector, side) == pytest.approx(expected)
    assert measures.alike(model, 7.0 * vector[None], side) == pytest.approx(expected)
    assert measures.alike(model, np.zeros_like(vector), side) == 0


def test_everything_reads_each_row_of_W_once_and_never_more_than_a_chunk():
    for measure in (measures.sparsity, measures.energy, lambda model: measures.cosines(model, "W")):
        model = watched(random_model(rows=40), chunk_rows=7)
        measure(model)
        assert model.stored_W.reads == [(low, min(low + 7, 40)) for low in range(0, 40, 7)]


def test_W_in_a_store_says_what_W_in_memory_says(tmp_path):
    model = random_model(rows=40, dtype="float32")
    on_disk = stored(model, tmp_path)
    assert on_disk.W.npartitions > 1
    assert measures.sparsity(on_disk) == measures.sparsity(model)
    np.testing.assert_allclose(measures.cosines(on_disk, "W"), measures.cosines(model, "W"), rtol=1e-14)


def test_sums_are_float64_although_W_is_float32():
    W = np.full((200_000, 1), 0.1, np.float32)
    exact = 200_000 * (np.float64(np.float32(1 / 200_000)) ** 2)
    model = model_of(W, np.ones((1, 1)), "float32")
    assert measures.energy(model)[0] == pytest.approx(model.d[0] ** 2 * exact, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: measures.cosines(m, "w"), "side='w': use one of 'W', 'H', 'both'"),
        (lambda m: measures.mean_cosine(m, "D"), "side='D'"),
        (lambda m: measures.alike(m, np.ones(11)), "length 11.* of length 12"),
        (lambda m: measures.alike(m, np.ones((2, 12))), r"shape \(2, 12\), expected one vector"),
        (lambda m: measures.alike(m, ["a"] * 12), "expected dense numbers"),
        (lambda m: measures.alike(m, np.full(12, np.nan)), "holds a NaN"),
        (lambda m: measures.alike(m, np.ones(12), "both"), "side='both'"),
    ],
)
def test_wrong_input_is_refused_in_words(call, message):
    with pytest.raises(dnmf.InputError, match=message):
        call(random_model())


@pytest.mark.slow
def test_it_reproduces_the_measures_of_the_reference_program(hawaiibirds, golden):
    import csv

    with (golden / "rcppml_regularisation.csv").open() as lines:
        runs = [row for row in csv.DictReader(lines) if float(row["alpha"]) == 0 and row["diag"] == "TRUE"]
    model = dnmf.fit(hawaiibirds, 10, dtype="float64", init="random", tol=1e-6, max_passes=100)
    found = {
        "sparsity_w": measures.sparsity(model).H,  # its W are the species, our columns
        "sparsity_h": measures.sparsity(model).W,
        "mean_cosine": measures.mean_cosine(model),
        "mean_cosine_offdiag": measures.mean_cosine(model, diagonal=False),
        "kmeans_sim": measures.similarity(model, measures.kmeans_centres(hawaiibirds, 10)),
        "svd1_sim": measures.alike(model, measures.first_singular_vector(hawaiibirds)),
    }
    for name, value in found.items():
        reached = [float(run[name]) for run in runs]
        assert min(reached) - 0.005 <= value <= max(reached) + 0.005, name
