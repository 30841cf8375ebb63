"""Options: validated once at the door, the same after a trip through JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnmf.errors import InputError
from dnmf.options import FitOptions, format_bytes, parse_bytes
from dnmf.penalty import Penalty


@pytest.mark.parametrize(
    ("text", "count"),
    [("512MiB", 512 * 2**20), ("2 GB", 2 * 10**9), ("1.5 KiB", 1536), (4096, 4096), ("1e6", 10**6), ("3T", 3 * 10**12)],
)
def test_amounts_of_memory_are_read_as_people_write_them(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "0", "1 XB", "nan"])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(InputError, match="not an amount of memory"):
        parse_bytes(text)


@given(st.integers(1, 2**60))
def test_formatted_bytes_are_within_a_tenth_of_a_unit(count):
    assert parse_bytes(format_bytes(count)) == pytest.approx(count, rel=0.06)


@pytest.mark.parametrize(
    "bad",
    [
        {"rank": 0}, {"rank": 2.5}, {"rank": True}, {"init": "svd"}, {"loss": "kl"},
        {"dtype": "float16"}, {"seed": -1}, {"tol": -1.0}, {"tol": float("nan")}, {"max_passes": 0}, {"penalty": 0.1},
        {"tol": "a"}, {"tol": None}, {"extrapolate": "x"}, {"seed": 1.5}, {"prune": "yes"},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_out_of_its_range_is_refused_by_name(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        FitOptions(**{"rank": 3, **bad})


@given(
    rank=st.integers(1, 500), seed=st.integers(0, 2**63), tol=st.floats(0, 1), l1=st.floats(0, 10),
    dtype=st.sampled_from(["float32", "float64"]), extrapolate=st.booleans(),
)  # fmt: skip
def test_options_survive_json(rank, seed, tol, l1, dtype, extrapolate):
    options = FitOptions(
        rank, seed=seed, tol=tol, dtype=dtype, extrapolate=extrapolate, penalty=Penalty(l1=l1, scale="objective")
    )
    assert FitOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_options_of_a_store_that_has_facts_among_them_are_the_same():
    options = FitOptions(3, loss="kullback-leibler", seed=2)
    assert FitOptions.from_json(options.to_json() | {"curvature": "diagonal", "entries": "observed"}) == options


def test_differences_are_listed_by_name():
    assert FitOptions(3).differences(FitOptions(4, seed=1)) == ["rank: 3 → 4", "seed: 0 → 1"]


def test_numpy_scalars_count_as_the_numbers_they_are():
    import numpy as np

    options = FitOptions(np.int64(3), seed=np.uint32(1), tol=np.float32(0.5), extrapolate=np.bool_(False))
    assert options == FitOptions(3, seed=1, tol=0.5, extrapolate=False)
    assert json.loads(json.dumps(options.to_json()))["rank"] == 3
    assert FitOptions(3, dtype=np.float64) == FitOptions(3, dtype=np.dtype("float64")) == FitOptions(3, dtype="float64")
