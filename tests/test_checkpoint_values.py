"""What was committed is what is read, whatever arrays and records are made of."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dnmf.checkpoint import Store, read_latest


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=hnp.arrays(
        dtype=st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(endianness="?"),
            hnp.unsigned_integer_dtypes(),
            hnp.floating_dtypes(endianness="?"),
            hnp.unicode_string_dtypes(),
        ),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    order=st.sampled_from("CF"),
)
def test_an_array_of_any_dtype_shape_and_layout_comes_back_bit_for_bit(tmp_path_factory, array, order):
    array = np.asarray(array, order=order)
    root = tmp_path_factory.mktemp("run") / "run.dnmf"
    with Store(root) as store:
        store.commit(0, {}, {"x": array})
    got = read_latest(root).arrays["x"]
    assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert got.flags.f_contiguous == array.flags.f_contiguous
    assert got.flags.writeable


def test_a_strided_view_comes_back_equal_and_is_not_modified(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    before = whole.copy()
    whole.flags.writeable = False
    with Store(tmp_path / "run.dnmf") as store:
        store.commit(1, {}, {"x": whole[::2, ::-3]})
    np.testing.assert_array_equal(read_latest(tmp_path / "run.dnmf").arrays["x"], before[::2, ::-3])
    np.testing.assert_array_equal(whole, before)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(
    record=st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_a_record_of_any_plain_json_comes_back_equal(tmp_path_factory, record):
    root = tmp_path_factory.mktemp("run") / "run.dnmf"
    with Store(root) as store:
        store.commit(3, record, {})
    generation = read_latest(root)
    assert (generation.number, generation.record, generation.arrays) == (3, record, {})
