"""A model in another order is the same model: what is stored is not touched, everything else follows."""

import numpy as np
import pytest
from example_models import random_model, stored, watched

import dnmf

pytestmark = pytest.mark.numeric

ORDER = [2, 0, 3, 1]


@pytest.fixture(params=["memory", "store"])
def fitted(planted, tmp_path, request):
    store = tmp_path / "run.dnmf" if request.param == "store" else None
    return dnmf.fit(planted, 4, dtype="float64", max_passes=4, store=store)


def test_every_part_has_the_new_order_and_the_product_is_the_same(fitted):
    found = fitted.reordered(ORDER)
    np.testing.assert_array_equal(found.read_W(), fitted.read_W()[:, ORDER])
    np.testing.assert_array_equal(found.read_W(100, 200), fitted.read_W()[100:200, ORDER])
    np.testing.assert_array_equal(found.W.compute(), fitted.W.compute()[:, ORDER])
    np.testing.assert_array_equal(found.W[17:19, 1].compute(), fitted.read_W()[17:19, ORDER[1]])
    np.testing.assert_array_equal(found.H, fitted.H[ORDER])
    np.testing.assert_array_equal(found.d, fitted.d[ORDER])
    np.testing.assert_array_equal(found.h_scale, fitted.h_scale[ORDER])
    assert found.W.chunks == fitted.W.chunks
    assert found.read_W().flags.c_contiguous


def test_W_is_neither_read_nor_copied():
    model = watched(random_model(rank=4))
    found = model.reordered(ORDER)
    assert found.stored_W is model.stored_W
    assert model.stored_W.reads == []


def test_it_lives_in_no_store_until_it_is_saved(fitted, tmp_path):
    found = fitted.reordered(ORDER)
    assert found.path is None
    assert found.W_name == ""
    saved = found.save(tmp_path / "saved.dnmf")
    for model in (saved, dnmf.load(tmp_path / "saved.dnmf")):
        np.testing.assert_array_equal(model.read_W(), found.read_W())
        np.testing.assert_array_equal(model.stored_W[:], found.read_W())
        np.testing.assert_array_equal(model.H, found.H)
        np.testing.assert_array_equal(model.d, found.d)
        assert model.path == tmp_path / "saved.dnmf"
    assert fitted.reordered(ORDER).read_W().tobytes() == found.read_W().tobytes()


def test_saving_writes_chunk_by_chunk_in_the_new_order(tmp_path):
    model = stored(random_model(rows=40, rank=4), tmp_path, chunk_rows=7)
    saved = model.reordered(ORDER).save(tmp_path / "saved.dnmf")
    assert saved.stored_W.chunks == (7, 4)
    np.testing.assert_array_equal(saved.stored_W[:], model.read_W()[:, ORDER])


@pytest.mark.parametrize("written", [False, True])
def test_other_rows_get_their_columns_in_the_new_order(fitted, planted, tmp_path, written):
    found = fitted.reordered(ORDER)
    out = tmp_path / "W_new.zarr" if written else None
    rows = found.transform(planted[:50], out=out).compute()
    np.testing.assert_allclose(rows, fitted.transform(planted[:50]).compute()[:, ORDER], rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(rows, found.read_W(0, 50), rtol=1e-8, atol=1e-13)


def test_orders_follow_each_other_and_the_way_back_leads_to_the_beginning(fitted):
    twice = fitted.reordered(ORDER).reordered([3, 2, 0, 1])
    np.testing.assert_array_equal(twice.read_W(), fitted.read_W()[:, ORDER][:, [3, 2, 0, 1]])
    np.testing.assert_array_equal(twice.H, fitted.H[ORDER][[3, 2, 0, 1]])
    back = fitted.reordered(ORDER).reordered(np.argsort(ORDER))
    np.testing.assert_array_equal(back.read_W(), fitted.read_W())
    assert back.order is None
    assert fitted.reordered(range(4)) is fitted


def test_the_transpose_has_the_new_order_too(fitted):
    turned = fitted.reordered(ORDER)._transposed()
    np.testing.assert_array_equal(turned.read_W(), fitted.H[ORDER].T)
    np.testing.assert_array_equal(turned.H, fitted.read_W()[:, ORDER].T)


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 1, 2, 2], [1, 2, 3, 4], [[0, 1, 2, 3]], [0.0, 1, 2, 3], "0123"])
def test_what_is_no_permutation_is_refused(order):
    with pytest.raises(dnmf.InputError, match="give each component, 0 to 3, once"):
        random_model(rank=4).reordered(order)


def test_a_component_that_is_zero_in_the_model_takes_no_part_for_other_rows():
    model = random_model(rank=3)
    H = model.H.copy()
    W = model.read_W()
    W[:, 1] = 0
    lame = dnmf.Model(W, np.array([1.0, 0.0, 1.0]), H, np.ones(3), np.array([1.0, 0.0, 1.0]), model.options)
    A = np.random.default_rng(0).random((5, 12))
    found = lame.solve(A)
    alone = dnmf.Model(W[:, [0, 2]], np.ones(2), H[[0, 2]], np.ones(2), np.ones(2), random_model(rank=2).options).solve(
        A
    )
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found[:, [0, 2]], alone, rtol=1e-9, atol=1e-12)
