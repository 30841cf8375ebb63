"""What is at a bound is said in one place, and holds after a scaling and its inverse."""

import numpy as np
import pytest

from dnmf.kernels.bounds import at_upper, bound_in, keep_below, pinned

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
uppers = pytest.mark.parametrize("upper", [0.1, 0.7, 1.0, 1 / 3, 1e-5, 1e5])


@dtypes
@uppers
def test_an_entry_that_was_scaled_and_scaled_back_is_at_its_bound(dtype, upper):
    units = np.random.default_rng(0).random(2000).astype(dtype) + np.float32(0.01)
    around = (np.full(2000, upper, dtype) / units * units).astype(dtype)
    assert at_upper(around, upper).all()
    assert at_upper(around.astype(np.float64), upper, dtype).all()
    assert set(keep_below(around, upper).tolist()) == {bound_in(upper, dtype)}


@dtypes
@uppers
def test_what_is_kept_is_never_above_the_bound_and_what_is_below_stays(dtype, upper):
    values = np.linspace(0, 1.5 * upper, 100).astype(dtype)
    kept = keep_below(values.copy(), upper)
    assert kept.astype(np.float64).max() <= upper
    below = values < 0.999 * upper
    assert kept[below].tobytes() == values[below].tobytes()


@dtypes
def test_without_a_bound_nothing_is_at_it(dtype):
    values = np.array([0, 1, np.finfo(dtype).max], dtype)
    assert not at_upper(values, np.inf).any()
    assert keep_below(values.copy(), np.inf).tobytes() == values.tobytes()


@dtypes
def test_an_entry_is_pinned_where_its_gradient_points_beyond_a_bound(dtype):
    near = np.nextafter(np.ones(1, dtype), 0)[0]
    values = np.array([0, 0, near, near, 1, 0.5], dtype)
    slopes = np.array([1, -1, 1, -1, -1, 1], dtype)
    assert pinned(values, slopes, 1.0).tolist() == [True, False, False, True, True, False]
    assert pinned(values, slopes).tolist() == [True, False, False, False, False, False]
